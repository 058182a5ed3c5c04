"""What must hold for every policy and every snapshot, however odd."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.decision import Action, Policy
from gacli.core.site import PowerModel, Site
from gacli.core.snapshot import MoveCost, SiteView, Snapshot
from gacli.policies.greenaccounter import GreenAccounter
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.stay import Stay

NOW = datetime(2024, 5, 2, 12, tzinfo=UTC)
HOUR_S = 3600.0
NAMES = ("berlin", "oregon", "quebec", "seoul")
OBSERVED = (Quality.MEASURED, Quality.ESTIMATED, Quality.TYPICAL, Quality.STATIC)
# Eager, so that most snapshots with an admissible target end in a move.
EAGER = Hysteresis(margin_percent=1, margin_g_per_kwh=0, hold_readings=1, dwell_s=0, max_downtime_s=1e6)


def _reading(zone: str, at: datetime, value: float, signal: Signal, quality: Quality) -> Reading:
    return Reading(
        zone=zone,
        at=at,
        period_s=HOUR_S,
        intensity_g_per_kwh=value,
        signal=signal,
        scope=Scope.LIFECYCLE,
        quality=quality,
        source="test",
    )


class Fault(StrEnum):
    """What may be wrong with a site; most sites are sound, so that moves are frequent enough to be tested."""

    NONE = "none"
    UNAVAILABLE = "unavailable"
    STALE = "stale"
    MARGINAL = "marginal"
    FORECAST = "forecast"
    SILENT = "silent"
    COST_UNKNOWN = "cost unknown"


_faults = st.one_of(st.just(Fault.NONE), st.just(Fault.NONE), st.just(Fault.NONE), st.sampled_from(Fault))


@st.composite
def _views(draw: st.DrawFn, name: str, lowest: int, highest: int) -> SiteView:
    fault = draw(_faults)
    hours = 0 if fault is Fault.SILENT else draw(st.integers(1, 4))
    newest = NOW - timedelta(hours=draw(st.integers(2, 12)) if fault is Fault.STALE else 0)
    readings = tuple(
        _reading(
            name,
            newest - timedelta(hours=back),
            draw(st.integers(lowest, highest)),
            Signal.MARGINAL if fault is Fault.MARGINAL else Signal.AVERAGE,
            Quality.FORECAST if fault is Fault.FORECAST and back <= 1 else draw(st.sampled_from(OBSERVED)),
        )
        for back in range(hours - 1, -1, -1)
    )
    idle_w = draw(st.sampled_from([0.0, 50.0]))
    cost = MoveCost(
        boot_s=draw(st.integers(0, 2000)),
        downtime_s=draw(st.integers(0, 2500)),
        overhead_g=draw(st.integers(0, 100)),
    )
    return SiteView(
        site=Site(
            name=name,
            provider="mock",
            zone=name,
            pue=draw(st.sampled_from([1.0, 1.1, 1.6])),
            power=PowerModel(idle_w=idle_w, busy_w=idle_w + draw(st.sampled_from([0.0, 250.0, 400.0, 400.0]))),
        ),
        readings=readings,
        available=fault is not Fault.UNAVAILABLE,
        move=None if fault is Fault.COST_UNKNOWN else cost,
    )


@st.composite
def _snapshots(draw: st.DrawFn, *, held: bool = False) -> Snapshot:
    """Mostly a job at the first and dirtiest of several sites; held: always one that some site holds."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, 4))]
    current = names[0] if held else draw(st.sampled_from([names[0], names[0], names[0], names[-1], None, "elsewhere"]))
    views = [draw(_views(name, 400, 1000) if name == names[0] else _views(name, 0, 500)) for name in names]
    return Snapshot(
        now=NOW,
        current=current,
        held_since=None if current is None else NOW - timedelta(seconds=draw(st.sampled_from([600, 7200, 100_000]))),
        sites=tuple(draw(st.permutations(views))),
        remaining_s=draw(st.one_of(st.none(), st.floats(0, 1e6))),
        moves=draw(st.integers(0, 9)),
        max_reading_age_s=draw(st.sampled_from([0.0, HOUR_S, 3 * HOUR_S])),
        movable_because_not="no checkpoint yet" if draw(st.integers(0, 9)) == 9 else "",
    )


_policies: st.SearchStrategy[Policy] = st.sampled_from(
    [
        Stay(),
        Hysteresis(),
        EAGER,
        GreenAccounter(thresholds=dict.fromkeys(NAMES, 250.0)),
        GreenAccounter(thresholds={"berlin": 10.0, "oregon": 900.0, "quebec": 2000.0}),
    ]
)


def _newest(view: SiteView) -> Reading:
    return max((reading for reading in view.readings if reading.quality != "forecast"), key=lambda reading: reading.at)


def _current(snapshot: Snapshot) -> SiteView:
    assert snapshot.current is not None
    return snapshot.view(snapshot.current)


def _rate_g_per_s(view: SiteView) -> float:
    return _newest(view).intensity_g_per_kwh * view.site.pue * view.site.power.busy_w / 3.6e6


@settings(max_examples=400)
@given(_policies, _snapshots())
def test_every_answer_is_well_formed(policy: Policy, snapshot: Snapshot) -> None:
    decision = policy.decide(snapshot)
    assert decision == policy.decide(snapshot)
    assert (decision.at, decision.policy) == (snapshot.now, policy.name)
    assert (decision.action is Action.MOVE) == (decision.target is not None)
    assert decision.reason
    assert "\n" not in decision.reason
    assert all(math.isfinite(value) for value in decision.numbers.values())


@settings(max_examples=400)
@given(_policies, _snapshots())
def test_targets_are_available_and_never_the_current_site(policy: Policy, snapshot: Snapshot) -> None:
    target = policy.decide(snapshot).target
    event(f"moves: {target is not None}")
    if target is not None:
        assert target != snapshot.current
        assert snapshot.view(target).available


@settings(max_examples=400)
@given(_policies, _snapshots(held=True))
def test_moves_rest_on_fresh_observations_of_one_signal(policy: Policy, snapshot: Snapshot) -> None:
    target = policy.decide(snapshot).target
    event(f"moves: {target is not None}")
    if target is None:
        return
    assert not snapshot.movable_because_not
    here, there = _newest(_current(snapshot)), _newest(snapshot.view(target))
    for reading in (here, there):
        over_s = (snapshot.now - reading.at).total_seconds() - reading.period_s
        assert over_s <= snapshot.max_reading_age_s
    assert here.signal == there.signal


@given(_snapshots(held=True))
def test_stay_stays(snapshot: Snapshot) -> None:
    assert Stay().decide(snapshot).action is Action.STAY


@settings(max_examples=400)
@given(_snapshots(held=True))
def test_a_hysteresis_move_pays(snapshot: Snapshot) -> None:
    target = EAGER.decide(snapshot).target
    event(f"moves: {target is not None}")
    if target is None:
        return
    cost = snapshot.view(target).move
    assert cost is not None
    useful_s = EAGER.horizon_s
    if snapshot.remaining_s is not None:
        useful_s = min(useful_s, snapshot.remaining_s - cost.boot_s - cost.downtime_s)
    saved_g = (_rate_g_per_s(_current(snapshot)) - _rate_g_per_s(snapshot.view(target))) * useful_s
    assert saved_g > cost.overhead_g


@settings(max_examples=400)
@given(_snapshots(held=True), st.integers(1, 50), st.integers(0, 20), st.booleans())
def test_a_dominated_site_is_never_chosen(snapshot: Snapshot, cleaner_g: int, cheaper_g: int, first: bool) -> None:
    """Whatever hysteresis chooses, a twin of it that is cleaner and no dearer would have been chosen instead."""
    chosen = EAGER.decide(snapshot).target
    event(f"moves: {chosen is not None}")
    if chosen is None:
        return
    view = snapshot.view(chosen)
    assert view.move is not None
    assume(view.site.power.busy_w > 0 and all(reading.intensity_g_per_kwh >= cleaner_g for reading in view.readings))
    twin = replace(
        view,
        site=replace(view.site, name="twin"),
        readings=tuple(
            replace(reading, intensity_g_per_kwh=reading.intensity_g_per_kwh - cleaner_g) for reading in view.readings
        ),
        move=replace(view.move, overhead_g=view.move.overhead_g - cheaper_g),
    )
    sites = (twin, *snapshot.sites) if first else (*snapshot.sites, twin)
    assert EAGER.decide(replace(snapshot, sites=sites)).target == "twin"


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(0, 900)), min_size=4, max_size=40),
    st.sampled_from([0.0, 1.0, 2.5, 6.0]),
    st.integers(1, 3),
)
def test_hysteresis_keeps_its_dwell(series: list[tuple[int, int, int]], dwell_h: float, hold_readings: int) -> None:
    """Driven through a day of readings, it never moves twice within the dwell, nor before a site held its margins."""
    policy = replace(EAGER, dwell_s=dwell_h * HOUR_S, hold_readings=hold_readings, margin_g_per_kwh=20)
    names = NAMES[:3]
    current, held_since = names[0], NOW
    for hour in range(len(series)):
        now = NOW + timedelta(hours=hour)
        histories = {
            name: tuple(
                _reading(name, NOW + timedelta(hours=past), series[past][column], Signal.AVERAGE, Quality.MEASURED)
                for past in range(hour + 1)
            )
            for column, name in enumerate(names)
        }
        snapshot = Snapshot(
            now=now,
            current=current,
            held_since=held_since,
            sites=tuple(
                SiteView(
                    site=Site(name=name, provider="mock", zone=name, pue=1.1, power=PowerModel(idle_w=50, busy_w=300)),
                    readings=histories[name],
                    move=None if name == current else MoveCost(boot_s=60, downtime_s=60, overhead_g=0.1),
                )
                for name in names
            ),
            remaining_s=None,
            moves=0,
            max_reading_age_s=HOUR_S,
        )
        target = policy.decide(snapshot).target
        if target is None:
            continue
        assert (now - held_since).total_seconds() >= policy.dwell_s
        assert hour + 1 >= hold_readings
        for back in range(1, hold_readings + 1):
            here, there = histories[current][-back], histories[target][-back]
            assert here.intensity_g_per_kwh - there.intensity_g_per_kwh >= 20 / 1.1 - 1e-9
        current, held_since = target, now
