"""From what is known now to a journalled decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gacli.core.decision import Decision
from gacli.core.energy import Phase
from gacli.core.move_cost import move_cost
from gacli.core.placement import PlacementState
from gacli.core.site import PowerModel, Site
from gacli.core.snapshot import MoveCost, SiteView, Snapshot
from gacli.engine import move_times
from gacli.engine.carbon_watch import CarbonWatch
from gacli.engine.context import Context
from gacli.engine.supervision import Supervision
from gacli.store.jobs import GenerationRecord
from gacli.store.placements import PlacementRecord


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
            boot_s=move_times.boot_s(placements, target.name, scale),
            checkpoint_s=(saved.duration_s if saved is not None else move_times.CHECKPOINT_S) * scale,
            checkpoint_bytes=size_bytes,
            bandwidth_bytes_per_s=move_times.bandwidth_bytes_per_s(placements, scale),
            restart_s=move_times.restart_s(placements, scale),
        )


def _under(power: PowerModel, load: float) -> PowerModel:
    """The site's power for a training that loads machines so much: what it really draws, not what it could."""
    return PowerModel(idle_w=power.idle_w, busy_w=power.idle_w + load * (power.busy_w - power.idle_w))
