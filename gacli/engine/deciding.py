"""From what is known now to a journalled decision."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gacli.core.decision import Decision
from gacli.core.energy import Phase
from gacli.core.job import JobState
from gacli.core.move_cost import move_cost, pause_cost
from gacli.core.placement import PlacementState
from gacli.core.site import PowerModel, Site
from gacli.core.snapshot import MoveCost, PauseCost, SiteView, Snapshot
from gacli.engine import move_times
from gacli.engine.carbon_watch import CarbonWatch
from gacli.engine.context import Context
from gacli.engine.moves import moves_of
from gacli.engine.supervision import Supervision
from gacli.ports.machine import EPOCHS
from gacli.store.jobs import GenerationRecord
from gacli.store.placements import PlacementRecord, Purpose


@dataclass(frozen=True, kw_only=True, slots=True)
class _Expected:
    """What leaving one machine and starting on another takes, on the job's clock, from what was observed so far."""

    save_s: float
    copy_s: float
    restart_s: float
    size_bytes: int
    bandwidth_bytes_per_s: float


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
        expected = self._expected(placements)
        waited = self._waited(placements)
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
                    move=None if site.name == current else self._move_cost(current, site, placements, expected, now),
                    forecast=self._carbon.outlook(site.zone),
                )
            )
        remaining_s, total_s = self._lengths_s()
        return Snapshot(
            now=now,
            current=current,
            held_since=self._held_since(live),
            sites=tuple(views),
            remaining_s=remaining_s,
            moves=moves_of(context.store, placements),
            max_reading_age_s=context.plan.max_age_s,
            movable_because_not=job.unmovable_because,
            paused_since=None if waited is None else waited.times[PlacementState.FINISHED],
            paused_at=None if waited is None else context.store.instances.get(waited.source_instance or "").site,
            pause=None if current is None else self._pause_cost(current, views, placements, expected, now),
            started_at=job.clock_start,
            deadline=self._deadline(job.clock_start),
            total_s=total_s,
            poll_s=context.plan.poll_s,
            # The one at the end, and its way here; periodic ones are in the script's own pace.
            saves_left_s=expected.save_s + expected.copy_s,
            save_s=expected.save_s,
            since_epoch_s=self._since_epoch_s(now),
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

    def _since_epoch_s(self, now: datetime) -> float | None:
        """From the end that was seen; before that from the part of an epoch that the script tells."""
        ended_at = self._supervision.epoch_ended_at
        if ended_at is not None:
            return max(0.0, (now - ended_at).total_seconds())
        progress = self._context.store.journal.progress(self._context.job_id)
        epochs = 0.0 if progress is None else progress.metrics.get(EPOCHS, 0.0)
        if progress is None or not progress.steps_per_s or epochs == math.floor(epochs):
            return None
        return (epochs - math.floor(epochs)) * (progress.step / epochs) / progress.steps_per_s

    def _lengths_s(self) -> tuple[float | None, float | None]:
        """Training that is left, and of the whole job, at the script's present pace."""
        progress = self._context.store.journal.progress(self._context.job_id)
        if progress is None or progress.total_steps is None or not progress.steps_per_s:
            return None, None
        left = max(0, progress.total_steps - progress.step)
        return left / progress.steps_per_s, progress.total_steps / progress.steps_per_s

    def _deadline(self, start: datetime) -> datetime | None:
        deadline_s = self._context.plan.deadline_s
        return None if deadline_s is None else start + timedelta(seconds=deadline_s)

    def _waited(self, placements: list[PlacementRecord]) -> PlacementRecord | None:
        """The placement by which the policy has paused the job, while it is paused."""
        if self._context.job().state is not JobState.WAITING or not placements:
            return None
        return placements[-1] if placements[-1].purpose is Purpose.WAIT else None

    def _expected(self, placements: list[PlacementRecord]) -> _Expected:
        context, scale = self._context, self._context.clock.scale
        saved, checkpoint = self._supervision.last_saved, context.job().checkpoint
        size_bytes = saved.size_bytes if saved is not None else checkpoint.size_bytes if checkpoint is not None else 0
        bandwidth = move_times.bandwidth_bytes_per_s(placements, scale)
        return _Expected(
            save_s=(saved.duration_s if saved is not None else move_times.CHECKPOINT_S) * scale,
            copy_s=size_bytes / bandwidth,
            restart_s=move_times.restart_s(placements, scale),
            size_bytes=size_bytes,
            bandwidth_bytes_per_s=bandwidth,
        )

    def _pause_cost(
        self,
        current: str,
        views: list[SiteView],
        placements: list[PlacementRecord],
        expected: _Expected,
        now: datetime,
    ) -> PauseCost | None:
        """What pausing where the job is, and resuming there, would take. None without an intensity."""
        site = next(view.site for view in views if view.site.name == current)
        readings = self._carbon.window(site.zone, now)
        if not readings:
            return None
        boot_s = move_times.boot_s(placements, current, self._context.clock.scale)
        return pause_cost(
            site,
            readings[-1].intensity_g_per_kwh,
            save_s=expected.save_s + expected.copy_s,
            resume_s=boot_s + expected.copy_s + expected.restart_s,
        )

    def _move_cost(
        self,
        current: str | None,
        target: Site,
        placements: list[PlacementRecord],
        expected: _Expected,
        now: datetime,
    ) -> MoveCost | None:
        """What a move would take, from what this job's earlier placements took. None without an intensity."""
        context, scale = self._context, self._context.clock.scale
        source = None if current is None else context.plan.site(current)
        target_reading = self._carbon.window(target.zone, now)
        source_reading = () if source is None else self._carbon.window(source.zone, now)
        if not target_reading or (source is not None and not source_reading):
            return None
        return move_cost(
            source=source,
            target=target,
            source_intensity_g_per_kwh=source_reading[-1].intensity_g_per_kwh if source_reading else 0.0,
            target_intensity_g_per_kwh=target_reading[-1].intensity_g_per_kwh,
            boot_s=move_times.boot_s(placements, target.name, scale),
            # Of a job that nobody trains the newest checkpoint is saved already.
            checkpoint_s=0.0 if current is None else expected.save_s,
            checkpoint_bytes=expected.size_bytes,
            bandwidth_bytes_per_s=expected.bandwidth_bytes_per_s,
            restart_s=expected.restart_s,
        )


def _under(power: PowerModel, load: float) -> PowerModel:
    """The site's power for a training that loads machines so much: what it really draws, not what it could."""
    return PowerModel(idle_w=power.idle_w, busy_w=power.idle_w + load * (power.busy_w - power.idle_w))
