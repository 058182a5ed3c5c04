"""A forecast of carbon intensity, with the intervals that say how far it may be trusted."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta

from gacli.core.carbon import Scope, Signal


@dataclass(frozen=True, kw_only=True, slots=True)
class ForecastPoint:
    """What is expected of `[at, at + step_s)`, in gCO2eq/kWh; low90 <= low50 <= intensity <= high50 <= high90.

    The 90 % interval is to hold the value nine times in ten. renewable_percent: 0..100 where it is forecast, too.
    """

    at: datetime
    intensity_g_per_kwh: float
    low50_g_per_kwh: float
    high50_g_per_kwh: float
    low90_g_per_kwh: float
    high90_g_per_kwh: float
    renewable_percent: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """The carbon intensity to come of one zone, as known at `issued_at`.

    points: ascending by `at`, `step_s` apart; the first is in force at `issued_at` or follows it.
    source: whose expectation it is, such as `electricitymaps` or `profile+decay on trace:DE.csv`.
    """

    zone: str
    issued_at: datetime
    step_s: float
    signal: Signal
    scope: Scope
    source: str
    points: tuple[ForecastPoint, ...]

    @property
    def end(self) -> datetime:
        """Where the last point ends."""
        return self.points[-1].at + timedelta(seconds=self.step_s)

    def point_at(self, instant: datetime) -> ForecastPoint | None:
        """The point whose period holds `instant`; None before the first and after the last."""
        index = bisect_right(self.points, instant, key=lambda point: point.at)
        return self.points[index - 1] if index and instant < self.end else None
