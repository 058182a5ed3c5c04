"""What a job has used and emitted, against a named baseline: the last event of every run, and `ga report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gacli.core.baseline import Baseline, saved_percent, stayed, work_of
from gacli.core.carbon import Reading
from gacli.core.energy import JOULES_PER_KWH, EnergyInterval
from gacli.core.placement import PlacementState
from gacli.core.site import Site
from gacli.engine.moves import moves_of
from gacli.store import Store
from gacli.store.ledger import LedgerTotal
from gacli.store.placements import Purpose

# The checkpoint that a script takes for these is no part of its work.
_STOPPED_BY_US = (Purpose.MOVE, Purpose.PAUSE, Purpose.WAIT, Purpose.EVACUATE, Purpose.STOP)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The job's totals so far. energy_j: IT energy in J; emissions_g: with PUE; baseline None before the first step."""

    totals: Sequence[LedgerTotal]
    energy_j: float
    emissions_g: float
    baseline: Baseline | None
    saved_percent: float | None
    modelled_percent: float | None


def account_of(store: Store, sites: Sequence[Site], job_id: str) -> Account:
    """The ledger's totals, and what the same work would have emitted where it started."""
    totals = store.ledger.totals(job_id)
    energy_j = sum(total.energy_j for total in totals)
    emissions_g = sum(total.emissions_g for total in totals)
    baseline = _baseline(store, sites, job_id)
    return Account(
        totals=totals,
        energy_j=energy_j,
        emissions_g=emissions_g,
        baseline=baseline,
        saved_percent=None if baseline is None else saved_percent(baseline.emissions_g, emissions_g),
        modelled_percent=100.0 * sum(total.modelled_j for total in totals) / energy_j if energy_j else None,
    )


def summary_of(store: Store, sites: Sequence[Site], job_id: str) -> dict[str, object]:
    """The `summary` object of `ga run --json`; energies in kWh of IT energy, emissions in gCO2eq with PUE."""
    job = store.jobs.get(job_id)
    account = account_of(store, sites, job_id)
    progress = store.journal.progress(job_id)
    placements = store.placements.of_job(job_id)
    finished = [one.purpose for one in placements if one.state is PlacementState.FINISHED]
    ended = job.finished_epoch_s
    baseline, checkpoint = account.baseline, job.checkpoint
    return {
        "event": "summary",
        "job": job_id,
        "status": job.state.value,
        "detail": job.detail,
        "generation": job.generation,
        "migrations": moves_of(store, placements),
        "pauses": finished.count(Purpose.PAUSE) + finished.count(Purpose.WAIT),
        "steps": None if progress is None else progress.step,
        "wall_s": None if ended is None else round(ended - job.created_epoch_s, 3),
        "clock_scale": job.clock_scale,
        "energy_kwh": account.energy_j / JOULES_PER_KWH,
        "emissions_g": account.emissions_g,
        "modelled_percent": account.modelled_percent,
        "baseline": None
        if baseline is None
        else {"policy": baseline.policy, "site": baseline.site, "emissions_g": baseline.emissions_g},
        "saved_percent": account.saved_percent,
        "sites": _sites(account.totals),
        "checkpoint": None if checkpoint is None else {"step": checkpoint.step, "sha256": checkpoint.sha256},
    }


def _sites(totals: Sequence[LedgerTotal]) -> list[dict[str, object]]:
    names = list(dict.fromkeys(total.site for total in totals))
    listed: list[dict[str, object]] = []
    for name in names:
        own = [total for total in totals if total.site == name]
        phases = {
            total.phase.value: {
                "time_s": total.time_s,
                "energy_kwh": total.energy_j / JOULES_PER_KWH,
                "emissions_g": total.emissions_g,
            }
            for total in own
        }
        listed.append(
            {
                "site": name,
                "zone": own[0].zone,
                "time_s": sum(total.time_s for total in own),
                "energy_kwh": sum(total.energy_j for total in own) / JOULES_PER_KWH,
                "emissions_g": sum(total.emissions_g for total in own),
                "phases": phases,
            }
        )
    return listed


def work_done(store: Store, sites: Sequence[Site], job_id: str) -> tuple[Site, list[EnergyInterval]] | None:
    """Where the job started, and its work (see `work_of`); None until there is some."""
    first = store.jobs.get(job_id).first_site
    site = next((site for site in sites if site.name == first), None)
    if site is None:
        return None
    energies = (entry.emission.energy for entry in store.ledger.entries(job_id))
    work = work_of(energies, site, stops_of(store, job_id))
    return (site, work) if work else None


def readings_for(store: Store, job_id: str, zone: str, work: Sequence[EnergyInterval]) -> list[Reading]:
    """What is recorded of the zone over the work's time, and as much again: elsewhere it may have taken longer."""
    start, end = work[0].start, max(interval.end for interval in work)
    return store.ledger.readings(job_id, zone, start, end + (end - start))


def _baseline(store: Store, sites: Sequence[Site], job_id: str) -> Baseline | None:
    """None until the job has started somewhere."""
    done = work_done(store, sites, job_id)
    if done is None:
        return None
    site, work = done
    readings = readings_for(store, job_id, site.zone, work)
    return stayed(work, site, readings) if readings else None


def stops_of(store: Store, job_id: str) -> dict[int, datetime]:
    """Generation → when `ga` asked it to stop: the checkpoint that it took then is no part of the work."""
    stops: dict[int, datetime] = {}
    for placement in store.placements.of_job(job_id):
        asked = placement.times.get(PlacementState.STOPPING.value)
        if asked is None or placement.purpose not in _STOPPED_BY_US:
            continue
        for generation in store.jobs.generations(job_id):
            started = generation.started_at
            if generation.instance_id == placement.source_instance and started is not None and started <= asked:
                stops[generation.generation] = asked
    return stops
