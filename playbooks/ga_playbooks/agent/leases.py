"""The lease: how long a trainer may go on when the controller is not heard of.

The controller says which of our answers it has heard, by the machine's own clock at that answer. So a message that
arrives late extends nothing, and neither side needs to trust the other's clock.
"""

from __future__ import annotations

import contextlib
import math
import os
from typing import Optional

from .clock import monotonic_s
from .layout import Run

_WIDTH = 24  # a renewal changes these bytes in place: a full disk cannot let a lease run out


class Lease:
    """From the start of a generation on. None: it never runs out."""

    def __init__(self, run: Run, lease_s: Optional[float]) -> None:
        self.path = run.path("lease")
        self.lease_s = math.inf if lease_s is None else lease_s
        self.heard_s = monotonic_s()
        if lease_s is not None:
            with open(self.path, "wb") as file:
                file.write(b"%*.6f" % (_WIDTH, self.heard_s))

    def over(self) -> bool:
        """True once the controller has not been heard of for so long."""
        if monotonic_s() - self.heard_s < self.lease_s:
            return False
        with contextlib.suppress(OSError, ValueError), open(self.path, "rb") as file:
            self.heard_s = max(self.heard_s, float(file.read()))
        return monotonic_s() - self.heard_s >= self.lease_s


def renew(run: Run, heard_s: float) -> None:
    """The controller has heard what was said at `heard_s`. Nothing happens where no lease was agreed."""
    try:
        descriptor = os.open(run.path("lease"), os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        # Never later than now: a number from before a reboot means nothing here. Never back: polls may overtake.
        if float(os.pread(descriptor, _WIDTH, 0)) < heard_s <= monotonic_s():
            os.pwrite(descriptor, b"%*.6f" % (_WIDTH, heard_s), 0)
    finally:
        os.close(descriptor)
