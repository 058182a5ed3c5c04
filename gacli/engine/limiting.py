"""Brings the limit that is wanted for the job's GPUs to the machine where it trains."""

from __future__ import annotations

from gacli.engine.context import Context
from gacli.engine.fleet import Fleet
from gacli.engine.supervision import Supervision
from gacli.errors import GaError

# Real seconds until a machine that did not take it is asked again.
_RETRY_S = 2.0


class Limiting:
    """One word to each generation for each wish, said again after a crash: the agent knows what it was told."""

    def __init__(self, context: Context, fleet: Fleet, supervision: Supervision) -> None:
        self._context = context
        self._fleet = fleet
        self._supervision = supervision
        self._told: tuple[int, int] | None = None
        self._again_at = 0.0

    def tick(self) -> None:
        context = self._context
        wanted = context.store.limits.wanted(context.job_id)
        live = self._supervision.live()
        if wanted is None or live is None or live.state != "live" or live.generation > wanted.generation:
            return
        key = (live.generation, wanted.limit.limit_id)
        if self._told == key or self._supervision.unreachable_because or context.clock.epoch_s() < self._again_at:
            return
        limit, generation = wanted.limit, live.generation
        try:
            machine = self._fleet.machine(live.instance_id)
            done = context.tasks.once(
                f"limit:{generation}:{limit.limit_id}", lambda _step: machine.limit(context.job_id, generation, limit)
            )
            if done is not None:
                done.unwrap()
                self._told = key
        except GaError:
            # Silence is the supervision's to tell; the machine is asked once more.
            self._again_at = context.clock.epoch_s() + _RETRY_S
