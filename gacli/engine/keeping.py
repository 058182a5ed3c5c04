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
    """Every `fetch_s` of the job's clock: look for the newest checkpoint, copy it if it is new."""

    def __init__(self, context: Context, fleet: Fleet, supervision: Supervision) -> None:
        self._context = context
        self._fleet = fleet
        self._supervision = supervision
        self._copying = Copying(context, fleet)
        self._due: datetime | None = None
        # What is being fetched, and from which instance: after a move it would be older than what was moved.
        self._found: tuple[str, Checkpoint] | None = None

    def tick(self) -> None:
        """Called while a trainer runs undisturbed. A failure is told and costs nothing: there is a next time."""
        now, live = self._context.now(), self._supervision.live()
        if self._due is None:
            self._due = now + timedelta(seconds=self._context.plan.fetch_s)
        if now < self._due or live is None:
            return
        try:
            finished = self._copy(live.instance_id)
        except GaError as error:
            message = f"no copy to the controller this time: {error.message.splitlines()[0]}"
            self._context.event("note", about="checkpoint", message=message)
            finished = True
        if finished:
            self._found = None
            self._due = now + timedelta(seconds=self._context.plan.fetch_s)

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
