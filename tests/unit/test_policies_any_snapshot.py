"""What must hold for every policy and every snapshot with pauses, deadlines and forecasts, however odd."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.decision import Action, Policy
from gacli.core.forecast import Forecast, ForecastPoint
from gacli.core.site import PowerModel, Site
from gacli.core.snapshot import MoveCost, PauseCost, SiteView, Snapshot
from gacli.policies.clairvoyant import Clairvoyant
from gacli.policies.deadlines import deadline_slack_s, pause_loss_s, pause_slack_s, resumption_s
from gacli.policies.forecast import ForecastPlan
from gacli.policies.greedy_carbon import GreedyCarbon
from gacli.policies.greenaccounter import GreenAccounter
from gacli.policies.move_or_pause import MoveOrPause
from gacli.policies.pause_resume import PauseResume
from gacli.policies.performance_first import PerformanceFirst
from gacli.policies.random_choice import RandomChoice
from gacli.policies.round_robin import RoundRobin

NOW = datetime(2024, 5, 2, 12, 20, tzinfo=UTC)
NAMES = ("berlin", "oregon", "quebec")
BUDGET_PERCENT = 150.0
DECIDING = settings(max_examples=150, deadline=None)

PAUSING: Sequence[Policy] = (
    PauseResume(pause_above_g_per_kwh=300, resume_below_g_per_kwh=250, budget_percent=BUDGET_PERCENT),
    MoveOrPause(
        pause_above_g_per_kwh=300,
        resume_below_g_per_kwh=250,
        budget_percent=BUDGET_PERCENT,
        hold_readings=1,
        dwell_s=0,
        max_downtime_s=1e6,
    ),
    ForecastPlan(budget_percent=BUDGET_PERCENT),
    ForecastPlan(budget_percent=BUDGET_PERCENT, caution=0, max_moves=5),
    Clairvoyant(budget_percent=BUDGET_PERCENT),
)
OTHERS: Sequence[Policy] = (
    GreedyCarbon(),
    GreenAccounter(thresholds=dict.fromkeys(NAMES, 250.0), at_epoch_end=True),
    PerformanceFirst(),
    RandomChoice(dwell_s=0),
    RoundRobin(dwell_s=0),
)


class Fault(StrEnum):
    """What may be wrong with a site."""

    NONE = "none"
    UNAVAILABLE = "unavailable"
    STALE = "stale"
    MARGINAL = "marginal"
    STAND_IN = "stand-in"
    SILENT = "silent"
    NO_FORECAST = "no forecast"
    OTHER_FORECAST = "forecast of another kind"


_faults = st.one_of(st.just(Fault.NONE), st.just(Fault.NONE), st.sampled_from(Fault))
_spans_s = st.sampled_from([0.0, 60.0, 300.0, 1000.0, 4000.0])


@st.composite
def _views(draw: st.DrawFn, name: str, *, holds: bool) -> SiteView:
    fault = draw(_faults)
    newest = NOW.replace(minute=0) - timedelta(hours=draw(st.integers(4, 12)) if fault is Fault.STALE else 0)
    readings = tuple(
        Reading(
            zone=name,
            at=newest - timedelta(hours=back),
            period_s=3600,
            intensity_g_per_kwh=draw(st.integers(0, 600)),
            signal=Signal.MARGINAL if fault is Fault.MARGINAL else Signal.AVERAGE,
            scope=Scope.LIFECYCLE,
            quality=Quality.MEASURED,
            source="test",
            stand_in="the service is silent" if fault is Fault.STAND_IN and back == 0 else "",
        )
        for back in range(0 if fault is Fault.SILENT else draw(st.integers(1, 3)))
    )[::-1]
    cost = MoveCost(boot_s=draw(_spans_s), downtime_s=draw(_spans_s), overhead_g=draw(st.integers(0, 50)))
    return SiteView(
        site=Site(
            name=name,
            provider="mock",
            zone=name,
            pue=draw(st.sampled_from([1.0, 1.5])),
            power=PowerModel(idle_w=50, busy_w=draw(st.sampled_from([50.0, 400.0]))),
        ),
        readings=readings,
        available=fault is not Fault.UNAVAILABLE,
        move=None if holds else cost,
        forecast=None if fault is Fault.NO_FORECAST else draw(_forecasts(name, other=fault is Fault.OTHER_FORECAST)),
    )


@st.composite
def _forecasts(draw: st.DrawFn, zone: str, *, other: bool) -> Forecast:
    begin = NOW.replace(minute=0) + timedelta(hours=draw(st.integers(0, 1)))
    levels = draw(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 80)), min_size=2, max_size=30))
    return Forecast(
        zone=zone,
        issued_at=NOW,
        step_s=3600,
        signal=Signal.MARGINAL if other else Signal.AVERAGE,
        scope=Scope.LIFECYCLE,
        source="test",
        points=tuple(
            ForecastPoint(
                at=begin + timedelta(hours=hour),
                intensity_g_per_kwh=level,
                low50_g_per_kwh=max(level - width, 0),
                high50_g_per_kwh=level + width,
                low90_g_per_kwh=max(level - 2 * width, 0),
                high90_g_per_kwh=level + 2 * width,
            )
            for hour, (level, width) in enumerate(levels)
        ),
    )


@st.composite
def _snapshots(draw: st.DrawFn, *, paused: bool) -> Snapshot:
    names = NAMES[: draw(st.integers(1, 3))]
    total_s = draw(st.sampled_from([None, 20_000.0, 100_000.0]))
    remaining_s = draw(st.one_of(st.none(), st.floats(0, 20_000.0)))
    spare_s = draw(st.sampled_from([None, -500.0, 0.0, 300.0, 700.0, 4000.0, 50_000.0]))
    saves_left_s = draw(st.sampled_from([0.0, 500.0]))
    deadline = None if spare_s is None else NOW + timedelta(seconds=(remaining_s or 0.0) + saves_left_s + spare_s)
    return Snapshot(
        now=NOW,
        current=None if paused else names[0],
        held_since=None if paused else NOW - timedelta(days=1),
        sites=tuple(draw(_views(name, holds=not paused and name == names[0])) for name in names),
        remaining_s=remaining_s,
        moves=draw(st.integers(0, 6)),
        max_reading_age_s=2 * 3600.0,
        movable_because_not="no checkpoint yet" if draw(st.integers(0, 9)) == 9 else "",
        paused_since=NOW - timedelta(seconds=draw(st.sampled_from([60, 4000, 90_000]))) if paused else None,
        paused_at=names[0] if paused else None,
        pause=None if paused else PauseCost(save_s=draw(_spans_s), resume_s=draw(_spans_s), overhead_g=0),
        started_at=NOW - timedelta(seconds=draw(st.integers(0, 100_000))),
        deadline=deadline,
        total_s=total_s,
        poll_s=draw(st.sampled_from([300.0, 3600.0])),
        saves_left_s=saves_left_s,
        paused_power_w=draw(st.sampled_from([0.0, 50.0])),
    )


def _sound(view: SiteView, snapshot: Snapshot) -> bool:
    """Fresh, and no stand-in."""
    if not view.readings or view.readings[-1].stand_in:
        return False
    newest = view.readings[-1]
    return (snapshot.now - newest.at).total_seconds() - newest.period_s <= snapshot.max_reading_age_s


def _well_formed(policy: Policy, snapshot: Snapshot) -> None:
    decision = policy.decide(snapshot)
    event(f"{policy.name}: {decision.action}")
    assert decision == policy.decide(snapshot)
    assert (decision.at, decision.policy) == (snapshot.now, policy.name)
    assert (decision.action is Action.MOVE) == (decision.target is not None)
    assert decision.reason
    assert "\n" not in decision.reason
    assert all(math.isfinite(value) for value in decision.numbers.values())
    if decision.target is not None:
        assert snapshot.view(decision.target).available
        assert decision.target != snapshot.current


@DECIDING
@given(st.sampled_from([*PAUSING, *OTHERS]), _snapshots(paused=False))
def test_moves_and_pauses_rest_on_sound_readings(policy: Policy, snapshot: Snapshot) -> None:
    _well_formed(policy, snapshot)
    decision = policy.decide(snapshot)
    if decision.action is Action.STAY:
        return
    here = snapshot.sites[0]
    assert not snapshot.movable_because_not
    assert _sound(here, snapshot)
    if decision.target is not None:
        there = snapshot.view(decision.target)
        assert _sound(there, snapshot)
        assert there.readings[-1].signal == here.readings[-1].signal


@DECIDING
@given(st.sampled_from([*PAUSING, *OTHERS]), _snapshots(paused=True))
def test_paused_jobs_get_answers(policy: Policy, snapshot: Snapshot) -> None:
    _well_formed(policy, snapshot)
    assert policy.decide(snapshot).action is not Action.PAUSE


@DECIDING
@given(st.sampled_from(PAUSING), _snapshots(paused=True))
def test_a_paused_job_resumes_elsewhere_on_sound_readings_only(policy: Policy, snapshot: Snapshot) -> None:
    here = snapshot.sites[0]
    target = policy.decide(snapshot).target
    if target is None or target == here.site.name or not here.available:
        return
    there = snapshot.view(target)
    if _sound(here, snapshot) and _sound(there, snapshot) and there.readings[-1].signal == here.readings[-1].signal:
        event("by its readings")
        return
    # Only the deadline sends it to where nothing is known, or from where nothing is: it would be too late there.
    event("by its deadline")
    assert there.move is not None
    assert here.move is not None
    assert resumption_s(there.move) <= deadline_slack_s(snapshot) + 1e-6 < resumption_s(here.move)


@DECIDING
@given(st.sampled_from(PAUSING), _snapshots(paused=True))
def test_missing_data_ends_every_pause(policy: Policy, snapshot: Snapshot) -> None:
    assume(any(view.available for view in snapshot.sites))
    unknown = replace(
        snapshot,
        sites=tuple(replace(view, readings=()) for view in snapshot.sites),
        paused_since=NOW - timedelta(seconds=snapshot.max_reading_age_s + 1),
    )
    assert policy.decide(unknown).action is Action.MOVE


@DECIDING
@given(st.sampled_from(PAUSING), _snapshots(paused=False))
def test_nothing_is_begun_that_would_be_late(policy: Policy, snapshot: Snapshot) -> None:
    decision = policy.decide(snapshot)
    event(f"{policy.name}: {decision.action}")
    assert snapshot.pause is not None
    if decision.action is Action.PAUSE:
        assert pause_loss_s(snapshot, snapshot.pause) <= pause_slack_s(snapshot, BUDGET_PERCENT) + 1e-6
        assert snapshot.deadline is not None or snapshot.total_s is not None
    if decision.target is not None:
        move = snapshot.view(decision.target).move
        assert move is not None
        assert move.downtime_s <= deadline_slack_s(snapshot) + 1e-6


@DECIDING
@given(st.sampled_from(PAUSING), _snapshots(paused=True))
def test_a_pause_ends_in_time(policy: Policy, snapshot: Snapshot) -> None:
    assume(snapshot.sites[0].available)
    decision = policy.decide(snapshot)
    slack_s = pause_slack_s(snapshot, BUDGET_PERCENT)
    times_s = {view.site.name: resumption_s(view.move) for view in snapshot.sites if view.available and view.move}
    if decision.action is Action.STAY:
        assert snapshot.poll_s + min(times_s.values()) <= slack_s + 1e-6
    elif isinstance(policy, PauseResume):
        assert decision.target == snapshot.paused_at
    elif times_s[snapshot.sites[0].site.name] <= slack_s:
        assert times_s[decision.target or ""] <= slack_s + 1e-6


@given(st.integers(0, 2**40), st.integers(0, 10**6))
def test_lots_depend_on_seed_and_instant_alone(seed: int, later_s: int) -> None:
    def drawn(seed: int, now: datetime) -> str | None:
        sites = tuple(
            SiteView(
                site=Site(name=name, provider="", zone="", pue=1, power=PowerModel(idle_w=0, busy_w=1)), readings=()
            )
            for name in NAMES
        )
        snapshot = Snapshot(
            now=now, current=None, held_since=None, sites=sites, remaining_s=None, moves=0, max_reading_age_s=0
        )
        return RandomChoice(seed=seed).decide(snapshot).target

    now = NOW + timedelta(seconds=later_s)
    assert drawn(seed, now) == drawn(seed, now)
    assert {drawn(seed, now + timedelta(hours=hour)) for hour in range(100)} == set(NAMES)
