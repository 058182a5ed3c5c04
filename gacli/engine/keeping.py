"""Keeps a recent checkpoint at the controller, so that a lost machine costs little."""

from __future__ import annotations

from datetime import datetime, timedelta

from gacli.core.job import Checkpoint
from gacli.engine.context import Context
from gacli.engine.copying import Copying
from gacli.engine.fleet import Fleet
from gacli.engine.supervision import Supervision
from gacli.errors import GaError


class Keeping:
    """Every `fetch_s` of the job's clock: look for the newest checkpoint, copy it if it is new.

    At once when a generation has begun from a checkpoint that came straight from another machine: until there is a
    copy here, the machine that it runs on has the only one.
    """

    def __init__(self, context: Context, fleet: Fleet, supervision: Supervision) -> None:
        self._context = context
        self._fleet = fleet
        self._supervision = supervision
        self._copying = Copying(context, fleet)
        self._due: datetime | None = None
        self._hurried_for = 0
        # What is being fetched, and from which instance: after a move it would be older than what was moved.
        self._found: tuple[str, Checkpoint] | None = None

    def tick(self) -> None:
        """Called while a trainer runs undisturbed. A failure is told and costs nothing: there is a next time."""
        context, live = self._context, self._supervision.live()
        now = context.now()
        if self._due is None:
            self._due = now + timedelta(seconds=context.plan.fetch_s)
        if live is not None and live.generation != self._hurried_for:
            self._hurried_for = live.generation
            held = context.job().checkpoint
            if live.from_step > (-1 if held is None else held.step):
                self._due = now
        if now < self._due or live is None:
            return
        try:
            finished = self._copy(live.instance_id)
        except GaError as error:
            message = f"no copy to the controller this time: {error.message.splitlines()[0]}"
            context.event("note", about="checkpoint", message=message)
            finished = True
        if finished:
            self._found = None
            self._due = now + timedelta(seconds=context.plan.fetch_s)

    def _copy(self, instance_id: str) -> bool:
        context = self._context
        if self._found is None or self._found[0] != instance_id:
            machine = self._fleet.machine(instance_id)
            listed = context.tasks.once(f"newest:{instance_id}", lambda _step: machine.checkpoints(context.job_id))
            if listed is None:
                return False
            newest, held = listed.unwrap()[:1], context.job().checkpoint
            if not newest or (held is not None and newest[0].step <= held.step):
                return True
            self._found = (instance_id, newest[0])
        return self._copying.fetch(instance_id, self._found[1])
