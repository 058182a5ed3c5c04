"""Carbon sources for tests, with readings that one can reckon with."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from gacli.carbon.chain import Chain
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.failover import Rules
from gacli.errors import CarbonUnavailable
from gacli.ports.carbon import CarbonSource

NOW = datetime(2024, 6, 5, 14, 20, tzinfo=UTC)
THIS_HOUR = NOW.replace(minute=0)
HOUR = timedelta(hours=1)
RULES = Rules(max_age_s=7200.0, hold_off_s=1800.0)


def chain(*sources: CarbonSource, **zones: CarbonSource) -> Chain:
    """sources: the default order. zones: zone → its own single source."""
    return Chain(sources, rules=RULES, zones={zone: [source] for zone, source in zones.items()})


class Hourly:
    """A daily wave around a level, hour by hour, up to the hour that holds NOW less `late_h`.

    reach_days: the longest span that it answers. Asked for ZONES alone; `broken` says why it fails.
    """

    ZONES = ("DE", "FR", "IT-NO")

    def __init__(
        self,
        name: str = "service",
        *,
        live: bool = True,
        level: float = 300.0,
        signal: Signal = Signal.AVERAGE,
        scope: Scope = Scope.LIFECYCLE,
        quality: Quality = Quality.MEASURED,
        late_h: int = 0,
        reach_days: float = 1000.0,
    ) -> None:
        self.name = name
        self.live = live
        self.level = level
        self.signal = signal
        self.scope = scope
        self.quality = quality
        self.late_h = late_h
        self.reach_days = reach_days
        self.broken = ""
        self.spans_asked: list[timedelta] = []

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        self.spans_asked.append(end - start)
        if self.broken:
            raise CarbonUnavailable(self.broken)
        if zone not in self.ZONES:
            raise CarbonUnavailable(f"{self.name}: no zone {zone}\nin its list")
        if end - start > timedelta(days=self.reach_days):
            raise CarbonUnavailable(f"{self.name}: so much of the past is not in the plan")
        first = start.replace(minute=0, second=0, microsecond=0)
        last = min(end, NOW).replace(minute=0, second=0, microsecond=0) - self.late_h * HOUR
        return [self.reading(zone, first + hour * HOUR) for hour in range((last - first) // HOUR + 1)]

    def reading(self, zone: str, at: datetime, quality: Quality | None = None) -> Reading:
        wave = math.cos((at.hour - 19) / 24 * 2 * math.pi)
        return Reading(
            zone=zone,
            at=at,
            period_s=3600.0,
            intensity_g_per_kwh=self.level * (1 + 0.2 * wave),
            signal=self.signal,
            scope=self.scope,
            quality=quality or self.quality,
            source=self.name,
        )


class Forecasting(Hourly):
    """Expects the same wave at 1.5 times the level, `ahead_h` hours far, in `parts` readings an hour."""

    def __init__(self, name: str = "oracle", *, ahead_h: int = 72, parts: int = 1, reach_days: float = 1000.0) -> None:
        super().__init__(name, reach_days=reach_days)
        self.ahead_h = ahead_h
        self.parts = parts
        self.has_forecast = True

    def forecast(self, zone: str, now: datetime, horizon_s: float) -> list[Reading]:
        if not self.has_forecast:
            raise CarbonUnavailable(f"{self.name}: no forecast in the plan")
        step = HOUR / self.parts
        at = now.replace(minute=0, second=0, microsecond=0)
        end = min(now + timedelta(seconds=horizon_s), at + self.ahead_h * HOUR - step)
        count = (end - at) // step + 1
        return [self._expected(zone, at + number * step) for number in range(count) if at + (number + 1) * step > now]

    def _expected(self, zone: str, at: datetime) -> Reading:
        as_now = self.reading(zone, at, Quality.FORECAST)
        return Reading(
            zone=zone,
            at=at,
            period_s=3600.0 / self.parts,
            intensity_g_per_kwh=1.5 * as_now.intensity_g_per_kwh,
            signal=self.signal,
            scope=self.scope,
            quality=Quality.FORECAST,
            source=self.name,
        )
