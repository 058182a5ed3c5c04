"""The loop of one job: read, decide, act, journal; one thread, short ticks."""

from __future__ import annotations

from gacli.core.decision import Action
from gacli.core.job import JobState
from gacli.core.placement import PlacementState, next_states
from gacli.engine.carbon_watch import CarbonWatch
from gacli.engine.commands import Commands
from gacli.engine.context import Context
from gacli.engine.deciding import Deciding
from gacli.engine.fleet import Fleet
from gacli.engine.following import Following
from gacli.engine.keeping import Keeping
from gacli.engine.limiting import Limiting
from gacli.engine.metering import Meter
from gacli.engine.placing import Placing
from gacli.engine.supervision import Supervision
from gacli.ports.machine import StepProgress
from gacli.ports.provider import Instance, InstanceState
from gacli.store.instances import InstanceRecord
from gacli.store.jobs import GenerationRecord
from gacli.store.placements import Purpose

# Real seconds between ticks, and between two updates of a progress display.
TICK_S = 0.1
_SHOW_S = 0.25
# Real seconds for which a site that took a machine from the job is left alone.
_AVOID_S = 300.0


class Controller:
    """Everything it knows between two ticks can be had from the store again, so it may die at any instant."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._carbon = CarbonWatch(context)
        self._meter = Meter(context, self._carbon)
        self._fleet = Fleet(context, self._meter, self._instance_lost)
        self._supervision = Supervision(context, self._meter, self._fleet, self)
        self._placing = Placing(context, self._meter, self._fleet, self._supervision)
        self._deciding = Deciding(context, self._carbon, self._supervision)
        self._following = Following(context, self._placing, self._deciding)
        self._commands = Commands(context, self._placing, self._supervision, self._following)
        self._limiting = Limiting(context, self._fleet, self._supervision)
        self._keeping = Keeping(context, self._fleet, self._supervision)
        self._show_at = 0.0
        self._shown: dict[str, StepProgress] = {}

    def run(self) -> None:
        """Tick until the job is over or paused."""
        try:
            while self.tick():
                self._context.clock.wait(TICK_S)
        finally:
            self._fleet.close()
            self._context.tasks.close()

    def tick(self) -> bool:
        """One turn; False when there is nothing left to do for this controller."""
        context = self._context
        state = context.job().state
        if state.final or (state is JobState.PAUSED and not context.store.journal.pending(context.job_id)):
            return False
        polled = self._carbon.tick()
        self._meter.tick()
        self._fleet.tick()
        self._supervision.tick()
        self._limiting.tick()
        self._commands.tick()
        self._placing.tick()
        self._following.tick()
        if polled:
            self._decide()
        if self._undisturbed():
            self._keeping.tick()
        self._show()
        return True

    def _undisturbed(self) -> bool:
        """A trainer runs, has made steps, answers, and no placement is under way."""
        context = self._context
        live = self._supervision.live()
        return (
            live is not None
            and live.first_step_at is not None
            and not self._supervision.unreachable_because
            and context.store.placements.open(context.job_id) is None
        )

    def _decide(self) -> None:
        live = self._supervision.live()
        waits = self._waits()
        if not waits and (live is None or not self._undisturbed()):
            return
        with self._context.store.transaction():
            decision = self._deciding.decide()
            if decision.action is Action.MOVE and decision.target is not None:
                if live is None:
                    self._following.resume(decision.target, decision.reason)
                else:
                    source = live.instance_id
                    self._placing.plan(Purpose.MOVE, decision.reason, source=source, target_site=decision.target)
            elif decision.action is Action.PAUSE and live is not None:
                self._placing.plan(Purpose.WAIT, decision.reason, source=live.instance_id)

    def _waits(self) -> bool:
        """The policy has paused the job, and nothing brings it back yet."""
        context = self._context
        return context.job().state is JobState.WAITING and context.store.placements.open(context.job_id) is None

    def announced(self, record: GenerationRecord, detail: str) -> None:
        """The machine of a live generation is about to be taken: its checkpoint is brought to safety."""
        context = self._context
        placement = context.store.placements.open(context.job_id)
        if placement is not None and placement.source_instance != record.instance_id:
            return
        with context.store.transaction():
            if placement is not None:
                # A copy to here is quicker than a machine that is not ready yet.
                if placement.purpose is not Purpose.MOVE or PlacementState.ABANDONED not in next_states(
                    placement.state
                ):
                    return
                self._placing.drop(placement, f"{record.site} will be gone before that")
            context.event("warning", about="preemption", site=record.site, message=f"{record.site}: {detail}")
            self._avoid(record.site, detail)
            self._placing.plan(Purpose.EVACUATE, f"{record.site} announces its end", source=record.instance_id)

    def given_up(self, record: GenerationRecord, detail: str) -> None:
        """A machine that does not answer, whose trainer has stopped all the same."""
        with self._context.store.transaction():
            self._meter.lost(record.instance_id, self._context.now())
            self._generation_lost(record, detail)
            self._fleet.release(record.instance_id)
            self._target_lost(record.instance_id)

    def _instance_lost(self, record: InstanceRecord, instance: Instance) -> None:
        """The provider took an instance, or says that it will."""
        live = self._supervision.live()
        if live is not None and live.instance_id != record.instance_id:
            live = None
        if instance.state is InstanceState.PREEMPTING:
            if live is not None:
                self.announced(live, instance.detail)
            return
        with self._context.store.transaction():
            if live is not None:
                # The provider's word that the machine is gone proves that the trainer is.
                self._generation_lost(live, f"the instance there is gone ({instance.detail or 'no reason given'})")
            self._target_lost(record.instance_id)

    def _generation_lost(self, record: GenerationRecord, because: str) -> None:
        context = self._context
        context.store.jobs.generation_ended(context.job_id, record.generation, context.now(), "lost")
        self._avoid(record.site, because)
        context.event("warning", about="lost", site=record.site, message=f"{record.site}: {because}")

    def _target_lost(self, instance_id: str) -> None:
        placement = self._context.store.placements.open(self._context.job_id)
        if placement is not None and placement.target_instance == instance_id:
            self._placing.target_lost(placement)

    def _avoid(self, site: str, because: str) -> None:
        """Whoever took a machine is likely to take the next one: any other site is preferred for a while."""
        context = self._context
        blocked = context.store.instances.blocked_sites(context.job_id, context.now())
        if any(other.name != site and other.name not in blocked for other in context.plan.sites):
            until = context.later(_AVOID_S)
            context.store.instances.block_site(context.job_id, site, until, because, fault=False)

    def _show(self) -> None:
        """Long steps, for those who watch."""
        context = self._context
        if context.clock.epoch_s() < self._show_at:
            return
        self._show_at = context.clock.epoch_s() + _SHOW_S
        running = context.tasks.progress()
        with context.store.transaction():
            for key in self._shown.keys() - running.keys():
                context.store.journal.clear_live(context.job_id, key)
            for key, step in running.items():
                if self._shown.get(key) != step:
                    context.store.journal.set_live(context.job_id, key, step, context.clock.epoch_s())
                    context.event(
                        "step", key=key, what=step.what, detail=step.detail, done=step.done, total=step.total,
                        unit=step.unit, rate=step.rate,
                    )  # fmt: skip
        self._shown = running
