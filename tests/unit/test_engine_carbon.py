"""The loop and its carbon sources: what fails, lies or takes turns moves nothing by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from support.engine import HOUR_S, START, HourlySource, World, site

from ga_playbooks.fake_trainer import TrainerModel
from gacli.core.job import JobState

# Alike by day, so that two services can be told to see the same grid.
DAY = [400.0 + 10 * (hour % 6) for hour in range(72)]


def service(name: str, a: Sequence[float], b: Sequence[float]) -> HourlySource:
    return HourlySource({"A": a, "B": b}, name=name, live=True)


def world(root: Path, first: HourlySource, *spare: HourlySource) -> World:
    """At `a`, hours after the services began, with a job that outlives the test."""
    one = World(
        root=root,
        carbon=first,
        spare=spare,
        sites=(site("a", "A"), site("b", "B")),
        model=TrainerModel(steps_per_s=0.1, total_steps=100_000, checkpoint_every_steps=10),
        start_at="a",
        tick_s=30.0,
    )
    one.clock.wait(30 * HOUR_S)
    one.run_for(900)
    assert one.where() == "a"
    return one


def moves(one: World) -> int:
    return sum(placement.purpose == "move" for placement in one.store.placements.of_job(one.job_id))


def told(one: World, kind: str) -> str:
    return "\n".join(str(event.body.get("message", "")) for event in one.events(kind))


def of_level(level: float) -> list[float]:
    return [level * value for value in DAY]


@pytest.mark.parametrize("other_a", [1.0, 2.0])
@pytest.mark.parametrize("other_b", [0.1, 0.5])
def test_change_of_source_moves_nothing(tmp_path: Path, other_a: float, other_b: float) -> None:
    first = service("first", of_level(1.0), of_level(0.97))
    one = world(tmp_path, first, service("second", of_level(other_a), of_level(other_b)))
    for broken in ({"B"}, set[str](), {"A"}, {"A", "B"}, set[str]()):
        first.broken = broken
        one.run_for(2 * HOUR_S)
        assert (one.where(), moves(one)) == ("a", 0), broken
    assert "B: carbon intensity from second (no answer for B)" in told(one, "warning")
    assert "B: carbon intensity from first" in told(one, "note")


def test_change_of_the_grid_that_a_stand_in_sees_does(tmp_path: Path) -> None:
    cleaner = [value if hour < 34 else 0.5 * value for hour, value in enumerate(DAY)]
    first = service("first", of_level(1.0), of_level(0.97))
    one = world(tmp_path, first, service("second", of_level(1.3), [1.3 * value for value in cleaner]))
    first.broken = {"A", "B"}
    one.run_for(2 * HOUR_S)
    assert moves(one) == 0
    one.run_for(3 * HOUR_S)
    assert one.where() == "b"


def test_table_that_stands_in_moves_nothing_whatever_it_says(tmp_path: Path) -> None:
    first = service("first", of_level(1.0), of_level(0.97))
    table = HourlySource({"A": of_level(1.0), "B": of_level(0.1)}, name="typical")
    one = world(tmp_path, first, table)
    first.broken = {"B"}
    one.run_for(10 * HOUR_S)
    assert (one.where(), moves(one)) == ("a", 0)
    assert "typical stands in for first" in str(one.events("decision")[-1].body["reason"])


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(lambda hour, value: 3.0 if hour >= 32 else value, id="falls to nearly nothing at once"),
        pytest.param(lambda hour, value: 3.0 if hour in (32, 36, 40) else value, id="single hours of nearly nothing"),
        pytest.param(lambda hour, value: 99_999.0 if hour == 32 else value, id="absurd"),
    ],
)
def test_value_that_cannot_be_is_not_believed(tmp_path: Path, lie: object) -> None:
    assert callable(lie)
    lying = [float(lie(hour, value)) for hour, value in enumerate(of_level(0.97))]
    one = world(tmp_path, service("first", of_level(1.0), lying))
    one.run_for(2 * HOUR_S)
    assert (one.where(), moves(one)) == ("a", 0)
    assert one.carbon.hours["B"][32] != of_level(0.97)[32]
    assert one.state is JobState.RUNNING


def test_what_serves_the_accounting_alone_is_named_in_the_ledger(tmp_path: Path) -> None:
    first = service("first", of_level(1.0), of_level(0.97))
    one = world(tmp_path, first, HourlySource({"A": of_level(0.5), "B": of_level(0.5)}, name="typical"))
    first.broken = {"A"}
    one.run_for(3 * HOUR_S)
    from_then = START + timedelta(hours=32)
    sources = {
        e.emission.carbon_source for e in one.store.ledger.entries(one.job_id) if e.emission.energy.start > from_then
    }
    assert sources == {"typical"}


def test_service_that_says_the_same_for_two_days_is_not_believed_any_more(tmp_path: Path) -> None:
    alive = [400.0 + 10 * (hour % 6) for hour in range(96)]
    frozen = [0.97 * (value if hour < 35 else alive[35]) for hour, value in enumerate(alive)]
    one = world(tmp_path, service("first", alive, frozen))
    one.tick_s = 300.0
    one.run_for(50 * HOUR_S)
    assert told(one, "warning") == ""
    one.run_for(6 * HOUR_S)
    assert "first: exactly 436.5 g/kWh for 49.0 h" in told(one, "warning")
    assert (one.where(), moves(one)) == ("a", 0)


def test_polls_keep_their_pace_whatever_a_tick_takes(tmp_path: Path) -> None:
    one = world(tmp_path, service("first", [400.0] * 96, [400.0] * 96))
    one.tick_s, one.poll_s = 7.0, 300.0
    one.controller = one.new_controller()
    one.run_for(10 * HOUR_S)
    told_s = [(event.at - one.events("carbon")[0].at).total_seconds() for event in one.events("carbon")]
    assert [seconds // 300 for seconds in told_s] == list(range(len(told_s)))
    assert max(seconds % 300 for seconds in told_s) < 7
