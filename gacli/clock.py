"""The only place that reads the system's clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """How a job's clock hangs on real time: at real `epoch_s` it showed `start`; it runs `scale` times as fast."""

    epoch_s: float
    start: datetime
    scale: float

    def at_epoch(self, epoch_s: float) -> datetime:
        """The job's clock at a real instant (seconds since 1970)."""
        return self.start + timedelta(seconds=(epoch_s - self.epoch_s) * self.scale)


def real_epoch_s() -> float:
    """Real seconds since 1970."""
    return time.time()


def anchor_now(start: datetime | None = None, scale: float = 1.0) -> Anchor:
    """An anchor at this instant; without `start` the job's clock shows real time."""
    epoch_s = real_epoch_s()
    return Anchor(epoch_s=epoch_s, start=start or datetime.fromtimestamp(epoch_s, UTC), scale=scale)


class SystemClock:
    """The job's clock on the system's."""

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor

    @property
    def scale(self) -> float:
        return self._anchor.scale

    def now(self) -> datetime:
        return self._anchor.at_epoch(time.time())

    def epoch_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()

    def at_epoch(self, epoch_s: float) -> datetime:
        return self._anchor.at_epoch(epoch_s)

    def wait(self, real_s: float) -> None:
        time.sleep(real_s)


class ManualClock:
    """A clock that moves only when it is told to, or when somebody waits on it."""

    def __init__(self, start: datetime, *, scale: float = 1.0) -> None:
        self._anchor = Anchor(epoch_s=start.timestamp(), start=start, scale=scale)
        self._epoch_s = self._anchor.epoch_s

    @property
    def scale(self) -> float:
        return self._anchor.scale

    def now(self) -> datetime:
        return self._anchor.at_epoch(self._epoch_s)

    def epoch_s(self) -> float:
        return self._epoch_s

    def monotonic_s(self) -> float:
        return self._epoch_s

    def at_epoch(self, epoch_s: float) -> datetime:
        return self._anchor.at_epoch(epoch_s)

    def wait(self, real_s: float) -> None:
        self._epoch_s += real_s
