"""What a policy is shown of a simulated job: costs that come true, and nothing that a live job would not know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from support.engine import START
from support.simulated import Told, small_scenario

from gacli.core.snapshot import Snapshot
from gacli.simulate.run import simulate

HELD = {"scenario": {"hold_paused": True}}
# gCO2eq/s of a machine in use and of an idle one.
BUSY, IDLE = {"a": 0.01, "b": 0.02}, {"a": 0.001, "b": 0.002}


def shown(case: Mapping[str, Any], answers: dict[int, str]) -> dict[int, Snapshot]:
    """Each snapshot by its second."""
    policy = Told(answers=answers)
    simulate(small_scenario(case), policy)
    return {int((snapshot.now - START).total_seconds()): snapshot for snapshot in policy.shown}


def moves(snapshot: Snapshot) -> dict[str, tuple[float, float, float]]:
    """boot_s, downtime_s and overhead_g (to the nanogram) by site; the one that trains the job has none."""
    return {
        view.site.name: (view.move.boot_s, view.move.downtime_s, round(view.move.overhead_g, 9))
        for view in snapshot.sites
        if view.move is not None
    }


def test_a_job_that_trains_is_shown_what_a_move_costs() -> None:
    now = shown({}, {})[300]
    assert now.current == "a"
    assert now.held_since == START + timedelta(seconds=35)
    assert moves(now) == {"b": (40.0, 35.0, round(IDLE["b"] * 75 + IDLE["a"] * 35, 9))}


@pytest.mark.parametrize(("case", "resume_s", "power_w"), [({}, 35.0, 0.0), (HELD, 5.0, 36.0)], ids=["freed", "held"])
def test_a_job_that_trains_is_shown_what_a_pause_costs(case: dict[str, Any], resume_s: float, power_w: float) -> None:
    now = shown(case, {300: "pause"})
    pause = now[300].pause
    assert pause is not None
    assert (pause.save_s, pause.resume_s) == (10.0, resume_s)
    assert pause.overhead_g == pytest.approx(BUSY["a"] * 10 + IDLE["a"] * resume_s)
    assert now[400].pause is None
    assert now[300].paused_power_w == now[400].paused_power_w == power_w


def test_a_paused_job_is_shown_what_resuming_costs() -> None:
    now = shown({}, {300: "pause"})[400]
    assert (now.current, now.held_since, now.paused_at) == (None, None, "a")
    assert now.paused_since == START + timedelta(seconds=310)
    assert moves(now) == {
        "a": (30.0, 5.0, round(IDLE["a"] * 35, 9)),
        "b": (40.0, 25.0, round(IDLE["b"] * 65, 9)),
    }


def test_a_paused_job_that_keeps_its_machine_need_not_boot_it() -> None:
    now = shown(HELD, {300: "pause"})[400]
    assert moves(now) == {
        "a": (0.0, 5.0, round(IDLE["a"] * 5, 9)),
        "b": (40.0, 25.0, round(IDLE["b"] * 65 + IDLE["a"] * 25, 9)),
    }


def test_a_machine_that_was_lost_in_a_pause_draws_nothing_and_has_to_boot() -> None:
    now = shown({**HELD, "outages": [["a", 350, 450]]}, {300: "pause"})
    assert not now[400].view("a").available
    assert now[400].view("a").unavailable_because == "no machine is to be had until 2024-06-01 00:07 UTC"
    assert now[500].view("a").available
    assert now[500].paused_power_w == 0.0
    assert moves(now[500])["a"] == (30.0, 5.0, round(IDLE["a"] * 35, 9))


def test_the_rest_of_the_work_and_its_saves_tell_when_a_job_that_stays_will_end() -> None:
    case = {"job": {"save_every_s": 130.0, "epoch_s": 300.0, "deadline_s": 5000.0}, "scenario": {"poll_s": 7.0}}
    policy = Told(answers={})
    outcome = simulate(small_scenario(case), policy)
    for now in policy.shown:
        assert now.remaining_s is not None
        assert now.now + timedelta(seconds=now.remaining_s + now.saves_left_s) == outcome.finished_at
        assert now.total_s == 1000.0
        assert now.since_epoch_s == pytest.approx((now.total_s - now.remaining_s) % 300.0, abs=1e-6)
        assert (now.started_at, now.deadline, now.poll_s) == (START, START + timedelta(seconds=5000), 7.0)


def test_a_move_is_counted_and_begins_a_new_dwell() -> None:
    now = shown({}, {300: "move b"})
    assert (now[300].moves, now[400].moves) == (0, 1)
    assert now[400].current == "b"
    assert now[400].held_since == START + timedelta(seconds=375)


def test_two_days_of_readings_are_shown_and_none_that_begins_later() -> None:
    hours = {zone: [100.0] * 60 for zone in "AB"}
    now = shown({"hours": hours, "job": {"work_s": 55 * 3600.0}, "scenario": {"poll_s": 1800.0}}, {})
    second = 50 * 3600 + 1800
    starts = [reading.at for reading in now[second].view("a").readings]
    assert starts == [START + timedelta(hours=hour) for hour in range(3, 51)]
    at_the_hour = [reading.at for reading in now[second - 1800].view("b").readings]
    assert at_the_hour == [START + timedelta(hours=hour) for hour in range(2, 51)]
