"""What holds of every simulation, whatever the policy answers and whatever breaks down."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, pairwise, permutations

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.engine import START
from support.simulated import readings

from gacli.core.decision import Action, Decision
from gacli.core.emissions import total_of
from gacli.core.energy import EmissionInterval, Phase
from gacli.core.site import PowerModel, Site
from gacli.core.snapshot import Snapshot
from gacli.simulate.run import simulate
from gacli.simulate.scenario import Outage, Outcome, Scenario, SimulatedJob

NAMES = ("a", "b", "c")
SITES = tuple(
    Site(
        name=name, provider="simulated", zone=name.upper(), pue=1.0 + 0.1 * index,
        power=PowerModel(idle_w=60.0 + index, busy_w=700.0),
    )
    for index, name in enumerate(NAMES)
)  # fmt: skip
WORKS = (Phase.TRAIN, Phase.CHECKPOINT)

# Tenths of a second, with many that coincide.
spans = st.sampled_from([0.0, 0.1, 20.0, 60.0, 77.7, 100.0, 300.0])
hours = st.lists(st.floats(0, 1000), min_size=12, max_size=12)


@dataclass(frozen=True, kw_only=True)
class Wanton:
    """Answers by the time alone, one answer a poll, over and over; looks at what it is shown."""

    answers: tuple[str, ...]
    poll_s: float
    name: str = "wanton"

    def decide(self, snapshot: Snapshot) -> Decision:
        self._look(snapshot)
        index = round((snapshot.now - START).total_seconds() / self.poll_s)
        action, _, target = self.answers[index % len(self.answers)].partition(" ")
        return Decision(at=snapshot.now, policy=self.name, action=Action(action), target=target or None, reason="")

    def _look(self, snapshot: Snapshot) -> None:
        for view in snapshot.sites:
            starts = [reading.at for reading in view.readings]
            assert starts == sorted(starts)
            assert starts
            assert snapshot.now - timedelta(hours=48) <= starts[0] <= starts[-1] <= snapshot.now
            assert (view.move is None) is (view.site.name == snapshot.current)
        assert (snapshot.current is None) is (snapshot.paused_since is not None) is (snapshot.paused_at is not None)
        assert (snapshot.pause is None) is (snapshot.current is None) is (snapshot.held_since is None)
        assert snapshot.remaining_s is not None
        assert snapshot.total_s is not None
        assert 0 < snapshot.remaining_s <= snapshot.total_s


@st.composite
def outages(draw: st.DrawFn) -> Outage:
    first = START + timedelta(seconds=draw(st.sampled_from([0.0, 100.0, 500.0, 1777.7, 3600.0])))
    return Outage(
        site=draw(st.sampled_from(NAMES)),
        start=first,
        end=first + timedelta(seconds=draw(st.sampled_from([0.0, 100.0, 400.0, 2000.0]))),
    )


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    return Scenario(
        job=SimulatedJob(
            name="job",
            work_s=draw(st.sampled_from([100.0, 1234.5, 5000.0])),
            save_s=draw(spans),
            save_every_s=draw(st.sampled_from([100.0, 333.3, 1000.0, math.inf])),
            checkpoint_bytes=draw(st.sampled_from([0, 1000])),
            restart_s=draw(spans),
        ),
        sites=SITES,
        readings_by_zone={site.zone: readings(site.zone, draw(hours)) for site in SITES},
        start=START,
        boot_s={name: draw(spans) for name in NAMES},
        bandwidth_bytes_per_s={pair: draw(st.sampled_from([7.0, 10.0])) for pair in permutations(NAMES, 2)},
        start_at=draw(st.sampled_from([None, *NAMES])),
        poll_s=draw(st.sampled_from([20.0, 100.0, 77.7])),
        hold_paused=draw(st.booleans()),
        outages=tuple(draw(st.lists(outages(), max_size=4))),
        limit_s=draw(st.sampled_from([2000.0, 20_000.0, math.inf])),
    )


answers = st.lists(
    st.sampled_from(["stay", "stay", "pause", *(f"move {name}" for name in NAMES)]), min_size=1, max_size=12
)


def simulated(scenario: Scenario, told: list[str]) -> Outcome:
    return simulate(scenario, Wanton(answers=tuple(told), poll_s=scenario.poll_s))


@settings(max_examples=60)
@given(scenarios(), answers)
def test_all_work_is_done_once_and_what_was_lost_again(scenario: Scenario, told: list[str]) -> None:
    outcome = simulated(scenario, told)
    trained_s = _seconds(outcome, Phase.TRAIN)
    if outcome.finished_at is None:
        assert scenario.limit_s < math.inf or outcome.pauses
        assert trained_s <= scenario.job.work_s + outcome.lost_s + 1e-6
    else:
        assert math.isclose(trained_s, scenario.job.work_s + outcome.lost_s, rel_tol=1e-12)
        last = outcome.intervals[-1].energy
        assert outcome.finished_at == max(interval.energy.end for interval in outcome.intervals)
        assert last.phase is Phase.CHECKPOINT or scenario.job.save_s == 0
    if not scenario.outages:
        assert outcome.lost_s == 0


@settings(max_examples=60)
@given(scenarios(), answers)
def test_parts_add_up_to_the_whole(scenario: Scenario, told: list[str]) -> None:
    outcome = simulated(scenario, told)
    assert outcome.total == total_of(outcome.intervals)
    for interval in outcome.intervals:
        energy = interval.energy
        site = SITES[NAMES.index(energy.site)]
        power_w = site.power.busy_w if energy.phase in WORKS else site.power.idle_w
        assert math.isclose(energy.energy_j, power_w * _length_s(interval), rel_tol=1e-6, abs_tol=1e-3)
        assert energy.start >= START
    idle_w = {site.name: site.power.idle_w for site in SITES}
    expected_j = math.fsum(
        _length_s(one) * (700.0 if one.energy.phase in WORKS else idle_w[one.energy.site]) for one in outcome.intervals
    )
    assert math.isclose(outcome.total.energy_j, expected_j, rel_tol=1e-9, abs_tol=1e-3)


@settings(max_examples=60)
@given(scenarios(), answers)
def test_one_machine_trains_and_no_site_has_two(scenario: Scenario, told: list[str]) -> None:
    outcome = simulated(scenario, told)
    groups: list[list[EmissionInterval]] = [
        [one for one in outcome.intervals if one.energy.site == name] for name in NAMES
    ]
    groups.append([one for one in outcome.intervals if one.energy.phase in WORKS])
    for group in groups:
        assert all(before.energy.end <= after.energy.start for before, after in pairwise(group))


@settings(max_examples=60)
@given(scenarios(), answers)
def test_without_outages_a_job_is_paused_or_held_at_every_instant(scenario: Scenario, told: list[str]) -> None:
    assume(not scenario.outages)
    outcome = simulated(scenario, told)
    spans = _joined((one.energy.start, one.energy.end) for one in outcome.intervals)
    covered_s = sum((end - start).total_seconds() for start, end in spans)
    end = outcome.finished_at or max([START, *(one.energy.end for one in outcome.intervals)])
    free_s = 0.0 if scenario.hold_paused else outcome.paused_s
    if outcome.finished_at is None:
        # A pause that the run was given up in has no end.
        assert covered_s <= (end - START).total_seconds() + 1e-6
    else:
        assert math.isclose(covered_s + free_s, (end - START).total_seconds(), abs_tol=1e-6)
    assert outcome.pauses or len(spans) <= 1


@settings(max_examples=60)
@given(scenarios(), answers)
def test_a_policy_is_asked_at_polls_and_only_while_nothing_is_under_way(scenario: Scenario, told: list[str]) -> None:
    outcome = simulated(scenario, told)
    poll = timedelta(seconds=scenario.poll_s)
    asked = [decision.at for decision in outcome.decisions]
    assert all((instant - START) % poll == timedelta(0) for instant in asked)
    assert all(before < after for before, after in pairwise(asked))
    for instant in asked:
        held = [one.energy for one in outcome.intervals if one.energy.start <= instant < one.energy.end]
        for energy in held:
            assert energy.phase in (*WORKS, Phase.IDLE) or energy.start == instant
            stop = outcome.stops.get(energy.generation)
            assert energy.phase is not Phase.CHECKPOINT or stop is None or stop >= instant
        for one, other in combinations(held, 2):
            # Two machines are held together from the decision to move on, not before it.
            assert max(one.start, other.start) == instant


@settings(max_examples=20)
@given(scenarios(), answers)
def test_equal_scenarios_have_equal_outcomes(scenario: Scenario, told: list[str]) -> None:
    assert simulated(scenario, told) == simulated(scenario, told)


def _seconds(outcome: Outcome, phase: Phase) -> float:
    return sum(_length_s(one) for one in outcome.intervals if one.energy.phase is phase)


def _length_s(interval: EmissionInterval) -> float:
    return (interval.energy.end - interval.energy.start).total_seconds()


def _joined(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
