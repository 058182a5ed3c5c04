"""Carbon intensity as a value with a pedigree."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Signal(StrEnum):
    """Average: all generation over all consumption. Marginal: the next kWh. Never mixed in one comparison."""

    AVERAGE = "average"
    MARGINAL = "marginal"


class Scope(StrEnum):
    """What the emission factors include: the whole life cycle of a plant, or only its stack."""

    LIFECYCLE = "lifecycle"
    DIRECT = "direct"
    UNKNOWN = "unknown"


class Quality(StrEnum):
    """How a value came to be."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    FORECAST = "forecast"
    TYPICAL = "typical"
    STATIC = "static"


# Physical range of a zone's hourly carbon intensity in gCO2eq/kWh. Lignite-only generation with life-cycle
# factors stays below 1,300 and marginal figures below 1,700; above 2,000 a value is a unit error, not a grid.
MAX_INTENSITY_G_PER_KWH = 2000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The carbon intensity of one zone over `[at, at + period_s)`.

    intensity_g_per_kwh: gCO2eq/kWh, 0 <= value <= MAX_INTENSITY_G_PER_KWH.
    at: aware UTC, start of the period.
    source: the name shown to people, such as `trace:DE.csv`, `typical` or `electricitymaps`.
    renewable_percent: 0..100 where the source knows it.
    stand_in: why the value serves accounting alone and is never compared with another site's; empty for all others.
    """

    zone: str
    at: datetime
    period_s: float
    intensity_g_per_kwh: float
    signal: Signal
    scope: Scope
    quality: Quality
    source: str
    renewable_percent: float | None = None
    stand_in: str = ""

    def age_s(self, now: datetime) -> float:
        """Seconds since the start of the reading's period; negative for a forecast."""
        return (now - self.at).total_seconds()

    def is_stale(self, now: datetime, max_age_s: float) -> bool:
        """True once `now` lies more than `max_age_s` past the end of the reading's period."""
        return now > self.at + timedelta(seconds=self.period_s + max_age_s)


def reading_at(readings: Sequence[Reading], instant: datetime) -> Reading | None:
    """The reading in force at `instant`: the newest that started at or before it (readings ascending by `at`)."""
    index = bisect_right(readings, instant, key=lambda reading: reading.at)
    return readings[index - 1] if index else None
