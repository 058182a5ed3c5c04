"""Time on a machine whose own clock may be wrong."""

from __future__ import annotations

import time

TICK_S = 0.1
CLOCK_TOLERANCE_S = 5.0


def monotonic_s() -> float:
    """CLOCK_BOOTTIME goes on while a machine sleeps, and never jumps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Clock:
    """The controller's clock: its time at the start plus what has passed here since.

    offset_s: from this machine's wall clock to the controller's, at the start.
    """

    def __init__(self, epoch_s: float) -> None:
        wall_s = time.time()
        self.epoch_s = wall_s if abs(wall_s - epoch_s) <= CLOCK_TOLERANCE_S else epoch_s
        self.monotonic_at_s = monotonic_s()
        self.offset_s = self.epoch_s - wall_s

    def now(self) -> float:
        return self.epoch_s + monotonic_s() - self.monotonic_at_s
