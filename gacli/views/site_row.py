"""One site as people see it: its grid now, and what the job has to do with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gacli.core.carbon import Quality, Reading, reading_at
from gacli.core.site import Site
from gacli.store import Store
from gacli.store.instances import Holding
from gacli.views.trend import Trend, trend_of

# A reading that ended longer ago than this is stale, unless the configuration says otherwise (its own default).
MAX_AGE_S = 7200.0
WINDOW = timedelta(hours=24)


class Role(StrEnum):
    """HOLDS: the trainer runs there. HELD: a machine is held there without it. BLOCKED: left alone for a while."""

    HOLDS = "holds"
    TARGET = "target"
    HELD = "held"
    BLOCKED = "blocked"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A zone's intensity: the reading in force (None when nothing is known), those of the last day, and the trend."""

    zone: str
    reading: Reading | None
    readings: tuple[Reading, ...]
    age_s: float | None
    stale: bool
    trend: Trend

    @property
    def range_g_per_kwh(self) -> tuple[float, float] | None:
        """Lowest and highest of the last day."""
        values = [reading.intensity_g_per_kwh for reading in self.readings]
        return (min(values), max(values)) if values else None


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteRow:
    """time_s: on the job's clock, over all instances there; energy_j: IT energy; emissions_g: with PUE."""

    name: str
    pue: float
    grid: Grid
    role: Role
    because: str
    time_s: float
    energy_j: float
    emissions_g: float


def grid_of(zone: str, readings: Sequence[Reading], now: datetime, max_age_s: float) -> Grid:
    """readings: the zone's, ascending; later ones than `now` are left out."""
    newest = reading_at(readings, now)
    return Grid(
        zone=zone,
        reading=newest,
        readings=tuple(r for r in readings if r.at <= now and r.at + timedelta(seconds=r.period_s) > now - WINDOW),
        age_s=None if newest is None else newest.age_s(now),
        stale=newest is not None and newest.is_stale(now, max_age_s),
        trend=trend_of(readings, now),
    )


def read_sites(
    store: Store, job_id: str, sites: Sequence[Site], now: datetime, *, target: str | None, max_age_s: float
) -> tuple[SiteRow, ...]:
    """The fleet in its own order. target: the site that the open placement leads to."""
    job = store.jobs.get(job_id)
    generation = store.jobs.generation(job_id, job.generation)
    holder = generation.site if generation is not None and generation.state != "ended" else None
    held = {i.site for i in store.instances.of_job(job_id) if i.state in (Holding.HELD, Holding.RELEASING)}
    blocked = store.instances.blocked_sites(job_id, now)
    totals = store.ledger.totals(job_id)
    rows = []
    for site in sites:
        readings = store.ledger.readings(job_id, site.zone, now - WINDOW, now)
        own = [total for total in totals if total.site == site.name]
        because = ""
        if site.name == holder:
            role = Role.HOLDS
        elif site.name == target:
            role = Role.TARGET
        elif site.name in blocked:
            role, because = Role.BLOCKED, blocked[site.name].because
        else:
            role = Role.HELD if site.name in held else Role.NONE
        rows.append(
            SiteRow(
                name=site.name,
                pue=site.pue,
                grid=grid_of(site.zone, readings, now, max_age_s),
                role=role,
                because=because,
                time_s=sum(total.time_s for total in own),
                energy_j=sum(total.energy_j for total in own),
                emissions_g=sum(total.emissions_g for total in own),
            )
        )
    return tuple(rows)


def mark_of(grid: Grid) -> str:
    """One letter for what is not a fresh measurement, `~` and `!` for what is not compared; see `LEGEND`."""
    if grid.reading is None:
        return ""
    return _MARKS[grid.reading.quality] + ("~" if grid.reading.stand_in else "") + ("!" if grid.stale else "")


def legend(grids: Sequence[Grid]) -> str:
    """What the marks in use mean; empty when none is."""
    used = "".join(mark_of(grid) for grid in grids)
    return " · ".join(f"{mark} {meaning}" for mark, meaning in LEGEND.items() if mark in used)


_MARKS = {
    Quality.MEASURED: "",
    Quality.ESTIMATED: "e",
    Quality.FORECAST: "f",
    Quality.TYPICAL: "t",
    Quality.STATIC: "a",
}
LEGEND = {
    "e": "estimated",
    "f": "forecast",
    "t": "typical days",
    "a": "annual average",
    "~": "stands in, not compared",
    "!": "stale",
}
