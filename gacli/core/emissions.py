"""Emissions of energy intervals: each part under the reading in force, and their totals."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from gacli.core.carbon import Reading
from gacli.core.energy import JOULES_PER_KWH, EmissionInterval, EnergyInterval, Phase
from gacli.core.site import Site
from gacli.errors import CarbonUnavailable


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """A sum over emission intervals: time in s, IT energy in J (without PUE), emissions in gCO2eq (with PUE)."""

    time_s: float = 0.0
    energy_j: float = 0.0
    emissions_g: float = 0.0

    def __add__(self, other: Total) -> Total:
        return Total(
            time_s=self.time_s + other.time_s,
            energy_j=self.energy_j + other.energy_j,
            emissions_g=self.emissions_g + other.emissions_g,
        )


def emissions_of(interval: EnergyInterval, site: Site, readings: Sequence[Reading]) -> list[EmissionInterval]:
    """The interval cut wherever another reading comes into force, each part with its emissions.

    readings: ascending by `at`, of the site's zone. Intensity is a step function of time; where no reading's own period
    reaches (before the first, in a gap, after the last) the nearest earlier value, or else the first, is held and the
    part is marked `extrapolated`. The parts' energies add up to the interval's. Nothing comes of an interval without
    length and energy; energy at a single instant stays whole. Raises CarbonUnavailable when `readings` is empty,
    ValueError when the interval is another site's, ends before it starts, or has negative energy.
    """
    if interval.site != site.name:
        raise ValueError(f"energy interval of site {interval.site!r} cannot be accounted at site {site.name!r}")
    if interval.end < interval.start or not interval.energy_j >= 0:
        raise ValueError(f"an energy interval needs start <= end and energy_j >= 0, found {interval}")
    if interval.start == interval.end and interval.energy_j == 0:
        return []
    if not readings:
        raise CarbonUnavailable(
            f"site {site.name}: no carbon reading of zone {site.zone} for {interval.start.isoformat()} to "
            f"{interval.end.isoformat()}",
            hint=f"Check that the carbon source covers zone {site.zone} at that time.",
        )
    bounds = _bounds(interval.start, interval.end, readings)
    length = interval.end - interval.start
    parts: list[EmissionInterval] = []
    energy_before_j = 0.0
    for start, end in pairwise(bounds):
        # Differences of a running total, so that rounding cannot make the parts add up to more or less than the whole.
        energy_until_j = (
            interval.energy_j if end == interval.end else interval.energy_j * ((end - interval.start) / length)
        )
        part = replace(interval, start=start, end=end, energy_j=energy_until_j - energy_before_j)
        parts.append(_account(part, site, readings))
        energy_before_j = energy_until_j
    return parts


def merge(intervals: Iterable[EmissionInterval]) -> list[EmissionInterval]:
    """Intervals that follow each other without a gap and differ only in time, energy and emissions become one.

    Intervals of several instances may be interleaved; each must come after those of its own kind that precede it in
    time. Totals by site, phase and generation are preserved.
    """
    merged: list[EmissionInterval] = []
    latest: dict[EmissionInterval, int] = {}
    for interval in intervals:
        kind = _kind(interval)
        index = latest.get(kind)
        if index is not None and merged[index].energy.end == interval.energy.start:
            merged[index] = _joined(merged[index], interval)
        else:
            latest[kind] = len(merged)
            merged.append(interval)
    return merged


def totals_by_site_and_phase(intervals: Iterable[EmissionInterval]) -> dict[str, dict[Phase, Total]]:
    """Totals of each phase that occurs at each site, sites and phases in order of appearance."""
    totals: dict[str, dict[Phase, Total]] = {}
    for interval in intervals:
        phases = totals.setdefault(interval.energy.site, {})
        phases[interval.energy.phase] = phases.get(interval.energy.phase, Total()) + _total(interval)
    return totals


def total_of(intervals: Iterable[EmissionInterval]) -> Total:
    """The total of all intervals, whatever their site and phase."""
    return sum(map(_total, intervals), Total())


def _bounds(start: datetime, end: datetime, readings: Sequence[Reading]) -> list[datetime]:
    """`start`, every instant between at which the reading in force changes or its own period ends, and `end`."""
    first = max(bisect_right(readings, start, key=_at) - 1, 0)
    last = bisect_left(readings, end, key=_at)
    return [start, *sorted(set(_cuts(start, end, readings[first:last]))), end]


def _cuts(start: datetime, end: datetime, readings: Sequence[Reading]) -> Iterator[datetime]:
    for index, reading in enumerate(readings):
        if start < reading.at < end:
            yield reading.at
        period_end = _period_end(reading)
        replaced = index + 1 < len(readings) and readings[index + 1].at <= period_end
        if start < period_end < end and not replaced:
            yield period_end


def _account(part: EnergyInterval, site: Site, readings: Sequence[Reading]) -> EmissionInterval:
    index = bisect_right(readings, part.start, key=_at) - 1
    reading = readings[max(index, 0)]
    return EmissionInterval(
        energy=part,
        zone=reading.zone,
        pue=site.pue,
        intensity_g_per_kwh=reading.intensity_g_per_kwh,
        emissions_g=part.energy_j / JOULES_PER_KWH * site.pue * reading.intensity_g_per_kwh,
        quality=reading.quality,
        carbon_source=reading.source,
        extrapolated=index < 0 or part.start >= _period_end(reading),
    )


def _at(reading: Reading) -> datetime:
    return reading.at


def _period_end(reading: Reading) -> datetime:
    return reading.at + timedelta(seconds=reading.period_s)


def _kind(interval: EmissionInterval) -> EmissionInterval:
    """The interval without what differs between intervals that may be joined."""
    any_time = datetime.min.replace(tzinfo=UTC)
    return replace(
        interval, energy=replace(interval.energy, start=any_time, end=any_time, energy_j=0.0), emissions_g=0.0
    )


def _joined(first: EmissionInterval, second: EmissionInterval) -> EmissionInterval:
    energy = replace(first.energy, end=second.energy.end, energy_j=first.energy.energy_j + second.energy.energy_j)
    return replace(first, energy=energy, emissions_g=first.emissions_g + second.emissions_g)


def _total(interval: EmissionInterval) -> Total:
    return Total(
        time_s=(interval.energy.end - interval.energy.start).total_seconds(),
        energy_j=interval.energy.energy_j,
        emissions_g=interval.emissions_g,
    )
