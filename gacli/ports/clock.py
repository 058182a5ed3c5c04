"""Time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The job's clock. On replay it runs `scale` times as fast as the machine's, from a chosen start."""

    @property
    def scale(self) -> float:
        """Clock seconds per real second, > 0; 1 when live."""
        ...

    def now(self) -> datetime:
        """Aware UTC, on the job's clock."""
        ...

    def epoch_s(self) -> float:
        """Real seconds since 1970, never scaled: for the machines' agents."""
        ...

    def monotonic_s(self) -> float:
        """Real seconds since some instant; never jumps, and may stand still while this computer sleeps."""
        ...

    def at_epoch(self, epoch_s: float) -> datetime:
        """The job's clock at a real instant."""
        ...

    def wait(self, real_s: float) -> None:
        """Sleep for real seconds."""
        ...
