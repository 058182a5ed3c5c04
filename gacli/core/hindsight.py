"""What the same work would have emitted, had one known everything: the best single site, and the clairvoyant bound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from gacli.core.baseline import Baseline, stayed
from gacli.core.carbon import Reading
from gacli.core.energy import JOULES_PER_KWH, EnergyInterval
from gacli.core.site import Site
from gacli.errors import CarbonUnavailable

if TYPE_CHECKING:
    from gacli.core.foresight import Schedule

# Steps of the bound: 5 minutes, but never so few that a short job could hardly move, nor more than four weeks of them.
_STEP_S = 300.0
_LEAST_STEPS = 720
_MOST_STEPS = 8064
_MOST_MOVES = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class MoveTimes:
    """What a move takes, on the job's clock, in s: as `core.move_cost` counts it, the same downtime for all.

    downtime_s: no step is made; source and target idle. boot_s: by the target's name; the target idles, while the
    source still trains. All >= 0 and finite, ValueError otherwise.
    """

    downtime_s: float
    boot_s: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, value in {"downtime_s": self.downtime_s, **self.boot_s}.items():
            if not 0 <= value < float("inf"):
                raise ValueError(f"a move's time {name} must be finite and at least 0, found {value}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Leg:
    """Work at one site over `[start, end)` on the job's clock."""

    site: str
    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ClairvoyantBound:
    """baseline: policy `clairvoyant`, at the site where the route begins; its energy and emissions include the moves'.

    legs: one route that emits so little; between two of them lies a move's downtime. step_s: moves were looked for at
    multiples of so many seconds of work. most_moves: schedules with more of them were not looked at.
    """

    baseline: Baseline
    legs: tuple[Leg, ...]
    step_s: float
    most_moves: int


def best_single_site(
    work: Sequence[EnergyInterval], sites: Sequence[Site], readings_by_zone: Mapping[str, Sequence[Reading]]
) -> Baseline:
    """The site at which staying (see `stayed`) would have emitted least, known afterwards; policy `best-site`.

    Sites whose zone has no readings are left out; of equals the first wins. Raises CarbonUnavailable when no site is
    left, or when average and marginal readings would be compared.
    """
    candidates = _comparable(sites, readings_by_zone)
    best = min(
        (stayed(work, site, readings_by_zone[site.zone]) for site in candidates),
        key=lambda baseline: baseline.emissions_g,
    )
    return replace(best, policy="best-site")


def clairvoyant_bound(
    work: Sequence[EnergyInterval],
    sites: Sequence[Site],
    readings_by_zone: Mapping[str, Sequence[Reading]],
    move_times: MoveTimes,
    start: str | None = None,
) -> ClairvoyantBound:
    """The least operational emissions of the work with perfect foresight, moves paid for, never paused.

    work: see `work_of`; it is compacted from the first interval's start, as by `stayed`, each move putting off what
    remains by its downtime. Emissions of a move are those of the idle power of the target from its boot to the end of
    the downtime, and of the source in the downtime, at each site's PUE and the intensities of that very time.
    start: the site where the job has to begin; None: wherever is best, so that the bound is at most what any single
    site would have emitted. Exact over all schedules of at most `most_moves` moves, made at multiples of `step_s` of
    work with a step of work before, between and after them.

    Sites whose zone has no readings are left out. Raises CarbonUnavailable as `best_single_site`, KeyError when
    `start` is none of the sites that are left or a site has no boot time.
    """
    candidates = _comparable(sites, readings_by_zone)
    names = [site.name for site in candidates]
    if start is not None and start not in names:
        raise KeyError(start)
    ordered = sorted(work, key=lambda interval: interval.start)
    lengths_s = [(interval.end - interval.start).total_seconds() for interval in ordered]
    duration_s = math.fsum(lengths_s)
    if duration_s == 0:
        only = [site for site in candidates if start in (None, site.name)]
        best = best_single_site(work, only, readings_by_zone)
        return ClairvoyantBound(
            baseline=replace(best, policy="clairvoyant"), legs=(), step_s=_STEP_S, most_moves=_MOST_MOVES
        )
    # Loaded here alone, for it needs NumPy: the best single site, and whoever merely imports this module, do without.
    from gacli.core.foresight import least_schedule, place_of

    steps = min(max(math.ceil(duration_s / _STEP_S), _LEAST_STEPS), _MOST_STEPS)
    origin = ordered[0].start
    schedule = least_schedule(
        lengths_s,
        [interval.energy_j for interval in ordered],
        [
            place_of(
                _changes(site, readings_by_zone[site.zone], origin),
                idle_w=site.power.idle_w,
                boot_s=move_times.boot_s[site.name],
            )
            for site in candidates
        ],
        downtime_s=move_times.downtime_s,
        steps=steps,
        most_moves=_MOST_MOVES,
        first=None if start is None else names.index(start),
    )
    legs = _legs(schedule, names, origin, duration_s, move_times.downtime_s)
    work_j = math.fsum(interval.energy_j for interval in ordered)
    baseline = Baseline(
        policy="clairvoyant",
        site=legs[0].site,
        emissions_g=schedule.emissions_g,
        energy_j=work_j + _moves_energy_j([candidates[step.place] for step in schedule.route], move_times),
        end=legs[-1].end,
    )
    return ClairvoyantBound(baseline=baseline, legs=legs, step_s=duration_s / steps, most_moves=_MOST_MOVES)


def capture_percent(stayed_g: float, actual_g: float, bound_g: float) -> float | None:
    """How much of what could have been saved against staying was saved, in percent; negative when more was emitted.

    Above 100 where the real moves were cheaper than those of the bound. None when nothing could have been saved.
    """
    possible_g = stayed_g - bound_g
    # Less than rounding can make of nothing is nothing.
    if possible_g <= 1e-9 * abs(stayed_g):
        return None
    return 100.0 * (stayed_g - actual_g) / possible_g


def _comparable(sites: Sequence[Site], readings_by_zone: Mapping[str, Sequence[Reading]]) -> list[Site]:
    known = [site for site in sites if readings_by_zone.get(site.zone)]
    if not known:
        raise CarbonUnavailable(
            f"no carbon reading of any zone of {', '.join(site.name for site in sites) or 'no site'}",
            hint="Check that a carbon source covers the sites' zones at the time of the job.",
        )
    signals = {reading.signal.value for site in known for reading in readings_by_zone[site.zone]}
    if len(signals) > 1:
        raise CarbonUnavailable(
            f"readings of one signal were expected for {', '.join(site.name for site in known)}, "
            f"found {' and '.join(sorted(signals))}, which cannot be compared",
            hint="Use the same kind of carbon source for all sites of a job.",
        )
    return known


def _changes(site: Site, readings: Sequence[Reading], origin: datetime) -> list[tuple[float, float]]:
    """When the site's rate changes, in s from `origin`, and to how many gCO2eq per J of IT energy."""
    # Of two readings for one instant the last counts, and one that says the same as that before it changes nothing.
    newest = {(reading.at - origin).total_seconds(): reading.intensity_g_per_kwh for reading in readings}
    changes: list[tuple[float, float]] = []
    for at_s, intensity_g_per_kwh in newest.items():
        rate_g_per_j = intensity_g_per_kwh * site.pue / JOULES_PER_KWH
        if not changes or changes[-1][1] != rate_g_per_j:
            changes.append((at_s, rate_g_per_j))
    return changes


def _legs(
    schedule: Schedule, names: Sequence[str], origin: datetime, duration_s: float, downtime_s: float
) -> tuple[Leg, ...]:
    ends_s = [*(step.start_s for step in schedule.route[1:]), duration_s]
    return tuple(
        Leg(
            site=names[step.place],
            start=origin + timedelta(seconds=step.start_s + moves * downtime_s),
            end=origin + timedelta(seconds=end_s + moves * downtime_s),
        )
        for moves, (step, end_s) in enumerate(zip(schedule.route, ends_s, strict=True))
    )


def _moves_energy_j(route: Sequence[Site], times: MoveTimes) -> float:
    return math.fsum(
        source.power.idle_w * times.downtime_s + target.power.idle_w * (times.boot_s[target.name] + times.downtime_s)
        for source, target in pairwise(route)
    )
