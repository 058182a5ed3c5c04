"""What a policy is shown of a simulated job: no more than a live one would know."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from gacli.core.carbon import Reading
from gacli.core.move_cost import move_cost, pause_cost
from gacli.core.site import Site
from gacli.core.snapshot import MoveCost, PauseCost, SiteView, Snapshot
from gacli.simulate.outages import Outages
from gacli.simulate.progress import Progress
from gacli.simulate.scenario import Oracle, Scenario

WINDOW = timedelta(hours=48)
"""How far back policies may look."""

_at = attrgetter("at")


class _Whereabouts(NamedTuple):
    """The site that trains the job; the one that holds its idle machine; the one where it was paused."""

    trains_at: Site | None
    idles_at: Site | None
    paused_at: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Window:
    """What is shown of a zone from `since` on, and before `until`."""

    readings: tuple[Reading, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """The newest view of a site, and what it was made from."""

    view: SiteView
    job_is: _Whereabouts
    until: datetime | None
    source_readings: tuple[Reading, ...]


class Views:
    """Makes snapshots. oracle: tells of the time to come; None: nobody does."""

    def __init__(self, scenario: Scenario, outages: Outages, oracle: Oracle | None) -> None:
        self._scenario = scenario
        self._outages = outages
        self._oracle = oracle
        self._windows: dict[str, _Window] = {}
        self._views: dict[str, _Kept] = {}
        deadline_s = scenario.job.deadline_s
        self._deadline = None if deadline_s is None else scenario.start + timedelta(seconds=deadline_s)

    def snapshot(
        self,
        *,
        now: datetime,
        progress: Progress,
        moves: int,
        saving_us: int = 0,
        trains_at: Site | None = None,
        held_since: datetime | None = None,
        paused_at: str | None = None,
        paused_since: datetime | None = None,
        idles_at: Site | None = None,
    ) -> Snapshot:
        """trains_at: the site that trains the job; idles_at: the one that holds its idle machine; None: neither.

        saving_us: what is left of a save that is on its way.
        """
        scenario, job = self._scenario, self._scenario.job
        since_epoch_us = progress.since_epoch_us
        kept = idles_at or (trains_at if scenario.hold_paused else None)
        views = tuple(self._view(site, _Whereabouts(trains_at, idles_at, paused_at), now) for site in scenario.sites)
        return Snapshot(
            now=now,
            current=None if trains_at is None else trains_at.name,
            held_since=held_since,
            sites=views,
            remaining_s=progress.remaining_us / 1e6,
            moves=moves,
            max_reading_age_s=scenario.max_reading_age_s,
            paused_since=paused_since,
            paused_at=paused_at,
            pause=None if trains_at is None else self._pause(trains_at, now),
            started_at=scenario.start,
            deadline=self._deadline,
            total_s=job.work_s,
            poll_s=scenario.poll_s,
            since_epoch_s=None if since_epoch_us is None else since_epoch_us / 1e6,
            save_s=job.save_s,
            saves_left_s=progress.saves_left * job.save_s + saving_us / 1e6,
            paused_power_w=0.0 if kept is None else kept.power.idle_w,
        )

    def copy_s(self, source: str | None, target: str) -> float:
        """What copying the checkpoint takes; nothing within a site, or when there is nothing to copy."""
        if source is None or source == target or not self._scenario.job.checkpoint_bytes:
            return 0.0
        return self._scenario.job.checkpoint_bytes / self._scenario.bandwidth_bytes_per_s[source, target]

    def _window(self, zone: str, now: datetime) -> tuple[Reading, ...]:
        """Those of the last two days, or else the newest before; never one that starts after `now`."""
        kept = self._windows.get(zone)
        if kept is not None and kept.since <= now < kept.until:
            return kept.readings
        known = self._scenario.readings_by_zone[zone]
        end = bisect_right(known, now, key=_at)
        first = min(bisect_left(known, now - WINDOW, 0, end, key=_at), max(end - 1, 0))
        window = tuple(known[first:end])
        ends = [window[0].at + WINDOW] if len(window) > 1 else []
        until = min(
            [*ends, *(reading.at for reading in known[end : end + 1])], default=datetime.max.replace(tzinfo=UTC)
        )
        self._windows[zone] = _Window(readings=window, since=now, until=until)
        return window

    def _view(self, site: Site, job_is: _Whereabouts, now: datetime) -> SiteView:
        """The same as at the last poll, as long as nothing has changed."""
        source = job_is.trains_at or (None if site is job_is.idles_at else job_is.idles_at)
        readings = self._window(site.zone, now)
        source_readings = () if source is None else self._window(source.zone, now)
        until = self._outages.until(site.name, now)
        forecast = None if self._oracle is None else self._oracle.forecast(site.zone, now)
        kept = self._views.get(site.name)
        if (
            kept is not None
            and kept.job_is == job_is
            and kept.until == until
            and kept.source_readings is source_readings
            and kept.view.readings is readings
            and kept.view.forecast is forecast
        ):
            return kept.view
        view = SiteView(
            site=site,
            readings=readings,
            available=until is None,
            unavailable_because="" if until is None else f"no machine is to be had until {until:%Y-%m-%d %H:%M} UTC",
            move=self._move(site, source, job_is, readings, source_readings),
            forecast=forecast,
        )
        self._views[site.name] = _Kept(view=view, job_is=job_is, until=until, source_readings=source_readings)
        return view

    def _move(
        self,
        target: Site,
        source: Site | None,
        job_is: _Whereabouts,
        readings: Sequence[Reading],
        source_readings: Sequence[Reading],
    ) -> MoveCost | None:
        """What bringing the job to `target` takes; None without an intensity, and where it trains already.

        source: the other machine that is held meanwhile.
        """
        if target is job_is.trains_at or not readings or (source is not None and not source_readings):
            return None
        job, trains = self._scenario.job, job_is.trains_at
        lies_at = job_is.paused_at if trains is None else trains.name
        copied = lies_at is not None and lies_at != target.name and job.checkpoint_bytes > 0
        return move_cost(
            source=source,
            target=target,
            source_intensity_g_per_kwh=source_readings[-1].intensity_g_per_kwh if source_readings else 0.0,
            target_intensity_g_per_kwh=readings[-1].intensity_g_per_kwh,
            boot_s=0.0 if target is job_is.idles_at else self._scenario.boot_s.get(target.name, 0.0),
            checkpoint_s=0.0 if trains is None else job.save_s,
            checkpoint_bytes=job.checkpoint_bytes if copied else 0,
            # Without anything to copy the speed is of no account.
            bandwidth_bytes_per_s=(
                self._scenario.bandwidth_bytes_per_s[lies_at, target.name] if copied and lies_at else 1.0
            ),
            restart_s=job.restart_s,
        )

    def _pause(self, site: Site, now: datetime) -> PauseCost | None:
        """What pausing at `site` and resuming there takes; None without an intensity."""
        readings = self._window(site.zone, now)
        if not readings:
            return None
        job = self._scenario.job
        boot_s = 0.0 if self._scenario.hold_paused else self._scenario.boot_s.get(site.name, 0.0)
        return pause_cost(site, readings[-1].intensity_g_per_kwh, save_s=job.save_s, resume_s=boot_s + job.restart_s)
