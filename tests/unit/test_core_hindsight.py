"""Baselines with hindsight: hand-worked cases in tests/data/core/hindsight.yaml, and what always holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise, product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gacli.core.baseline import Baseline, Saving, stayed
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.emissions import emissions_of, total_of
from gacli.core.energy import JOULES_PER_KWH, EnergyInterval, Phase
from gacli.core.foresight import least_schedule, place_of
from gacli.core.hindsight import MoveTimes, best_single_site, capture_percent, clairvoyant_bound
from gacli.core.site import PowerModel, Site
from gacli.errors import CarbonUnavailable

START = datetime(2024, 5, 2, tzinfo=UTC)
CASES = yaml.safe_load((Path(__file__).parent.parent / "data" / "core" / "hindsight.yaml").read_text(encoding="utf-8"))

# Each example solves whole programmes of 720 steps and 100 moves.
some = settings(max_examples=25, deadline=None)

# A schedule: each leg's site and the seconds of work from which on the job is there.
Route = Sequence[tuple[Site, float]]


@dataclass(frozen=True)
class World:
    sites: list[Site]
    readings: dict[str, list[Reading]]
    work: list[EnergyInterval]
    times: MoveTimes


def _at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def _site(name: str, pue: float, idle_w: float) -> Site:
    return Site(name=name, provider="mock", zone=name.upper(), pue=pue, power=PowerModel(idle_w=idle_w, busy_w=5000))


def _reading(zone: str, start_h: float, value: float, signal: Signal = Signal.AVERAGE) -> Reading:
    return Reading(
        zone=zone,
        at=_at(start_h),
        period_s=3600,
        intensity_g_per_kwh=value,
        signal=signal,
        scope=Scope.LIFECYCLE,
        quality=Quality.MEASURED,
        source="test",
    )


def _interval(start: datetime, end: datetime, energy_j: float, site: str = "a") -> EnergyInterval:
    return EnergyInterval(
        site=site,
        generation=1,
        phase=Phase.TRAIN,
        start=start,
        end=end,
        energy_j=energy_j,
        meter="model",
        modelled=True,
    )


def _emissions_g(site: Site, start: datetime, end: datetime, energy_j: float, world: World) -> float:
    interval = _interval(start, end, energy_j, site.name)
    return total_of(emissions_of(interval, site, world.readings[site.zone])).emissions_g


def _cost_g(route: Route, world: World) -> float:
    """What a schedule emits, by the ledger's own arithmetic."""
    origin, down_s = min(interval.start for interval in world.work), world.times.downtime_s
    ends_s = [*(start_s for _, start_s in route[1:]), math.inf]
    emitted_g = done_s = 0.0
    for interval in sorted(world.work, key=lambda interval: interval.start):
        length_s = (interval.end - interval.start).total_seconds()
        for moves, ((site, from_s), to_s) in enumerate(zip(route, ends_s, strict=True)):
            first_s, last_s = max(done_s, from_s), min(done_s + length_s, to_s)
            if first_s < last_s:
                start, end = (origin + timedelta(seconds=work_s + moves * down_s) for work_s in (first_s, last_s))
                energy_j = interval.energy_j * (last_s - first_s) / length_s
                emitted_g += _emissions_g(site, start, end, energy_j, world)
        done_s += length_s
    for moves, ((source, _), (target, at_s)) in enumerate(pairwise(route)):
        left = origin + timedelta(seconds=at_s + moves * down_s)
        arrived, boot_s = left + timedelta(seconds=down_s), world.times.boot_s[target.name]
        asked = left - timedelta(seconds=boot_s)
        emitted_g += _emissions_g(source, left, arrived, source.power.idle_w * down_s, world)
        emitted_g += _emissions_g(target, asked, arrived, target.power.idle_w * (boot_s + down_s), world)
    return emitted_g


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_hand_worked(case: dict[str, Any]) -> None:
    sites = [_site(name, pue, idle_w) for name, (pue, idle_w, _) in case["sites"].items()]
    readings = {
        name.upper(): [_reading(name.upper(), *values) for values in told] for name, told in case["readings"].items()
    }
    work = [_interval(_at(start_h), _at(end_h), kwh * JOULES_PER_KWH) for start_h, end_h, kwh in case["work"]]
    best = best_single_site(work, sites, readings)
    assert (best.policy, best.site) == ("best-site", case["best"][0])
    assert best.emissions_g == pytest.approx(case["best"][1])
    times = MoveTimes(
        downtime_s=case["downtime_h"] * 3600, boot_s={name: told[2] * 3600 for name, told in case["sites"].items()}
    )
    bound = clairvoyant_bound(work, sites, readings, times, case.get("start"))
    expected = case["bound"]
    assert bound.baseline.policy == "clairvoyant"
    assert bound.baseline.emissions_g == pytest.approx(expected["g"])
    assert bound.baseline.energy_j / JOULES_PER_KWH == pytest.approx(expected["kwh"])
    assert bound.baseline.end == _at(expected["end_h"])
    assert all(leg.start < leg.end for leg in bound.legs)
    if "sites" in expected:
        assert [leg.site for leg in bound.legs] == expected["sites"]
    else:
        assert [(leg.site, leg.start, leg.end) for leg in bound.legs] == [
            (site, _at(start_h), _at(end_h)) for site, start_h, end_h in expected["legs"]
        ]


def test_nothing_known_and_nothing_comparable() -> None:
    sites, work = [_site("a", 1, 0), _site("b", 1, 0)], [_interval(_at(0), _at(1), 1.0)]
    times = MoveTimes(downtime_s=0, boot_s={"a": 0, "b": 0})
    with pytest.raises(CarbonUnavailable, match="no carbon reading of any zone of a, b"):
        best_single_site(work, sites, {"A": []})
    mixed = {"A": [_reading("A", 0, 100)], "B": [_reading("B", 0, 100, Signal.MARGINAL)]}
    with pytest.raises(CarbonUnavailable, match="found average and marginal"):
        best_single_site(work, sites, mixed)
    with pytest.raises(CarbonUnavailable, match="found average and marginal"):
        clairvoyant_bound(work, sites, mixed, times)
    with pytest.raises(KeyError, match="b"):
        clairvoyant_bound(work, sites, {"A": mixed["A"]}, times, "b")


@pytest.mark.parametrize(
    ("downtime_s", "boot_s", "name"),
    [(-1, 0, "downtime_s"), (math.inf, 0, "downtime_s"), (0, -1, "a"), (0, math.nan, "a")],
)
def test_impossible_times(downtime_s: float, boot_s: float, name: str) -> None:
    with pytest.raises(ValueError, match=f"time {name} must be finite and at least 0"):
        MoveTimes(downtime_s=downtime_s, boot_s={"a": boot_s})


@pytest.mark.parametrize(
    ("stayed_g", "actual_g", "bound_g", "percent"),
    [
        (200, 150, 100, 50),
        (200, 100, 100, 100),
        (200, 220, 100, -20),
        (200, 90, 100, 110),
        (200, 200, 200, None),
        (0, 0, 0, None),
        (200, 150, 200 * (1 - 1e-13), None),
        (200, 150, 210, None),
    ],
)
def test_capture(stayed_g: float, actual_g: float, bound_g: float, percent: float | None) -> None:
    assert capture_percent(stayed_g, actual_g, bound_g) == percent


def test_a_saving_never_goes_without_its_baseline() -> None:
    saving = Saving(
        baseline=Baseline(site="a", emissions_g=200, energy_j=1, end=START, policy="best-site"), actual_g=150
    )
    assert (saving.baseline.policy, saving.saved_g, saving.percent) == ("best-site", 50, 25)
    assert replace(saving, baseline=replace(saving.baseline, emissions_g=0)).percent is None


@st.composite
def _worlds(draw: st.DrawFn) -> World:
    names = ["a", "b", "c"][: draw(st.integers(1, 3))]
    sites = [_site(name, draw(st.sampled_from([1, 1.2, 1.6])), draw(st.sampled_from([0, 100, 1500]))) for name in names]
    hours = st.sets(st.integers(-3, 18), min_size=1, max_size=9).map(sorted)
    readings = {
        site.zone: [_reading(site.zone, hour / 2, draw(st.integers(0, 900))) for hour in draw(hours)] for site in sites
    }
    work: list[EnergyInterval] = []
    cursor_min = draw(st.integers(0, 100))
    for length_min in draw(st.lists(st.integers(1, 200), min_size=1, max_size=5)):
        cursor_min += draw(st.sampled_from([0, 0, 45]))
        end_min = cursor_min + length_min
        energy_j = draw(st.floats(0, 5, allow_subnormal=False)) * JOULES_PER_KWH
        work.append(_interval(_at(cursor_min / 60), _at(end_min / 60), energy_j))
        cursor_min = end_min
    times = MoveTimes(
        downtime_s=draw(st.sampled_from([0, 77, 600, 3600])),
        boot_s={name: draw(st.sampled_from([0, 60, 1000])) for name in names},
    )
    return World(sites, readings, work, times)


def _bound_g(world: World, start: str | None = None) -> float:
    return clairvoyant_bound(world.work, world.sites, world.readings, world.times, start).baseline.emissions_g


def _at_most(value: float) -> float:
    return value * (1 + 1e-9) + 1e-6


@some
@given(_worlds())
def test_bound_best_site_and_staying_are_in_order(world: World) -> None:
    best_g = best_single_site(world.work, world.sites, world.readings).emissions_g
    bound_g = _bound_g(world)
    assert bound_g <= _at_most(best_g)
    for site in world.sites:
        stayed_g = stayed(world.work, site, world.readings[site.zone]).emissions_g
        assert best_g <= stayed_g
        begun_there_g = _bound_g(world, site.name)
        assert bound_g <= _at_most(begun_there_g) <= _at_most(_at_most(stayed_g))


@some
@given(_worlds())
def test_the_route_emits_what_the_bound_says(world: World) -> None:
    bound = clairvoyant_bound(world.work, world.sites, world.readings, world.times)
    sites, origin = {site.name: site for site in world.sites}, world.work[0].start
    route = [
        (sites[leg.site], (leg.start - origin).total_seconds() - moves * world.times.downtime_s)
        for moves, leg in enumerate(bound.legs)
    ]
    # Legs are told to the microsecond.
    assert _cost_g(route, world) == pytest.approx(bound.baseline.emissions_g, rel=1e-6, abs=1e-3)
    assert bound.legs[-1].end == bound.baseline.end


@given(
    _worlds(), st.lists(st.tuples(st.integers(0, 2), st.integers(1, 719)), max_size=6, unique_by=lambda move: move[1])
)
def test_no_schedule_emits_less(world: World, moves: list[tuple[int, int]]) -> None:
    bound = clairvoyant_bound(world.work, world.sites, world.readings, world.times)
    route = [(world.sites[0], 0.0)]
    for index, step in sorted(moves, key=lambda move: move[1]):
        site = world.sites[index % len(world.sites)]
        if site is not route[-1][0]:
            route.append((site, step * bound.step_s))
    assert bound.baseline.emissions_g <= _at_most(_cost_g(route, world))


def _routes(sites: Sequence[Site], steps: int, step_s: float) -> Iterator[Route]:
    for moves in range(steps):
        for made in combinations(range(1, steps), moves):
            for chosen in product(sites, repeat=moves + 1):
                if all(before is not after for before, after in pairwise(chosen)):
                    yield list(zip(chosen, [0.0, *(step * step_s for step in made)], strict=True))


@settings(deadline=None)
@given(_worlds(), st.integers(3, 5))
def test_all_schedules_of_a_few_steps(world: World, steps: int) -> None:
    """The programme against every schedule there is."""
    lengths_s = [(interval.end - interval.start).total_seconds() for interval in world.work]
    origin = world.work[0].start
    places = [
        place_of(
            [
                ((reading.at - origin).total_seconds(), reading.intensity_g_per_kwh * site.pue / JOULES_PER_KWH)
                for reading in world.readings[site.zone]
            ],
            idle_w=site.power.idle_w,
            boot_s=world.times.boot_s[site.name],
        )
        for site in world.sites
    ]
    schedule = least_schedule(
        lengths_s,
        [interval.energy_j for interval in world.work],
        places,
        downtime_s=world.times.downtime_s,
        steps=steps,
        most_moves=steps,
        first=None,
    )
    least_g = min(_cost_g(route, world) for route in _routes(world.sites, steps, sum(lengths_s) / steps))
    assert schedule.emissions_g == pytest.approx(least_g, rel=1e-6, abs=1e-3)
    route = [(world.sites[step.place], step.start_s) for step in schedule.route]
    assert all(before < after for (_, before), (_, after) in pairwise(route))
    assert _cost_g(route, world) == pytest.approx(least_g, rel=1e-6, abs=1e-3)


@some
@given(_worlds(), st.integers(0, 20), st.floats(0.05, 0.95))
def test_splitting_an_interval_changes_nothing(world: World, index: int, share: float) -> None:
    whole = world.work[index % len(world.work)]
    middle = whole.start + (whole.end - whole.start) * share
    exact = (middle - whole.start) / (whole.end - whole.start)
    split = [interval for interval in world.work if interval is not whole] + [
        replace(whole, end=middle, energy_j=whole.energy_j * exact),
        replace(whole, start=middle, energy_j=whole.energy_j * (1 - exact)),
    ]
    assert _bound_g(replace(world, work=split)) == pytest.approx(_bound_g(world), rel=1e-6, abs=1e-3)


@some
@given(_worlds(), st.floats(0, 5000), st.floats(0, 2000))
def test_dearer_moves_never_lower_the_bound(world: World, more_s: float, more_w: float) -> None:
    booting = replace(world.times, boot_s=_longer(world.times.boot_s, more_s))
    bound_g = _bound_g(world)
    assert bound_g <= _at_most(_bound_g(replace(world, times=booting)))
    idling = [replace(site, power=replace(site.power, idle_w=site.power.idle_w + more_w)) for site in world.sites]
    assert bound_g <= _at_most(_bound_g(replace(world, sites=idling)))


@some
@given(_worlds())
def test_one_more_site_never_raises_the_bound(world: World) -> None:
    assert _bound_g(world) <= _at_most(_bound_g(replace(world, sites=world.sites[:1])))


def _longer(boot_s: Mapping[str, float], more_s: float) -> dict[str, float]:
    return {name: value + more_s for name, value in boot_s.items()}
