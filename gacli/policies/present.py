"""What is known of a site's present intensity, and whether it may justify anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gacli.core.carbon import Quality, Reading, Scope, reading_at
from gacli.core.snapshot import SiteView, Snapshot
from gacli.policies.wording import duration


@dataclass(frozen=True, kw_only=True, slots=True)
class Present:
    """A site with the reading in force there; the reading is fresh and no forecast."""

    view: SiteView
    reading: Reading

    @property
    def name(self) -> str:
        return self.view.site.name

    @property
    def rate_g_per_s(self) -> float:
        """Emissions of a job that trains here at full load: intensity × PUE × busy power."""
        return self.view.site.facility_rate_g_per_s(self.view.site.power.busy_w, self.reading.intensity_g_per_kwh)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unusable:
    """Why a site takes no part in a comparison: half a sentence that begins with its name."""

    because: str


def observed(readings: Sequence[Reading], instant: datetime) -> list[Reading]:
    """The readings that started at or before `instant`, without forecasts, one for each start (the last given)."""
    by_start = {
        reading.at: reading for reading in readings if reading.at <= instant and reading.quality is not Quality.FORECAST
    }
    return list(by_start.values())


def present(view: SiteView, instant: datetime, max_age_s: float, *, stand_ins: bool = False) -> Present | Unusable:
    """The site with the reading in force at `instant`, or why there is none to go by.

    stand_ins: take readings, too, that only stand in for others; never for a move.
    """
    reading = reading_at(observed(view.readings, instant), instant)
    if reading is None:
        only = " but forecasts" if view.readings else ""
        return Unusable(because=f"{view.site.name} has no carbon reading{only}")
    if reading.is_stale(instant, max_age_s):
        ended_s = reading.age_s(instant) - reading.period_s
        limits = f"{duration(ended_s)} ago (limit {duration(max_age_s)})"
        return Unusable(because=f"{view.site.name}'s newest carbon reading ended {limits}")
    if reading.stand_in and not stand_ins:
        return Unusable(because=f"{view.site.name}'s carbon reading cannot be compared: {reading.stand_in}")
    return Present(view=view, reading=reading)


def holder(snapshot: Snapshot) -> Present | Unusable:
    """The site that holds the job, or why the job cannot be moved by any policy. `snapshot.current` must be set."""
    view = next((view for view in snapshot.sites if view.site.name == snapshot.current), None)
    if view is None:
        return Unusable(because=f"{snapshot.current} holds the job but is not in the fleet")
    if snapshot.movable_because_not:
        return Unusable(because=f"not movable now: {snapshot.movable_because_not}")
    return present(view, snapshot.now, snapshot.max_reading_age_s)


def contender(view: SiteView, here: Present, snapshot: Snapshot) -> Present | Unusable:
    """Another site that could take the job and be compared with `here`, or why not."""
    if not view.available:
        return Unusable(because=f"{view.site.name} is unavailable: {view.unavailable_because or 'no reason given'}")
    there = present(view, snapshot.now, snapshot.max_reading_age_s)
    if isinstance(there, Present) and (unlike := unlike_kinds(there.reading, here.reading)):
        mine, other = unlike
        return Unusable(because=f"{there.name} has {mine} and {here.name} {other} intensity: not comparable")
    return there


def unlike_kinds(one: Reading, other: Reading) -> tuple[str, str] | None:
    """What the two readings are of, when values of these kinds say different things; None when they may be compared.

    Values of an unknown scope are taken as its giver means them: comparable with both.
    """
    if one.signal is not other.signal:
        return one.signal, other.signal
    if one.scope is not other.scope and Scope.UNKNOWN not in (one.scope, other.scope):
        return one.scope, other.scope
    return None
