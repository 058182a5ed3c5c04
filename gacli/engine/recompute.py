"""What a job would have emitted under other assumptions: its ledger accounted again. The record is only read."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from gacli.core.carbon import Reading
from gacli.core.emissions import emissions_of, merge
from gacli.core.energy import JOULES_PER_KWH, EmissionInterval, Phase
from gacli.core.site import PowerModel, Site
from gacli.engine.assembly import clock_of
from gacli.engine.energy_profile import Profile, profiles
from gacli.engine.metering import Stretch
from gacli.errors import GaError
from gacli.folders import Folders
from gacli.store import Store
from gacli.store.ledger import LedgerEntry, LedgerTotal

Readings = Callable[[str, datetime, datetime], Sequence[Reading]]
"""Zone, start, end → readings in force in [start, end], ascending; the one in force at `start` included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecomputedTotal:
    """One site and phase, under the other assumptions and as recorded. raw_j: IT energy that raw telemetry tells."""

    now: LedgerTotal
    recorded: LedgerTotal
    raw_j: float

    @property
    def difference_g(self) -> float:
        """Emissions in gCO2eq beyond the record's; negative when there are less."""
        return self.now.emissions_g - self.recorded.emissions_g


@dataclass(frozen=True, kw_only=True, slots=True)
class Recomputed:
    """The ledger under other assumptions.

    entries: as `Ledger.entries` would give them, in the order of time. totals: by site and phase, in the order of use.
    """

    entries: tuple[LedgerEntry, ...]
    totals: tuple[RecomputedTotal, ...]

    @property
    def energy_j(self) -> float:
        return sum(total.now.energy_j for total in self.totals)

    @property
    def emissions_g(self) -> float:
        return sum(total.now.emissions_g for total in self.totals)

    @property
    def recorded_emissions_g(self) -> float:
        return sum(total.recorded.emissions_g for total in self.totals)

    @property
    def raw_percent(self) -> float | None:
        """Share of the energy that rests on raw telemetry, 0..100; None when no energy was used."""
        return 100.0 * sum(total.raw_j for total in self.totals) / self.energy_j if self.energy_j else None


class _Known(NamedTuple):
    """A zone's readings, and every instant at which one begins or its own period ends."""

    readings: Sequence[Reading]
    bounds: Sequence[datetime]


_Use = tuple[str, Phase]


def recompute(
    store: Store,
    folders: Folders,
    job_id: str,
    *,
    pue: Mapping[str, float] | float | None,
    readings: Readings | None,
) -> Recomputed:
    """Account a job's energy again, under another PUE, other readings, or both; None leaves what was recorded.

    pue: of every site, or by site (those that it does not name keep theirs), each >= 1. readings: of another scope,
    signal or source; asked once a zone. GaError when a PUE or the telemetry makes no sense, CarbonUnavailable when
    nothing is known of a zone, KeyError when there is no such job.
    """
    clock = clock_of(store.jobs.get(job_id))
    recorded = store.ledger.entries(job_id)
    known = {} if readings is None else _asked(recorded, readings)
    entries: list[LedgerEntry] = []
    raw_j: dict[_Use, float] = defaultdict(float)
    for profile in profiles(recorded, folders, job_id, clock):
        emission = profile.entry.emission
        site = _site(emission, pue)
        parts = [_as_recorded(profile, site)] if readings is None else _under(known[site.zone], profile, site)
        entries += [LedgerEntry(instance_id=profile.entry.instance_id, emission=part) for part in parts]
        raw_j[site.name, emission.energy.phase] += profile.raw_j
    now, before = _totals(entries), _totals(recorded)
    totals = [RecomputedTotal(now=now[use], recorded=total, raw_j=raw_j[use]) for use, total in before.items()]
    return Recomputed(entries=_merged(entries), totals=tuple(totals))


def _asked(recorded: Sequence[LedgerEntry], readings: Readings) -> dict[str, _Known]:
    """The readings of every zone over all the time that was spent there."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for entry in recorded:
        energy, zone = entry.emission.energy, entry.emission.zone
        start, end = spans.get(zone, (energy.start, energy.end))
        spans[zone] = (min(start, energy.start), max(end, energy.end))
    known: dict[str, _Known] = {}
    for zone, (start, end) in spans.items():
        told = readings(zone, start, end)
        ends = (reading.at + timedelta(seconds=reading.period_s) for reading in told)
        known[zone] = _Known(told, sorted({*(reading.at for reading in told), *ends}))
    return known


def _site(emission: EmissionInterval, pue: Mapping[str, float] | float | None) -> Site:
    """The site as far as accounting needs it."""
    name = emission.energy.site
    own = pue.get(name, emission.pue) if isinstance(pue, Mapping) else emission.pue if pue is None else pue
    if not 1.0 <= own < math.inf:
        raise GaError(f"pue of site {name}: expected a number of at least 1, found {own}")
    return Site(name=name, provider="", zone=emission.zone, pue=own, power=PowerModel(idle_w=0.0, busy_w=0.0))


def _as_recorded(profile: Profile, site: Site) -> EmissionInterval:
    """Under the intensity that was recorded."""
    emission = profile.entry.emission
    energy_j = sum(stretch.energy_j for stretch in profile.stretches)
    return replace(
        emission,
        energy=replace(emission.energy, energy_j=energy_j),
        pue=site.pue,
        emissions_g=energy_j / JOULES_PER_KWH * site.pue * emission.intensity_g_per_kwh,
    )


def _under(known: _Known, profile: Profile, site: Site) -> list[EmissionInterval]:
    """Under other readings."""
    energy = profile.entry.emission.energy
    return [
        part
        for stretch in _joined(profile.stretches, known.bounds)
        for part in emissions_of(
            replace(energy, start=stretch.start, end=stretch.end, energy_j=stretch.energy_j), site, known.readings
        )
    ]


def _joined(stretches: Sequence[Stretch], bounds: Sequence[datetime]) -> Iterator[Stretch]:
    """Those that follow each other with no bound between become one: their sum is all that counts then."""
    joined: Stretch | None = None
    for stretch in stretches:
        if joined is None:
            joined = stretch
        elif bisect_right(bounds, joined.start) == bisect_left(bounds, stretch.end):
            joined = replace(joined, end=stretch.end, energy_j=joined.energy_j + stretch.energy_j)
        else:
            yield joined
            joined = stretch
    if joined is not None:
        yield joined


def _merged(entries: Sequence[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    by_instance: dict[str, list[EmissionInterval]] = defaultdict(list)
    for entry in entries:
        by_instance[entry.instance_id].append(entry.emission)
    merged = [
        LedgerEntry(instance_id=instance_id, emission=emission)
        for instance_id, emissions in by_instance.items()
        for emission in merge(emissions)
    ]
    return tuple(sorted(merged, key=lambda entry: entry.emission.energy.start))


def _totals(entries: Sequence[LedgerEntry]) -> dict[_Use, LedgerTotal]:
    totals: dict[_Use, LedgerTotal] = {}
    for entry in entries:
        emission, energy = entry.emission, entry.emission.energy
        use = (energy.site, energy.phase)
        before = totals.get(use) or LedgerTotal(
            site=energy.site, zone=emission.zone, phase=energy.phase, time_s=0.0, energy_j=0.0, emissions_g=0.0,
            modelled_j=0.0, extrapolated_g=0.0,
        )  # fmt: skip
        totals[use] = replace(
            before,
            time_s=before.time_s + (energy.end - energy.start).total_seconds(),
            energy_j=before.energy_j + energy.energy_j,
            emissions_g=before.emissions_g + emission.emissions_g,
            modelled_j=before.modelled_j + energy.energy_j * energy.modelled,
            extrapolated_g=before.extrapolated_g + emission.emissions_g * emission.extrapolated,
        )
    return totals
