"""Carries out the open placement, one state a call; every state can be entered again after a crash."""

from __future__ import annotations

from typing import assert_never

from gacli.core.job import Checkpoint, JobState
from gacli.core.placement import PlacementState, next_states
from gacli.engine.context import Context
from gacli.engine.copying import Copying
from gacli.engine.direct import TargetFailed
from gacli.engine.fleet import Fleet
from gacli.engine.metering import Meter
from gacli.engine.placement_log import PlacementLog, restore_state
from gacli.engine.starting import Starting
from gacli.engine.stopping import Stopping
from gacli.engine.supervision import Supervision
from gacli.engine.targeting import Targeting
from gacli.errors import CheckpointInvalid, GaError
from gacli.store.instances import Holding
from gacli.store.placements import PlacementRecord, Purpose


class Placing:
    """One open placement at a time; what comes after it is the controller's to plan."""

    def __init__(self, context: Context, meter: Meter, fleet: Fleet, supervision: Supervision) -> None:
        self._context = context
        self._fleet = fleet
        self._supervision = supervision
        self._log = PlacementLog(context)
        self._targeting = Targeting(context, meter, fleet, supervision)
        self._stopping = Stopping(context, meter, fleet, supervision, self._log)
        self._copying = Copying(context, fleet)
        self._starting = Starting(context, meter, fleet, supervision, self._log)

    def plan(
        self,
        purpose: Purpose,
        reason: str,
        *,
        source: str | None = None,
        target_site: str | None = None,
        target_instance: str | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Open a placement. source and target_instance: instance ids; checkpoint: one that the controller holds."""
        context = self._context
        with context.store.transaction():
            record = context.store.placements.plan(
                context.job_id, purpose=purpose, reason=reason, source_instance=source,
                target_instance=target_instance, target_site=target_site, checkpoint=checkpoint, at=context.now(),
            )  # fmt: skip
            self._log.tell(record)
            restore_state(context)

    def tick(self) -> None:  # noqa: C901  # one arm a state, nothing else
        record = self._context.store.placements.open(self._context.job_id)
        if record is None or self._log.waiting:
            return
        match record.state:
            case PlacementState.PLANNED:
                self._planned(record)
            case PlacementState.TARGET_REQUESTED:
                self._target_requested(record)
            case PlacementState.TARGET_READY:
                self._target_ready(record)
            case PlacementState.STOPPING:
                self._stopping.stopping(record)
            case PlacementState.STOPPED:
                self._stopped(record)
            case PlacementState.COPYING:
                self._copy(record)
            case PlacementState.VERIFIED:
                self._verified(record)
            case PlacementState.STARTING:
                self._start(record)
            case PlacementState.CONFIRMED:
                self._confirmed(record)
            case PlacementState.RELEASING_SOURCE:
                self._releasing_source(record)
            case PlacementState.FINISHED | PlacementState.ABANDONED | PlacementState.FAILED:
                pass
            case _:
                assert_never(record.state)

    def drop(self, record: PlacementRecord, because: str, *, keep_target: bool = False) -> None:
        """End a placement without its target: ABANDONED while the source has not noticed, FAILED after it stopped.

        keep_target: the target is an instance that the job goes on holding.
        """
        unnoticed = PlacementState.ABANDONED in next_states(record.state)
        with self._context.store.transaction():
            if record.target_instance is not None and not keep_target:
                self._fleet.release(record.target_instance)
            self._log.enter(record, PlacementState.ABANDONED if unnoticed else PlacementState.FAILED, because)

    def release(self, instance_id: str) -> None:
        """Give an instance back that nothing needs any more."""
        self._fleet.release(instance_id)

    def target_lost(self, record: PlacementRecord) -> None:
        """The provider took the target. Once it is CONFIRMED it is the job's machine, and lost as such."""
        if {PlacementState.ABANDONED, PlacementState.FAILED} & next_states(record.state):
            self.drop(record, f"the instance at {record.target_site} is gone")
        elif record.state is PlacementState.STOPPING:
            self._context.event("note", about="target", message=f"the instance at {record.target_site} is gone")

    def turn_into_finish(self, record: PlacementRecord) -> None:
        """The trainer was complete when it stopped: go on as a pause does, without the target."""
        with self._context.store.transaction():
            if record.target_instance is not None and record.target_instance != record.source_instance:
                self._fleet.release(record.target_instance)
            self._context.store.placements.become_finish(record.placement_id, "the training is complete")
            self._context.set_state(JobState.FINISHING, "the training is complete")

    # ----- states, in order ------------------------------------------------------------------------------------

    def _planned(self, record: PlacementRecord) -> None:
        if record.target_site is None:
            self._log.enter(record, PlacementState.STOPPING)
        elif record.target_instance is not None:
            self._log.enter(record, PlacementState.TARGET_READY)
        else:
            with self._context.store.transaction():
                self._targeting.request(record)
                self._log.enter(record, PlacementState.TARGET_REQUESTED)

    def _target_requested(self, record: PlacementRecord) -> None:
        try:
            ready = self._targeting.ready(record)
        except GaError as error:
            self._give_up_target(record, error)
            return
        if ready:
            self._log.enter(record, PlacementState.TARGET_READY)

    def _target_ready(self, record: PlacementRecord) -> None:
        if record.source_instance is not None:
            self._log.enter(record, PlacementState.STOPPING)
        elif record.checkpoint is not None:
            self._log.enter(record, PlacementState.COPYING)
        else:
            self._starting.begin(record)

    def _stopped(self, record: PlacementRecord) -> None:
        context = self._context
        if record.purpose is Purpose.FINISH and not self._holds_source(record):
            self._result_lost(record)
            return
        try:
            known, checkpoint = self._stopping.newest(record)
        except GaError as error:
            self._log.wait_for(record.source_instance or "the source", error)
            return
        if not known:
            return
        with context.store.transaction():
            if checkpoint is None and record.target_site is not None and self._holds_source(record):
                path = context.plan.work.checkpoint_path
                expected = "$GA_CHECKPOINT_DIR" if path is None else f"{path}, the configuration's checkpoint.path"
                because = f"the script saved no checkpoint in {expected}, when it was asked to stop"
                context.store.jobs.set_unmovable(context.job_id, because)
                context.event(
                    "warning",
                    about="checkpoint",
                    message=f"{because}: it is started again where it was, and will not be moved again\n"
                    "  → let it save there, or name the folder that it saves to as checkpoint.path",
                )
                self.drop(record, because)
                return
            context.store.placements.set_checkpoint(record.placement_id, checkpoint)
            self._stopping.say_what_is_lost(checkpoint)
            self._log.enter(record, PlacementState.COPYING)

    def _copy(self, record: PlacementRecord) -> None:
        checkpoint = record.checkpoint
        if checkpoint is not None and self._stopping.is_set_aside(record, checkpoint):
            self._take_another(record)
            return
        if checkpoint is not None and self._copying.straight(record):
            arrived = self._move(record, checkpoint)
        elif checkpoint is not None and not self._copying.held_here(checkpoint):
            self._fetch(record, checkpoint)
            return
        else:
            arrived = checkpoint is None or record.target_instance is None or self._send(record, checkpoint)
        if not arrived:
            return
        with self._context.store.transaction():
            if checkpoint is not None and record.target_instance is not None:
                self._context.store.placements.add_bytes(record.placement_id, checkpoint.size_bytes)
            self._log.enter(record, PlacementState.VERIFIED)
            self._stopping.wait_idle(record)

    def _move(self, record: PlacementRecord, checkpoint: Checkpoint) -> bool:
        try:
            return self._copying.move(record, checkpoint)
        except TargetFailed as error:
            self._give_up_target(record, error.error)
        except CheckpointInvalid as error:
            if self._copying.held_here(checkpoint):
                self._copying.take_from_here(record, error.message)
            else:
                self._damaged(record, checkpoint, error)
        except GaError as error:
            self._log.wait_for(record.source_instance or "the source", error)
        return False

    def _send(self, record: PlacementRecord, checkpoint: Checkpoint) -> bool:
        try:
            return self._copying.send(record.target_instance or "", checkpoint)
        except GaError as error:
            self._give_up_target(record, error)
            return False

    def _fetch(self, record: PlacementRecord, checkpoint: Checkpoint) -> None:
        if record.source_instance is None:
            raise ValueError(f"placement {record.placement_id}: {checkpoint.name} is nowhere to be fetched from")
        if not self._holds_source(record):
            if record.purpose is Purpose.FINISH:
                self._result_lost(record)
            else:
                self._stopping.set_aside(record, checkpoint)
            return
        try:
            self._copying.fetch(record.source_instance, checkpoint)
        except CheckpointInvalid as error:
            self._damaged(record, checkpoint, error)
        except GaError as error:
            # Anything else says nothing against the checkpoint: it lies safely at the source and is asked for again.
            self._log.wait_for(record.source_instance, error)

    def _result_lost(self, record: PlacementRecord) -> None:
        """Complete, but the machine was gone before its result was here: what cannot be had is not done."""
        context = self._context
        generation = context.store.jobs.generation(context.job_id, context.job().generation)
        with context.store.transaction():
            because = "the machine was gone before its result could be fetched"
            if generation is not None:
                ended_at = generation.ended_at or context.now()
                context.store.jobs.generation_ended(context.job_id, generation.generation, ended_at, "lost")
            context.event("warning", about="lost", message=f"{because}: it is trained again from the newest copy")
            self.drop(record, because)

    def _damaged(self, record: PlacementRecord, checkpoint: Checkpoint, error: CheckpointInvalid) -> None:
        """At the source, that is: the one before it goes on, and what that loses is said."""
        self._context.event("warning", about="checkpoint", message=str(error))
        self._stopping.set_aside(record, checkpoint)

    def _take_another(self, record: PlacementRecord) -> None:
        try:
            known, other = self._stopping.newest(record)
        except GaError as error:
            self._log.wait_for(record.source_instance or "the source", error)
            return
        if not known:
            return
        with self._context.store.transaction():
            if other is None and record.target_site is not None:
                self.drop(record, "no checkpoint at the source is usable")
                return
            self._context.store.placements.set_checkpoint(record.placement_id, other)
            self._stopping.say_what_is_lost(other)

    def _verified(self, record: PlacementRecord) -> None:
        if record.target_instance is None:
            self._log.enter(record, PlacementState.RELEASING_SOURCE)
        else:
            self._starting.begin(record)

    def _start(self, record: PlacementRecord) -> None:
        generation = self._context.store.jobs.generation(self._context.job_id, record.generation or 0)
        try:
            generation = self._starting.starting(record)
        except GaError as error:
            if generation is None:
                raise
            with self._context.store.transaction():
                self._starting.refused(generation)
                self._give_up_target(record, error)
            return
        if generation.first_step_at is not None:
            self._log.enter(record, PlacementState.CONFIRMED)
        elif generation.outcome == "complete":
            # It was done before it had reported anything: no step could prove more.
            self._log.enter(record, PlacementState.CONFIRMED)
        elif generation.state == "ended":
            # Without a source to go back to, the machine is kept: the next try is there.
            because = f"the trainer ended before its first step ({generation.outcome})"
            self.drop(record, because, keep_target=record.source_instance is None)

    def _confirmed(self, record: PlacementRecord) -> None:
        context = self._context
        generation = context.store.jobs.generation(context.job_id, record.generation or 0)
        with context.store.transaction():
            if generation is not None:
                context.store.jobs.set_first_site(context.job_id, generation.site)
            has_source = record.source_instance is not None
            self._log.enter(record, PlacementState.RELEASING_SOURCE if has_source else PlacementState.FINISHED)

    def _releasing_source(self, record: PlacementRecord) -> None:
        with self._context.store.transaction():
            if record.source_instance is not None:
                self._fleet.release(record.source_instance)
            self._log.enter(record, PlacementState.FINISHED)

    def _give_up_target(self, record: PlacementRecord, error: GaError) -> None:
        with self._context.store.transaction():
            if record.target_site is not None:
                self._targeting.block(record.target_site, error)
            self.drop(record, str(error))

    def _holds_source(self, record: PlacementRecord) -> bool:
        source = record.source_instance
        return source is not None and self._context.store.instances.get(source).state is Holding.HELD
