"""Real time as the tests of carbon services want it."""

from __future__ import annotations

from datetime import datetime, timedelta


class SetClock:
    """Called, it tells seconds since the epoch, of source and server alike."""

    def __init__(self, at: datetime) -> None:
        self.epoch_s = at.timestamp()

    def __call__(self) -> float:
        return self.epoch_s

    def forward(self, by: timedelta) -> None:
        self.epoch_s += by.total_seconds()
