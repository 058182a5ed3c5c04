"""What cannot be simulated is refused; what hindsight needs is in the outcome; a site must be the fleet's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import permutations

import pytest
from support.engine import START, site
from support.simulated import readings

from gacli.core.baseline import stayed, work_of
from gacli.core.decision import Action, Decision
from gacli.core.snapshot import Snapshot
from gacli.errors import GaError
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.stay import Stay
from gacli.simulate.run import simulate
from gacli.simulate.scenario import Outage, Scenario, SimulatedJob

SITES = (site("a", "A"), site("b", "B", pue=1.2))
WAVES = {
    zone: [300 + 250 * math.sin((hour / 12 + part) * math.pi) for hour in range(48)] for part, zone in enumerate("AB")
}
JOB = SimulatedJob(
    name="job", work_s=20 * 3600.0, save_s=30.0, save_every_s=1800.0, checkpoint_bytes=6000, restart_s=20.0
)
SCENARIO = Scenario(
    job=JOB,
    sites=SITES,
    readings_by_zone={zone: readings(zone, values) for zone, values in WAVES.items()},
    start=START,
    boot_s={"a": 90.0, "b": 120.0},
    bandwidth_bytes_per_s=dict.fromkeys(permutations("ab", 2), 100.0),
    start_at="a",
)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"work_s": 0.0}, "work_s must be above 0 and finite, found 0.0"),
        ({"work_s": math.inf}, "work_s must be above 0 and finite, found inf"),
        ({"work_s": math.nan}, "work_s must be above 0"),
        ({"save_every_s": 0.0}, "save_every_s must be above 0, found 0.0"),
        ({"save_s": -1.0}, "save_s must be finite and at least 0, found -1.0"),
        ({"restart_s": math.inf}, "restart_s must be finite"),
        ({"checkpoint_bytes": -1}, "checkpoint_bytes must be finite and at least 0"),
        ({"deadline_s": 0.0}, "deadline_s must be above 0"),
        ({"epoch_s": -5.0}, "epoch_s must be above 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_job_that_makes_no_sense_is_refused(change: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(JOB, **change)  # type: ignore[arg-type]  # the cases name fields of the dataclass


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sites": ()}, "needs sites with names of their own"),
        ({"sites": (SITES[0], SITES[0])}, "needs sites with names of their own"),
        ({"start_at": "c"}, "start_at must be one of a, b, found c"),
        ({"start": START.replace(tzinfo=None)}, "start must be an aware instant"),
        ({"poll_s": 0.0}, "poll_s must be above 0"),
        ({"limit_s": -1.0}, "limit_s must be above 0"),
        ({"boot_s": {"a": -1.0}}, "boot_s of a must be finite and at least 0"),
        ({"bandwidth_bytes_per_s": {("a", "b"): 0.0}}, "bandwidth_bytes_per_s from a to b must be above 0"),
        ({"bandwidth_bytes_per_s": {("a", "b"): 1.0}}, r"found none for \('b', 'a'\)"),
        ({"readings_by_zone": {"A": SCENARIO.readings_by_zone["A"]}}, "found none of B"),
        ({"max_reading_age_s": -1.0}, "max_reading_age_s must be finite and at least 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_scenario_that_makes_no_sense_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(SCENARIO, **change)  # type: ignore[arg-type]  # the cases name fields of the dataclass


def test_an_outage_does_not_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="start <= end"):
        Outage(site="a", start=START, end=START - timedelta(seconds=1))


def test_a_policy_that_names_no_site_of_the_fleet_is_told_so() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Lost:
        name: str = "lost"

        def decide(self, snapshot: Snapshot) -> Decision:
            return Decision(at=snapshot.now, policy=self.name, action=Action.MOVE, target="atlantis", reason="")

    with pytest.raises(GaError, match="policy lost: expected a move to one of a, b, found 'atlantis' at 2024-06-01T"):
        simulate(SCENARIO, Lost())


def test_where_it_stays_the_baseline_is_what_it_emitted() -> None:
    outcome = simulate(SCENARIO, Stay())
    work = work_of((part.energy for part in outcome.intervals), SITES[0], outcome.stops)
    baseline = stayed(work, SITES[0], SCENARIO.readings_by_zone["A"])
    assert baseline.emissions_g == pytest.approx(outcome.total.emissions_g, rel=1e-12)
    assert baseline.end == outcome.finished_at


def test_where_it_moves_the_baseline_is_what_stay_emits() -> None:
    moved, stays = simulate(SCENARIO, Hysteresis()), simulate(SCENARIO, Stay())
    assert moved.moves >= 1
    assert moved.total.emissions_g < stays.total.emissions_g
    work = work_of((part.energy for part in moved.intervals), SITES[0], moved.stops)
    baseline = stayed(work, SITES[0], SCENARIO.readings_by_zone["A"])
    assert baseline.energy_j == pytest.approx(stays.total.energy_j, rel=1e-12)
    assert baseline.emissions_g == pytest.approx(stays.total.emissions_g, rel=1e-12)
