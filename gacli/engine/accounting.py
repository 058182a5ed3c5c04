"""The named baselines of a job, from its own record: staying, the best single site, and the clairvoyant bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from gacli.core.baseline import Baseline, Saving
from gacli.core.carbon import Reading
from gacli.core.hindsight import ClairvoyantBound, MoveTimes, best_single_site, capture_percent, clairvoyant_bound
from gacli.core.placement import PlacementState
from gacli.core.site import Site
from gacli.engine import move_times
from gacli.engine.summary import Account, readings_for, work_done
from gacli.errors import CarbonUnavailable
from gacli.store import Store
from gacli.store.placements import Purpose

_STOPPED_TO_LEAVE = (Purpose.MOVE, Purpose.PAUSE, Purpose.WAIT, Purpose.EVACUATE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Baselines:
    """What a job emitted beside each baseline of the same work.

    savings: `stay`, `best-site`, `clairvoyant`, as far as they could be computed, in this order; empty before the first
    step. bound: of `clairvoyant`. move_times: what it takes a move to need. left_out: sites without readings.
    readings: all that the baselines were computed with. pauses: how often the job was paused. unavailable: why there is
    only `stay`; empty otherwise.
    """

    savings: tuple[Saving, ...] = ()
    bound: ClairvoyantBound | None = None
    move_times: MoveTimes | None = None
    left_out: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()
    pauses: int = 0
    unavailable: str = ""

    @property
    def captured_percent(self) -> float | None:
        """How much of what could have been saved against `stay` was saved; None when unknown, or nothing could be.

        Nor is it known of a job that was paused: the bound is one of schedules without pauses.
        """
        if self.pauses:
            return None
        by_policy = {saving.baseline.policy: saving for saving in self.savings}
        stay, bound = by_policy.get("stay"), by_policy.get("clairvoyant")
        if stay is None or bound is None:
            return None
        return capture_percent(stay.baseline.emissions_g, stay.actual_g, bound.baseline.emissions_g)


def baselines_of(store: Store, sites: Sequence[Site], job_id: str, account: Account) -> Baselines:
    """Every baseline that can be computed. account: the job's, whose baseline is `stay`. Seconds for long jobs."""
    stay, done = account.baseline, work_done(store, sites, job_id)
    if stay is None or done is None:
        return Baselines()
    _, work = done
    zones = dict.fromkeys(site.zone for site in sites)
    readings_by_zone = {zone: readings_for(store, job_id, zone, work) for zone in zones}
    times = _move_times(store, sites, job_id)
    unavailable, bound, found = "", None, [stay]
    try:
        best = best_single_site(work, sites, readings_by_zone)
        bound = clairvoyant_bound(work, sites, readings_by_zone, times)
        found += [best, bound.baseline]
    except CarbonUnavailable as error:
        unavailable = error.message
    return Baselines(
        savings=tuple(_against(baseline, account) for baseline in found),
        bound=bound,
        move_times=times,
        left_out=tuple(site.name for site in sites if not readings_by_zone[site.zone]),
        readings=tuple(chain.from_iterable(readings_by_zone.values())),
        pauses=sum(
            placement.purpose in (Purpose.PAUSE, Purpose.WAIT) and placement.state is PlacementState.FINISHED
            for placement in store.placements.of_job(job_id)
        ),
        unavailable=unavailable,
    )


def _against(baseline: Baseline, account: Account) -> Saving:
    return Saving(baseline=baseline, actual_g=account.emissions_g)


def _move_times(store: Store, sites: Sequence[Site], job_id: str) -> MoveTimes:
    job = store.jobs.get(job_id)
    scale, placements = job.clock_scale, store.placements.of_job(job_id)
    left = [placement for placement in placements if placement.purpose in _STOPPED_TO_LEAVE]
    stop_s = move_times.observed_s(
        left, PlacementState.STOPPING, PlacementState.STOPPED, move_times.CHECKPOINT_S * scale
    )
    size_bytes = 0 if job.checkpoint is None else job.checkpoint.size_bytes
    copy_s = size_bytes / move_times.bandwidth_bytes_per_s(placements, scale)
    return MoveTimes(
        downtime_s=stop_s + copy_s + move_times.restart_s(placements, scale),
        boot_s={site.name: move_times.boot_s(placements, site.name, scale) for site in sites},
    )
