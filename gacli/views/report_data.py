"""The whole story of a run, as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType

from gacli.core.accounting_assumptions import Assumptions
from gacli.core.basis import Basis, basis_of
from gacli.core.carbon import Signal
from gacli.core.decision import Action, Decision
from gacli.core.embodied import ReservedHardware
from gacli.core.placement import PlacementState
from gacli.core.site import Site
from gacli.engine.accounted import read_accounted
from gacli.engine.accounting import Baselines, baselines_of
from gacli.engine.estimates import Estimates, estimates_of
from gacli.engine.summary import summary_of
from gacli.store import Store
from gacli.store.database import to_text
from gacli.store.devices import DeviceEnergy
from gacli.store.jobs import GenerationRecord
from gacli.store.journal import Event
from gacli.store.placements import PlacementRecord, Purpose
from gacli.views.baselines import baselines_json
from gacli.views.devices import devices_json
from gacli.views.emissions import Emissions, read_emissions
from gacli.views.estimates import estimates_json
from gacli.views.recomputed import Recomputation, recomputed_json

_BATCH = 5000
NOTHING_STATED: Mapping[str, ReservedHardware] = MappingProxyType({})
AS_RECORDED = Assumptions()


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRow:
    """One start of the trainer. reached: the last step known of it. lost_steps: steps of the generation before it that
    had to be trained again; None where nobody knows (the script told no steps)."""

    record: GenerationRecord
    reached: int | None
    lost_steps: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacementRow:
    """One placement. downtime_s: from the trainer's last step (when it was asked to stop, else when it ended) to the
    next one's first, on the job's clock; None without both."""

    record: PlacementRecord
    source: str | None
    downtime_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """summary: as in the `summary` event, so far. signals: of the readings of the fleet's zones. decisions: those that
    moved; stays: how many others there were. notices: warnings and errors. baselines: all that could be computed.
    basis: what the figures rest on. estimates: what stands apart from them.
    recomputed: the same under other assumptions, where that was asked for."""

    job_id: str
    scale: float
    summary: Mapping[str, object]
    emissions: Emissions
    devices: tuple[DeviceEnergy, ...]
    baselines: Baselines
    basis: Basis
    estimates: Estimates
    signals: tuple[Signal, ...]
    decisions: tuple[Decision, ...]
    stays: int
    generations: tuple[GenerationRow, ...]
    placements: tuple[PlacementRow, ...]
    notices: tuple[Event, ...]
    recomputed: Recomputation | None = None


def read_report(
    store: Store,
    job_id: str,
    sites: Sequence[Site],
    now: datetime,
    *,
    hardware: Mapping[str, ReservedHardware] = NOTHING_STATED,
    assumptions: Assumptions = AS_RECORDED,
) -> Report:
    """Reads every event and interval of the job. now: on its clock. hardware, assumptions: of the estimates. KeyError
    when there is no such job."""
    job = store.jobs.get(job_id)
    reached: dict[int, int] = {}
    notices: list[Event] = []
    for event in _events(store, job_id):
        if event.kind == "progress":
            generation, step = event.body["generation"], event.body["step"]
            if isinstance(generation, int) and isinstance(step, int):
                reached[generation] = max(step, reached.get(generation, 0))
        elif event.kind in ("warning", "error"):
            notices.append(event)
    generations, placements = store.jobs.generations(job_id), store.placements.of_job(job_id)
    decisions = store.journal.decisions(job_id)
    accounted = read_accounted(store, job_id)
    emissions = read_emissions(store, sites, job_id)
    moved = tuple(decision for decision in decisions if decision.action is not Action.STAY)
    return Report(
        job_id=job_id,
        scale=job.clock_scale,
        summary=summary_of(store, sites, job_id),
        emissions=emissions,
        devices=tuple(store.devices.of_job(job_id)),
        baselines=baselines_of(store, sites, job_id, emissions.account),
        basis=basis_of(accounted),
        estimates=estimates_of(store, sites, job_id, accounted, hardware, assumptions),
        signals=_signals(store, job_id, sites, now),
        decisions=moved,
        stays=len(decisions) - len(moved),
        generations=tuple(_generation(record, placements, _furthest(generations, reached)) for record in generations),
        placements=tuple(_placement(store, record, generations) for record in placements),
        notices=tuple(notices),
    )


def report_json(report: Report) -> dict[str, object]:
    """For `ga report --json`: the summary, and beside it what happened. Nothing is rounded."""
    return dict(report.summary) | {
        "event": "report",
        "quality_percent": {quality.value: share for quality, share in report.emissions.quality_percent.items()},
        "extrapolated_percent": report.emissions.extrapolated_percent,
        "devices": devices_json(report.devices),
        "baselines": baselines_json(report.baselines),
        **estimates_json(report.estimates),
        "recomputed": None if report.recomputed is None else recomputed_json(report.recomputed),
        "stays": report.stays,
        "decisions": [
            {
                "at": to_text(decision.at),
                "policy": decision.policy,
                "action": decision.action.value,
                "target": decision.target,
                "reason": decision.reason,
                "numbers": dict(decision.numbers),
            }
            for decision in report.decisions
        ],
        "generations": [_generation_json(row) for row in report.generations],
        "placements": [_placement_json(row) for row in report.placements],
        "notices": [{"at": to_text(event.at), "kind": event.kind, **event.body} for event in report.notices],
    }


def _events(store: Store, job_id: str) -> Iterator[Event]:
    after = 0
    while batch := store.journal.events(job_id, after=after, limit=_BATCH):
        yield from batch
        after = batch[-1].event_id


def _signals(store: Store, job_id: str, sites: Sequence[Site], now: datetime) -> tuple[Signal, ...]:
    newest = (store.ledger.readings(job_id, site.zone, now, now) for site in sites)
    return tuple(dict.fromkeys(readings[-1].signal for readings in newest if readings))


def _furthest(generations: Sequence[GenerationRecord], told: Mapping[int, int]) -> dict[int, int]:
    """By generation: not every step is told, but whatever the next one started from had been reached."""
    furthest = dict(told)
    for before, after in pairwise(generations):
        if after.from_step > furthest.get(before.generation, -1):
            furthest[before.generation] = after.from_step
    return furthest


def _generation(
    record: GenerationRecord, placements: Sequence[PlacementRecord], reached: Mapping[int, int]
) -> GenerationRow:
    before = reached.get(record.generation - 1)
    placement = next((p for p in placements if p.generation == record.generation), None)
    unnumbered = placement is not None and placement.checkpoint is not None and placement.checkpoint.step < 0
    known = before is not None and not unnumbered
    return GenerationRow(
        record=record,
        reached=reached.get(record.generation),
        lost_steps=max(0, before - max(record.from_step, 0)) if known and before is not None else None,
    )


def _placement(store: Store, record: PlacementRecord, generations: Sequence[GenerationRecord]) -> PlacementRow:
    source = None if record.source_instance is None else store.instances.get(record.source_instance).site
    started = next((g for g in generations if g.generation == record.generation), None)
    before = next((g for g in generations if started and g.generation == started.generation - 1), None)
    downtime_s = None
    if started is not None and started.first_step_at is not None and before is not None:
        asked = record.times.get(PlacementState.STOPPING)
        stops = [at for at in (asked, before.ended_at) if at is not None]
        if stops:
            downtime_s = max(0.0, (started.first_step_at - min(stops)).total_seconds())
    # Whoever resumes a job had it paused on purpose: that is no downtime.
    return PlacementRow(
        record=record, source=source, downtime_s=None if record.purpose is Purpose.RESUME else downtime_s
    )


def _generation_json(row: GenerationRow) -> dict[str, object]:
    record = row.record
    return {
        "generation": record.generation,
        "site": record.site,
        "state": record.state,
        "from_step": record.from_step,
        "reached_step": row.reached,
        "lost_steps": row.lost_steps,
        "started_at": _time(record.started_at),
        "first_step_at": _time(record.first_step_at),
        "ended_at": _time(record.ended_at),
        "outcome": record.outcome,
    }


def _placement_json(row: PlacementRow) -> dict[str, object]:
    record = row.record
    return {
        "placement": record.placement_id,
        "purpose": record.purpose.value,
        "state": record.state.value,
        "source": row.source,
        "target": record.target_site,
        "reason": record.reason,
        "generation": record.generation,
        "downtime_s": row.downtime_s,
        "moved_bytes": record.moved_bytes,
        "times": {state: to_text(at) for state, at in record.times.items()},
        "detail": record.detail,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else to_text(at)
