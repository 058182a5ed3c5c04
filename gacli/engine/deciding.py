"""From what is known now to a journalled decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from gacli.core.decision import Decision
from gacli.core.energy import Phase
from gacli.core.move_cost import move_cost
from gacli.core.placement import PlacementState
from gacli.core.site import PowerModel, Site
from gacli.core.snapshot import MoveCost, SiteView, Snapshot
from gacli.engine.carbon_watch import CarbonWatch
from gacli.engine.context import Context
from gacli.engine.supervision import Supervision
from gacli.store.jobs import GenerationRecord
from gacli.store.placements import PlacementRecord

# What a move takes before this job has made one, in real seconds; replaced by what was observed as soon as it was.
_BOOT_S = 60.0
_CHECKPOINT_S = 5.0
_RESTART_S = 10.0
_BANDWIDTH_BYTES_PER_S = 50e6


class Deciding:
    """Asks the policy whenever readings were polled while the job runs undisturbed."""

    def __init__(self, context: Context, carbon: CarbonWatch, supervision: Supervision) -> None:
        self._context = context
        self._carbon = carbon
        self._supervision = supervision

    def decide(self) -> Decision:
        """The policy's answer to the present snapshot, journalled before anything comes of it."""
        decision = self._context.policy.decide(self.snapshot())
        self.record(decision)
        return decision

    def record(self, decision: Decision) -> None:
        with self._context.store.transaction():
            self._context.store.journal.decision(self._context.job_id, decision)
            self._context.event(
                "decision", policy=decision.policy, action=decision.action.value, target=decision.target,
                reason=decision.reason, numbers=dict(decision.numbers),
            )  # fmt: skip

    def snapshot(self) -> Snapshot:
        """Everything that is known now, as values."""
        context = self._context
        now, live = context.now(), self._supervision.live()
        job = context.job()
        current = None if live is None else live.site
        blocked = context.store.instances.blocked_sites(context.job_id, now)
        placements = context.store.placements.of_job(context.job_id)
        load = self._load()
        views = []
        for planned in context.plan.sites:
            site = planned if load is None else replace(planned, power=_under(planned.power, load))
            because = blocked[site.name].because if site.name in blocked else ""
            views.append(
                SiteView(
                    site=site,
                    readings=self._carbon.window(site.zone, now),
                    available=not because,
                    unavailable_because=because,
                    move=None if site.name == current else self._move_cost(current, site, placements, now),
                )
            )
        return Snapshot(
            now=now,
            current=current,
            held_since=self._held_since(live),
            sites=tuple(views),
            remaining_s=self._remaining_s(),
            moves=sum(1 for p in placements if p.purpose == "move" and p.state is PlacementState.FINISHED),
            max_reading_age_s=context.plan.max_age_s,
            movable_because_not=job.unmovable_because,
        )

    @staticmethod
    def _held_since(live: GenerationRecord | None) -> datetime | None:
        return None if live is None else live.first_step_at or live.started_at or live.requested_at

    def _load(self) -> float | None:
        """How much of the span from idle to busy power the training was metered to use so far, 0..1; None before it."""
        spans = [
            (total.energy_j - site.power.idle_w * total.time_s, (site.power.busy_w - site.power.idle_w) * total.time_s)
            for total in self._context.store.ledger.totals(self._context.job_id)
            for site in self._context.plan.sites
            if total.site == site.name and total.phase is Phase.TRAIN
        ]
        full_j = sum(full for _, full in spans)
        return min(1.0, max(0.0, sum(used for used, _ in spans) / full_j)) if full_j > 0 else None

    def _remaining_s(self) -> float | None:
        progress = self._context.store.journal.progress(self._context.job_id)
        if progress is None or progress.total_steps is None or not progress.steps_per_s:
            return None
        return max(0.0, (progress.total_steps - progress.step) / progress.steps_per_s)

    def _move_cost(
        self, current: str | None, target: Site, placements: list[PlacementRecord], now: datetime
    ) -> MoveCost | None:
        """What a move would take, from what this job's earlier placements took. None without an intensity."""
        context, scale = self._context, self._context.clock.scale
        source = None if current is None else context.plan.site(current)
        target_reading = self._carbon.window(target.zone, now)
        source_reading = () if source is None else self._carbon.window(source.zone, now)
        if not target_reading or (source is not None and not source_reading):
            return None
        saved = self._supervision.last_saved
        checkpoint = context.job().checkpoint
        size_bytes = saved.size_bytes if saved is not None else checkpoint.size_bytes if checkpoint is not None else 0
        return move_cost(
            source=source,
            target=target,
            source_intensity_g_per_kwh=source_reading[-1].intensity_g_per_kwh if source_reading else 0.0,
            target_intensity_g_per_kwh=target_reading[-1].intensity_g_per_kwh,
            boot_s=_observed(
                [p for p in placements if p.target_site == target.name] or placements,
                PlacementState.TARGET_REQUESTED,
                PlacementState.TARGET_READY,
                _BOOT_S * scale,
            ),
            checkpoint_s=(saved.duration_s if saved is not None else _CHECKPOINT_S) * scale,
            checkpoint_bytes=size_bytes,
            bandwidth_bytes_per_s=_bandwidth(placements, _BANDWIDTH_BYTES_PER_S / scale),
            restart_s=_observed(placements, PlacementState.STARTING, PlacementState.CONFIRMED, _RESTART_S * scale),
        )


def _under(power: PowerModel, load: float) -> PowerModel:
    """The site's power for a training that loads machines so much: what it really draws, not what it could."""
    return PowerModel(idle_w=power.idle_w, busy_w=power.idle_w + load * (power.busy_w - power.idle_w))


def _observed(
    placements: list[PlacementRecord], start: PlacementState, end: PlacementState, otherwise_s: float
) -> float:
    """Mean seconds, on the job's clock, from one state to another over the placements that passed both."""
    spans = [
        (p.times[end.value] - p.times[start.value]).total_seconds()
        for p in placements
        if start.value in p.times and end.value in p.times
    ]
    return sum(spans) / len(spans) if spans else otherwise_s


def _bandwidth(placements: list[PlacementRecord], otherwise_bytes_per_s: float) -> float:
    """Bytes per second of the job's clock over all copies so far."""
    copied = [
        (p.moved_bytes, p.times[PlacementState.VERIFIED.value] - p.times[PlacementState.COPYING.value])
        for p in placements
        if p.moved_bytes > 0 and PlacementState.VERIFIED.value in p.times
    ]
    seconds = sum((span for _, span in copied), timedelta()).total_seconds()
    return sum(size for size, _ in copied) / seconds if seconds > 0 else otherwise_bytes_per_s
