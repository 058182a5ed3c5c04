"""Plans what comes next, from the journal alone: the same after a crash as without one."""

from __future__ import annotations

from datetime import timedelta

from gacli.core.decision import Action, Decision
from gacli.core.job import JobState
from gacli.core.placement import PlacementState, next_states
from gacli.engine.context import Context
from gacli.engine.deciding import Deciding
from gacli.engine.placing import Placing
from gacli.engine.summary import summary_of
from gacli.engine.supervision import PREEMPTED
from gacli.policies.placing import cleanest
from gacli.store.instances import Holding
from gacli.store.jobs import GenerationRecord
from gacli.store.placements import PlacementRecord, Purpose

# Real seconds before the first restart after a crash; doubled with every further one in a row, up to the limit.
_BACKOFF_S = 1.0
_BACKOFF_LIMIT_S = 60.0

_FINAL = {
    Purpose.FINISH: JobState.DONE,
    Purpose.FAIL: JobState.FAILED,
    Purpose.STOP: JobState.STOPPED,
    Purpose.PAUSE: JobState.PAUSED,
    Purpose.WAIT: JobState.WAITING,
}


# Purposes that a training which turns out to be complete makes needless.
_LEAVING = (Purpose.MOVE, Purpose.PAUSE, Purpose.WAIT, Purpose.EVACUATE, Purpose.STOP)


class Following:
    """Looks at how the last placement and the last generation ended, and opens the next placement."""

    def __init__(self, context: Context, placing: Placing, deciding: Deciding) -> None:
        self._context = context
        self._placing = placing
        self._deciding = deciding

    def tick(self) -> None:
        context = self._context
        placements = context.store.placements.of_job(context.job_id)
        last = placements[-1] if placements else None
        generation = context.store.jobs.generation(context.job_id, context.job().generation)
        if last is not None and not last.finished:
            self._overtake(last, generation)
        elif last is not None and last.state is PlacementState.FINISHED and last.purpose in _FINAL:
            if context.job().state not in (JobState.PAUSED, JobState.WAITING):
                self._conclude(last)
        elif generation is None:
            self._first(last)
        elif generation.state == "ended":
            self._after_end(generation, last)

    def resume(self, site: str | None = None, reason: str = "asked for") -> None:
        """Place a paused job again: at this site, else at the cleanest one."""
        if site is None:
            self._place(Purpose.RESUME, reason)
        else:
            checkpoint = self._context.job().checkpoint
            self._placing.plan(Purpose.RESUME, reason, target_site=site, checkpoint=checkpoint)

    def _overtake(self, placement: PlacementRecord, generation: GenerationRecord | None) -> None:
        """The trainer ended by itself while a placement was on its way."""
        if generation is None or generation.state != "ended" or placement.source_instance != generation.instance_id:
            return
        unnoticed = PlacementState.ABANDONED in next_states(placement.state)
        if generation.outcome == "complete":
            if unnoticed and placement.target_site is not None:
                self._placing.drop(placement, "the training is complete")
            elif placement.purpose in _LEAVING:
                self._placing.turn_into_finish(placement)
        elif generation.outcome == "crashed" and unnoticed and placement.purpose is Purpose.MOVE:
            self._placing.drop(placement, "the trainer crashed")

    def _after_end(self, generation: GenerationRecord, last: PlacementRecord | None) -> None:
        context = self._context
        held = self._held(generation.instance_id)
        if generation.outcome == "complete":
            self._placing.plan(Purpose.FINISH, "the training is complete", source=held)
            return
        if generation.outcome == PREEMPTED and held is not None:
            self._placing.plan(Purpose.EVACUATE, f"{generation.site} announces its end", source=held)
            return
        job = context.job()
        if job.crashes > context.plan.restarts:
            self._fail(f"{generation.outcome} {job.crashes} times in a row; {self._last_words(generation)}")
            return
        if last is not None and last.purpose is Purpose.EVACUATE and last.state is PlacementState.FINISHED:
            self._place(Purpose.RECOVER, f"{generation.site} is taken away by its provider")
            return
        if job.crashes > 0 and generation.ended_at is not None:
            wait_s = min(_BACKOFF_S * 2 ** max(0, job.crashes - 1), _BACKOFF_LIMIT_S) * context.clock.scale
            if context.now() < generation.ended_at + timedelta(seconds=wait_s):
                return
        reason = f"generation {generation.generation} at {generation.site}: {generation.outcome}"
        instances = context.store.instances.held(context.job_id)
        if instances:
            self._placing.plan(
                Purpose.RESTART, reason, target_site=instances[-1].site, target_instance=instances[-1].instance_id
            )
        else:
            self._place(Purpose.RECOVER, reason)

    def _first(self, last: PlacementRecord | None) -> None:
        self._place(Purpose.START, "start" if last is None else f"start; before: {last.detail.splitlines()[0]}")

    def _place(self, purpose: Purpose, reason: str) -> None:
        """Open a placement without a source at the wanted or the cleanest site; wait while none is available."""
        context = self._context
        snapshot = self._deciding.snapshot()
        blocked = context.store.instances.blocked_sites(context.job_id, context.now())
        wanted = context.plan.start_at if purpose is Purpose.START else None
        if wanted is not None and wanted not in blocked:
            decision = Decision(
                at=snapshot.now, policy="start_at", action=Action.MOVE, target=wanted,
                reason=f"{wanted} is where the configuration starts the job",
            )  # fmt: skip
        else:
            decision = cleanest(snapshot)
        if decision.target is None:
            # With nothing to lose and nowhere that could work, saying so at once serves better than waiting.
            if context.job().generation == 0 and all(block.fault for block in blocked.values()):
                self._fail("no site can take the job: " + "; ".join(b.because for b in blocked.values()))
            else:
                context.set_state(JobState.PLACING, decision.reason)
            return
        with context.store.transaction():
            self._deciding.record(decision)
            checkpoint = context.job().checkpoint
            self._placing.plan(purpose, reason, target_site=decision.target, checkpoint=checkpoint)

    def _fail(self, reason: str) -> None:
        generation = self._context.store.jobs.generation(self._context.job_id, self._context.job().generation)
        source = None if generation is None else self._held(generation.instance_id)
        self._placing.plan(Purpose.FAIL, reason, source=source)

    def _conclude(self, last: PlacementRecord) -> None:
        """Final only when every instance is gone: a job that is over holds nothing."""
        context = self._context
        instances = context.store.instances.of_job(context.job_id)
        for instance in instances:
            if instance.state is not Holding.RELEASING:
                self._placing.release(instance.instance_id)
        if instances:
            return
        with context.store.transaction():
            context.store.journal.clear_live(context.job_id)
            context.set_state(_FINAL[last.purpose], last.reason)
            if _FINAL[last.purpose].final:
                context.store.journal.event(
                    context.job_id, context.now(), context.clock.epoch_s(), "summary",
                    summary_of(context.store, context.plan.sites, context.job_id),
                )  # fmt: skip

    def _held(self, instance_id: str) -> str | None:
        instance = self._context.store.instances.get(instance_id)
        return instance_id if instance.state is Holding.HELD else None

    def _last_words(self, generation: GenerationRecord) -> str:
        path = self._context.folders.trainer_log(self._context.job_id, generation.generation)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"its last words: {last}" if last else "it said nothing"
