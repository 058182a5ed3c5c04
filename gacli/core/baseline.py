"""What the same work would have emitted had it stayed where it started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gacli.core.carbon import Reading
from gacli.core.emissions import emissions_of, total_of
from gacli.core.energy import EnergyInterval, Phase
from gacli.core.site import Site

_WORK = frozenset({Phase.TRAIN, Phase.CHECKPOINT})
_PREPARATION = frozenset({Phase.BOOT, Phase.IDLE})


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """The work under another policy: gCO2eq with PUE, J without, and when it would have ended (None: no work yet)."""

    site: str
    emissions_g: float
    energy_j: float
    end: datetime | None
    policy: str = "stay"


@dataclass(frozen=True, kw_only=True, slots=True)
class Saving:
    """What was emitted beside a baseline, which it never goes without; emissions in gCO2eq with PUE."""

    baseline: Baseline
    actual_g: float

    @property
    def saved_g(self) -> float:
        """Negative when more was emitted than the baseline says."""
        return self.baseline.emissions_g - self.actual_g

    @property
    def percent(self) -> float | None:
        """Of the baseline; None when that is 0."""
        return saved_percent(self.baseline.emissions_g, self.actual_g)


def work_of(intervals: Iterable[EnergyInterval], site: Site, stops: Mapping[int, datetime]) -> list[EnergyInterval]:
    """Those of a job's intervals that it would also have had without any move, ascending by start.

    Counted: TRAIN; CHECKPOINT up to the instant at which that generation was asked to stop (`stops`: generation →
    instant, one entry for each stop that a move or a pause asked for; later checkpoint energy is the move's); BOOT and
    IDLE at `site`, where the job started, up to the first TRAIN or CHECKPOINT; and what the last generation's machine
    draws after its last TRAIN or CHECKPOINT, while its result is fetched, which staying would not have saved either.
    Not counted: any other TRANSFER, later boots and idle times, other sites' boots. An interval over such an instant
    counts in proportion to its part before it.
    """
    ordered = sorted(intervals, key=lambda interval: interval.start)
    first_step = min((interval.start for interval in ordered if interval.phase in _WORK), default=None)
    last_step = max((interval.end for interval in ordered if interval.phase in _WORK), default=None)
    last = max((interval.generation for interval in ordered if interval.phase in _WORK), default=0)
    work: list[EnergyInterval] = []
    for interval in ordered:
        if interval.phase is Phase.TRAIN:
            kept: EnergyInterval | None = interval
        elif interval.phase is Phase.CHECKPOINT:
            kept = _before(interval, stops.get(interval.generation))
        elif last_step is not None and interval.generation == last and interval.start >= last_step:
            kept = interval
        elif interval.phase in _PREPARATION and interval.site == site.name:
            kept = _before(interval, first_step)
        else:
            kept = None
        if kept is not None:
            work.append(kept)
    return work


def stayed(work: Sequence[EnergyInterval], site: Site, readings: Sequence[Reading]) -> Baseline:
    """The emissions of `work` (see `work_of`) done at `site` without a gap from the first interval's start.

    Every interval keeps its energy and its duration, wherever it was measured: equal energy for equal work is assumed,
    only intensity and PUE are the site's. `readings`: of the site's zone, ascending; CarbonUnavailable when empty.
    """
    cursor = min((interval.start for interval in work), default=None)
    if cursor is None:
        return Baseline(site=site.name, emissions_g=0.0, energy_j=0.0, end=None)
    emissions_g = energy_j = 0.0
    for interval in sorted(work, key=lambda interval: interval.start):
        end = cursor + (interval.end - interval.start)
        there = replace(interval, site=site.name, start=cursor, end=end)
        emissions_g += total_of(emissions_of(there, site, readings)).emissions_g
        energy_j += interval.energy_j
        cursor = end
    return Baseline(site=site.name, emissions_g=emissions_g, energy_j=energy_j, end=cursor)


def saved_percent(baseline_g: float, actual_g: float) -> float | None:
    """How much less than the baseline was emitted, in percent; negative when more. None when the baseline is 0."""
    if baseline_g == 0:
        return None
    return 100.0 * (baseline_g - actual_g) / baseline_g


def _before(interval: EnergyInterval, instant: datetime | None) -> EnergyInterval | None:
    """The part of the interval before `instant` with its share of the energy; None when there is none."""
    if instant is None or interval.end <= instant:
        return interval
    if interval.start >= instant:
        return None
    share = (instant - interval.start) / (interval.end - interval.start)
    return replace(interval, end=instant, energy_j=interval.energy_j * share)
