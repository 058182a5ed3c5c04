"""Starts a generation on a machine that is ready, and waits for its first new step."""

from __future__ import annotations

from gacli.core.placement import PlacementState
from gacli.engine.context import Context
from gacli.engine.fleet import Fleet
from gacli.engine.metering import Meter
from gacli.engine.placement_log import PlacementLog, restore_state
from gacli.engine.supervision import Supervision
from gacli.errors import GaError, HostUnreachable, LockHeld, StaleGeneration
from gacli.ports.machine import StartSpec
from gacli.store.instances import Accounting
from gacli.store.jobs import GenerationRecord
from gacli.store.placements import PlacementRecord, Purpose


class Starting:
    """The generation is counted and durable before the machine is asked; asking twice starts one trainer."""

    def __init__(
        self, context: Context, meter: Meter, fleet: Fleet, supervision: Supervision, log: PlacementLog
    ) -> None:
        self._context = context
        self._meter = meter
        self._fleet = fleet
        self._supervision = supervision
        self._log = log
        self._started: int | None = None

    def begin(self, record: PlacementRecord) -> None:
        """Enter STARTING with the next generation."""
        context = self._context
        instance_id = record.target_instance
        if instance_id is None:
            raise ValueError(f"placement {record.placement_id} starts a trainer without a target")
        generation = context.job().generation + 1
        with context.store.transaction():
            self._meter.advance(instance_id, context.now(), then=Accounting.METERED, generation=generation)
            context.store.jobs.begin_generation(
                context.job_id,
                generation=generation,
                instance_id=instance_id,
                site=context.store.instances.get(instance_id).site,
                from_step=self._from_step(record),
                at=context.now(),
            )
            context.store.placements.set_generation(record.placement_id, generation)
            self._log.enter(record, PlacementState.STARTING)

    def starting(self, record: PlacementRecord) -> GenerationRecord:
        """Ask the machine until it has agreed; the caller looks at the generation that is returned.

        Raises GaError when the machine refuses: proof that no trainer of this generation runs there.
        """
        context = self._context
        generation = context.store.jobs.generation(context.job_id, record.generation or 0)
        if generation is None:
            raise ValueError(f"placement {record.placement_id} is starting nothing")
        if (
            generation.state == "ended"
            or generation.first_step_at is not None
            or self._started == generation.generation
        ):
            return generation
        try:
            machine = self._fleet.machine(generation.instance_id)
        except GaError as error:
            self._log.wait_for(generation.site, error)
            return generation
        plan, wanted = context.plan, context.store.limits.wanted(context.job_id)
        start = StartSpec(
            generation=generation.generation,
            site=generation.site,
            command=plan.command,
            signal=plan.signal,
            grace_s=plan.grace_s,
            sample_s=plan.sample_s,
            power=plan.site(generation.site).power,
            epoch_s=context.clock.epoch_s(),
            lease_s=plan.lease_s,
            limit=None if wanted is None or wanted.limit.off else wanted.limit,
        )
        done = context.tasks.once(f"start:{generation.generation}", lambda _step: machine.start(plan.work, start))
        if done is None:
            return generation
        match done.error:
            case None | StaleGeneration():
                # Stale: it was started before a crash of ours and has ended since; the poll brings its exit record.
                self._started = generation.generation
                restore_state(context)
                context.event("generation", generation=generation.generation, site=generation.site, state="started")
            case HostUnreachable() | LockHeld():
                self._log.wait_for(generation.site, done.error)
            case _:
                raise done.error
        return generation

    def refused(self, generation: GenerationRecord) -> None:
        """Record that this generation never ran."""
        store = self._context.store
        with store.transaction():
            store.jobs.generation_ended(generation.job_id, generation.generation, self._context.now(), "never started")
            mark = store.instances.get(generation.instance_id).accounted_until
            store.instances.set_accounting(generation.instance_id, phase=Accounting.IDLE, until=mark)

    def _from_step(self, record: PlacementRecord) -> int:
        """A restarted trainer goes on from its last save on that machine."""
        if record.checkpoint is not None:
            return record.checkpoint.step
        saved = self._supervision.last_saved
        return saved.step if record.purpose is Purpose.RESTART and saved is not None else -1
