"""What the charts of a job show, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from gacli.core.baseline import Baseline
from gacli.core.basis import Accounted, Basis
from gacli.core.carbon import Reading, Signal
from gacli.core.decision import Decision
from gacli.core.emissions import emissions_of
from gacli.core.energy import EmissionInterval, EnergyInterval
from gacli.core.placement import PlacementState
from gacli.core.site import Site
from gacli.engine.summary import readings_for, work_done
from gacli.store import Store
from gacli.store.ledger import LedgerTotal
from gacli.store.placements import Purpose
from gacli.views.report_data import Report

Point = tuple[datetime, float]
"""An instant and a value."""
Period = tuple[datetime, datetime, float]
"""Start, end, and a value that holds in between."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """A value that holds over [start, end)."""

    start: datetime
    end: datetime
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Cumulative emissions in gCO2eq, straight between points, of which there is at least one. label: of a legend."""

    label: str
    points: tuple[Point, ...]

    @property
    def end(self) -> datetime:
        return self.points[-1][0]

    @property
    def total_g(self) -> float:
        return self.points[-1][1]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartData:
    """One job. sites: the fleet, those that were used first, in the order of their use. entries: never empty, in the
    order of time. readings: by zone of the fleet, over [start, end]. moves: when the trainer was asked to stop for one.
    actual: what the job has emitted; baselines: what it is compared with, of which `baseline` is the one that savings
    are stated against. signals: of the readings."""

    job_id: str
    start: datetime
    end: datetime
    sites: tuple[Site, ...]
    entries: tuple[EmissionInterval, ...]
    totals: Sequence[LedgerTotal]
    readings: Mapping[str, Sequence[Reading]]
    signals: tuple[Signal, ...]
    decisions: tuple[Decision, ...]
    moves: tuple[datetime, ...]
    actual: Curve
    baselines: tuple[Curve, ...]
    baseline: Baseline | None
    basis: Basis

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the sites where energy was used."""
        return tuple(dict.fromkeys(part.energy.site for part in self.entries))


def read_chart_data(
    store: Store, report: Report, sites: Sequence[Site], accounted: Sequence[Accounted]
) -> ChartData | None:
    """None for a job that has used no energy yet."""
    entries = tuple(one.emission for one in accounted)
    if not entries:
        return None
    start, end = entries[0].energy.start, max(part.energy.end for part in entries)
    used = list(dict.fromkeys(part.energy.site for part in entries))
    zones = dict.fromkeys([*(part.zone for part in entries), *(site.zone for site in sites)])
    return ChartData(
        job_id=report.job_id,
        start=start,
        end=end,
        sites=tuple(sorted(sites, key=lambda site: used.index(site.name) if site.name in used else len(used))),
        entries=entries,
        totals=report.emissions.account.totals,
        readings={zone: store.ledger.readings(report.job_id, zone, start, end) for zone in zones},
        signals=report.basis.signals,
        decisions=tuple(store.journal.decisions(report.job_id)),
        moves=tuple(
            row.record.times[PlacementState.STOPPING]
            for row in report.placements
            if row.record.purpose is Purpose.MOVE and PlacementState.STOPPING in row.record.times
        ),
        actual=Curve(label=report.job_id, points=cumulative(entries)),
        baselines=_baselines(store, report, sites),
        baseline=report.emissions.account.baseline,
        basis=report.basis,
    )


def levels(parts: Iterable[Period]) -> list[Level]:
    """Sums of values that hold over periods, which may overlap; nothing where no period is. Empty periods are left
    out."""
    changes: dict[datetime, tuple[int, float]] = {}
    for start, end, value in parts:
        if start < end:
            for at, count, change in ((start, 1, value), (end, -1, -value)):
                known = changes.get(at, (0, 0.0))
                changes[at] = (known[0] + count, known[1] + change)
    summed: list[Level] = []
    open_periods, total = 0, 0.0
    for at, until in pairwise(sorted(changes)):
        open_periods, total = open_periods + changes[at][0], total + changes[at][1]
        if open_periods:
            summed.append(Level(start=at, end=until, value=total))
        else:
            # Rounding does not add up from one stretch to the next.
            total = 0.0
    return summed


def cumulative(parts: Sequence[EmissionInterval]) -> tuple[Point, ...]:
    """Emissions up to each instant at which their rate changes; a jump for energy at a single instant."""
    rates = [
        (part.energy.start, part.energy.end, part.emissions_g / (part.energy.end - part.energy.start).total_seconds())
        for part in parts
        if part.energy.start < part.energy.end
    ]
    # Two points at one instant are a jump.
    growth = [(level.start, level.end, level.value * _length_s(level)) for level in levels(rates)]
    growth += [(part.energy.end,) * 2 + (part.emissions_g,) for part in parts if part.energy.start == part.energy.end]
    points: list[Point] = []
    total_g = 0.0
    for start, end, grown_g in sorted(growth, key=lambda one: one[:2]):
        if not points or points[-1][0] != start:
            points.append((start, total_g))
        total_g += grown_g
        points.append((end, total_g))
    return tuple(points)


def _length_s(level: Level) -> float:
    return (level.end - level.start).total_seconds()


def _baselines(store: Store, report: Report, sites: Sequence[Site]) -> tuple[Curve, ...]:
    """The courses of the baselines that stay at one site, whose sums the report states: the same work without a gap."""
    done = work_done(store, sites, report.job_id)
    if done is None:
        return ()
    _, work = done
    # Where staying was best in hindsight, too, one line is both.
    stays = {
        saving.baseline.site: saving.baseline
        for saving in reversed(report.baselines.savings)
        if saving.baseline.policy != "clairvoyant"
    }
    by_name = {site.name: site for site in sites}
    return tuple(
        Curve(
            label=f"{baseline.policy} at {name}",
            points=cumulative(_there(store, report.job_id, work, by_name[name])),
        )
        for name, baseline in reversed(stays.items())
    )


def _there(store: Store, job_id: str, work: Sequence[EnergyInterval], site: Site) -> list[EmissionInterval]:
    readings = readings_for(store, job_id, site.zone, work)
    there: list[EmissionInterval] = []
    cursor = work[0].start
    for interval in work:
        until = cursor + (interval.end - interval.start)
        there += emissions_of(replace(interval, site=site.name, start=cursor, end=until), site, readings)
        cursor = until
    return there
