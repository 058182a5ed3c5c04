"""How an intensity has changed over the last hours: an arrow and a line of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from gacli.core.carbon import Reading, reading_at

# What is called a change: relative to the former value, and in gCO2eq/kWh.
_CHANGE = 0.05
_CHANGE_G_PER_KWH = 5.0
_LOOK_BACK = timedelta(hours=3)
_BLOCKS = "▁▂▃▄▅▆▇█"


class Trend(StrEnum):
    """The newest value against the one three hours before."""

    RISING = "rising"
    FALLING = "falling"
    STEADY = "steady"
    UNKNOWN = "unknown"

    @property
    def arrow(self) -> str:
        return {"rising": "↗", "falling": "↘", "steady": "→", "unknown": " "}[self.value]


def trend_of(readings: Sequence[Reading], now: datetime) -> Trend:
    """UNKNOWN without a reading that was in force three hours ago."""
    newest, before = reading_at(readings, now), reading_at(readings, now - _LOOK_BACK)
    if newest is None or before is None:
        return Trend.UNKNOWN
    change = newest.intensity_g_per_kwh - before.intensity_g_per_kwh
    if abs(change) <= max(_CHANGE_G_PER_KWH, _CHANGE * before.intensity_g_per_kwh):
        return Trend.STEADY
    return Trend.RISING if change > 0 else Trend.FALLING


def hourly(readings: Sequence[Reading], now: datetime, hours: int) -> list[float | None]:
    """The values in force at `now` and at each full hour before it, oldest first; None where none is known."""
    at = (reading_at(readings, now - timedelta(hours=back)) for back in reversed(range(hours)))
    return [None if reading is None else reading.intensity_g_per_kwh for reading in at]


def sparkline(values: Sequence[float | None]) -> str:
    """One block a value between the lowest and the highest; values that hardly differ make a flat line."""
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    low, high = min(known), max(known)
    # A line that fills its height would make a storm of every breeze.
    span = max(high - low, _CHANGE * high, _CHANGE_G_PER_KWH)
    return "".join(
        " " if value is None else _BLOCKS[min(int((value - low) / span * len(_BLOCKS)), len(_BLOCKS) - 1)]
        for value in values
    )
