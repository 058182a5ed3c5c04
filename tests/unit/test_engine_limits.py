"""Limits of a job's GPUs: what is wanted reaches the machine where it trains, once, and goes with the job."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.crashing import CrashingWorld, Points
from support.engine import HourlySource, World, site

from ga_playbooks.fake_trainer import TrainerModel
from gacli.core.job import JobState
from gacli.policies.stay import Stay
from gacli.store.limits import WantedLimit

MODEL = TrainerModel(steps_per_s=0.1, total_steps=40, checkpoint_every_steps=8, save_s=5.0)


def world(root: Path, kind: type[World] = World) -> World:
    return kind(
        root=root,
        carbon=HourlySource({"A": [400.0] * 48, "B": [100.0] * 48}),
        sites=(site("a", "A", capacity=4), site("b", "B", capacity=4)),
        model=MODEL,
        start_at="a",
        tick_s=5.0,
        sample_s=30.0,
        poll_s=600.0,
        policy=Stay(),
    )


def told(one: World) -> list[tuple[int, int | None, float | None, str]]:
    return [
        (event.body["generation"], event.body["limit_id"], gpu["power_w"], gpu["refused"])  # type: ignore[misc]  # events are JSON
        for event in one.events("limit")
        for gpu in event.body["gpus"]  # type: ignore[attr-defined]  # the same
    ]


def want(one: World, power_w: float | None) -> None:
    one.store.limits.want(one.job_id, one.clock.now(), "test", power_w=power_w)


def test_a_limit_is_told_once_and_goes_with_the_job(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(100)
    want(one, 200.0)
    one.run_for(100)
    assert told(one) == [(1, 1, 200.0, "")]
    one.command("migrate", "b")
    assert one.run() is JobState.DONE
    assert one.where() == "b"
    # Put back on the machine that was left, and when the job was over.
    assert told(one) == [(1, 1, 200.0, ""), (1, None, 300.0, ""), (2, 1, 200.0, ""), (2, None, 300.0, "")]


def test_the_newest_wish_counts_and_a_lifted_limit_is_not_brought_along(tmp_path: Path) -> None:
    one = world(tmp_path)
    want(one, 250.0)  # before anything runs
    one.run_for(100)
    want(one, 200.0)
    one.run_for(50)
    want(one, None)
    one.run_for(50)
    one.command("migrate", "b")
    assert one.run() is JobState.DONE
    assert told(one) == [(1, 1, 250.0, ""), (1, 2, 200.0, ""), (1, 3, 300.0, "")]


def test_a_machine_that_refuses_trains_on(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(100)
    one.disk("job-1-a-1").faults.limits_refused = "Insufficient Permissions"
    want(one, 200.0)
    assert one.run() is JobState.DONE
    assert told(one) == [(1, 1, None, "Insufficient Permissions")]


def test_a_machine_that_cannot_be_reached_is_told_later(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(100)
    one.disk("job-1-a-1").faults.unreachable = True
    want(one, 200.0)
    one.run_for(60)
    assert told(one) == []
    one.disk("job-1-a-1").faults.unreachable = False
    one.run_for(60)
    assert told(one) == [(1, 1, 200.0, "")]


def script(one: CrashingWorld) -> None:
    progress = one.store.journal.progress(one.job_id)
    step = 0 if progress is None else progress.step
    if step >= 10 and not one.said:
        one.said.append("limit")
        want(one, 200.0)
    if step >= 20 and one.said == ["limit"]:
        one.said.append("migrate")
        one.command("migrate", "b")


def test_a_crash_at_any_point_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _fd: None)
    points = Points()
    undisturbed = world(tmp_path / "undisturbed", CrashingWorld)
    assert isinstance(undisturbed, CrashingWorld)
    undisturbed.tick_s = 20.0
    undisturbed.live_through(points, script)
    expected = [(1, 1, 200.0, ""), (1, None, 300.0, ""), (2, 1, 200.0, ""), (2, None, 300.0, "")]
    assert told(undisturbed) == expected
    assert Counter(points.names)["before limit"] == 1
    for number in range(len(points.names)):
        one = world(tmp_path / str(number), CrashingWorld)
        assert isinstance(one, CrashingWorld)
        one.tick_s = 20.0
        one.live_through(Points((number,)), script)
        assert one.state is JobState.DONE
        by_generation: dict[int, list[tuple[int | None, float | None]]] = {}
        for generation, limit_id, power_w, _ in told(one):
            by_generation.setdefault(generation, []).append((limit_id, power_w))
        # However many generations a crash costs: each is limited once and put back once.
        assert [limits for limits in by_generation.values() if limits != [(1, 200.0), (None, 300.0)]] == []
        assert len(by_generation) >= 2


@pytest.mark.parametrize(
    ("power_w", "clock_mhz"), [(0.0, None), (float("nan"), None), (None, -1), (100.0, 900)], ids=str
)
def test_a_wish_that_makes_no_sense_is_not_stored(tmp_path: Path, power_w: float | None, clock_mhz: int | None) -> None:
    one = world(tmp_path)
    with pytest.raises(ValueError, match=r"limited|above 0"):
        one.store.limits.want(one.job_id, one.clock.now(), "test", power_w=power_w, clock_mhz=clock_mhz)
    assert one.store.limits.wanted(one.job_id) is None


def test_the_newest_wish_is_kept_with_the_generation_of_then(tmp_path: Path) -> None:
    one = world(tmp_path)
    want(one, 250.0)
    one.run_for(100)
    limit = one.store.limits.want(one.job_id, one.clock.now(), "test", clock_mhz=1200)
    assert one.store.limits.wanted(one.job_id) == WantedLimit(limit=limit, generation=1)
