"""Stops the trainer at the source, and learns what it left behind."""

from __future__ import annotations

from gacli.core.job import Checkpoint
from gacli.core.placement import PlacementState
from gacli.engine.context import Context
from gacli.engine.fleet import Fleet
from gacli.engine.metering import Meter
from gacli.engine.placement_log import PlacementLog, restore_state
from gacli.engine.supervision import Supervision
from gacli.errors import GaError
from gacli.store.instances import Accounting, Holding
from gacli.store.placements import PlacementRecord


class Stopping:
    """STOPPING and STOPPED. The proof of the stop is the supervision's: an exit record, or the provider's word."""

    def __init__(
        self, context: Context, meter: Meter, fleet: Fleet, supervision: Supervision, log: PlacementLog
    ) -> None:
        self._context = context
        self._meter = meter
        self._fleet = fleet
        self._supervision = supervision
        self._log = log
        self._asked: tuple[int, int] | None = None
        # Checkpoints of the source that turned out unusable in this placement.
        self._unusable: set[tuple[int, Checkpoint]] = set()

    def stopping(self, record: PlacementRecord) -> None:
        """Ask once, then wait for the proof however long it takes."""
        context = self._context
        live = self._supervision.live()
        if live is None or live.instance_id != record.source_instance:
            with context.store.transaction():
                self._log.enter(record, PlacementState.STOPPED)
                self._account_as(record, Accounting.TRANSFER)
            return
        if self._asked == (record.placement_id, live.generation):
            return
        try:
            machine = self._fleet.machine(live.instance_id)
        except GaError as error:
            self._log.wait_for(live.site, error)
            return
        plan = context.plan
        done = context.tasks.once(
            f"stop:{live.generation}",
            lambda _step: machine.request_stop(
                context.job_id, live.generation, signal=plan.signal, grace_s=plan.grace_s
            ),
        )
        if done is None:
            return
        if done.error is not None:
            self._log.wait_for(live.site, done.error)
            return
        self._asked = (record.placement_id, live.generation)
        restore_state(context)
        context.event("note", about="stop", site=live.site, message=f"{plan.signal} sent, waiting for its checkpoint")

    def newest(self, record: PlacementRecord) -> tuple[bool, Checkpoint | None]:
        """(known, checkpoint): what goes on from here, once that is known; None when nothing was ever saved.

        The source's newest usable checkpoint, else the one that the controller holds. Raises GaError when the source
        is held but cannot be asked.
        """
        context = self._context
        stored = context.job().checkpoint
        source = record.source_instance
        if source is None or context.store.instances.get(source).state is not Holding.HELD:
            return True, stored
        machine = self._fleet.machine(source)
        done = context.tasks.once(f"list:{record.placement_id}", lambda _step: machine.checkpoints(context.job_id))
        if done is None:
            return False, None
        usable = [c for c in done.unwrap() if (record.placement_id, c) not in self._unusable]
        if not usable:
            return True, stored
        newest = usable[0]
        return True, stored if stored is not None and stored.step > newest.step else newest

    def set_aside(self, record: PlacementRecord, checkpoint: Checkpoint) -> None:
        """`checkpoint` on the source cannot be used; `newest` passes over it from now on."""
        self._unusable.add((record.placement_id, checkpoint))

    def is_set_aside(self, record: PlacementRecord, checkpoint: Checkpoint) -> bool:
        return (record.placement_id, checkpoint) in self._unusable

    def say_what_is_lost(self, checkpoint: Checkpoint | None) -> None:
        """Steps that will be trained again are named, never silent."""
        progress = self._context.store.journal.progress(self._context.job_id)
        if progress is None or (checkpoint is not None and checkpoint.step < 0):
            return
        held = 0 if checkpoint is None else checkpoint.step
        if progress.step > held:
            self._context.event(
                "warning",
                about="steps",
                message=f"the newest usable checkpoint holds step {held}, the script had reached {progress.step}: "
                f"{progress.step - held} steps are trained again",
            )

    def wait_idle(self, record: PlacementRecord) -> None:
        """The copy has arrived: what both machines draw from now on is idle power, no transfer."""
        self._account_as(record, Accounting.IDLE)

    def _account_as(self, record: PlacementRecord, phase: Accounting) -> None:
        """How source and target are modelled from here on; one that an agent metered, from its last sample on."""
        store = self._context.store
        for instance_id in (record.source_instance, record.target_instance):
            if instance_id is None:
                continue
            instance = store.instances.get(instance_id)
            if instance.state is Holding.GONE:
                continue
            if instance.phase is Accounting.METERED:
                store.instances.set_accounting(instance_id, phase=phase, until=instance.accounted_until)
            else:
                self._meter.advance(instance_id, self._context.now(), then=phase)
