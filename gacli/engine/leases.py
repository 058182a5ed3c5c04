"""The controller's side of leases: what was heard of each generation, and when its silence is proof of a stop."""

from __future__ import annotations

from gacli.core.lease import proof_after_s
from gacli.engine.context import Context
from gacli.store.jobs import GenerationRecord


class Leases:
    """A machine counts its lease from the newest answer that we tell it to have heard.

    So it runs out there at the latest so long after that answer was made, and here no earlier than so long after it
    arrived. Both count on clocks that never jump. What this process has not heard itself, its predecessor may have
    heard until the moment it died: silence begins with the process.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._silent_since_s = context.clock.monotonic_s()
        self._heard: tuple[int, float] | None = None

    def heard(self, generation: int, machine_clock_s: float) -> None:
        """An answer has arrived."""
        self._heard = (generation, machine_clock_s)
        self._silent_since_s = self._context.clock.monotonic_s()

    def newest(self, generation: int) -> float | None:
        """What the machine is to be told: its own clock at the newest answer that arrived."""
        return self._heard[1] if self._heard is not None and self._heard[0] == generation else None

    def left_s(self, record: GenerationRecord) -> float | None:
        """Real seconds until silence proves that the generation has stopped; None when it never does.

        A generation that was never heard of may yet be started by a message that is on its way.
        """
        plan = self._context.plan
        if plan.lease_s is None or record.started_at is None:
            return None
        silent_s = self._context.clock.monotonic_s() - self._silent_since_s
        return max(0.0, proof_after_s(plan.lease_s, plan.grace_s) - silent_s)
