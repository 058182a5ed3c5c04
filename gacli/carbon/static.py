"""Annual averages: one value a zone, whatever the hour."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise

from gacli.carbon.span import utc_span
from gacli.carbon.typical import typical_year
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Quality, Reading, Scope, Signal
from gacli.errors import CarbonUnavailable, ConfigError


class StaticSource:
    """One reading a year: the given values, or with None the means of the typical days. Implements CarbonSource.

    values: gCO2eq/kWh by zone, 0 <= value <= MAX_INTENSITY_G_PER_KWH, else ConfigError. What the given values
    include is not known, so their scope is UNKNOWN.
    """

    def __init__(self, values: Mapping[str, float] | None = None) -> None:
        for zone, value in (values or {}).items():
            if not 0 <= value <= MAX_INTENSITY_G_PER_KWH:  # false for NaN, too
                raise ConfigError(
                    f"static carbon intensity of {zone}: expected 0 to {MAX_INTENSITY_G_PER_KWH:.0f} gCO2eq/kWh, "
                    f"found {value}"
                )
        self._values = None if values is None else dict(values)

    @property
    def name(self) -> str:
        """`static`, as in the readings' `source`."""
        return "static"

    @property
    def live(self) -> bool:
        """False: what it says was there before."""
        return False

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """One reading for each UTC year that [start, end] touches; CarbonUnavailable for a zone without a value."""
        start, end = utc_span(start, end)
        intensity = self._intensity_g_per_kwh(zone)
        years = [datetime(year, 1, 1, tzinfo=UTC) for year in range(start.year, end.year + 2)]
        return [
            Reading(
                zone=zone,
                at=at,
                period_s=(following - at).total_seconds(),
                intensity_g_per_kwh=intensity,
                signal=Signal.AVERAGE,
                scope=Scope.LIFECYCLE if self._values is None else Scope.UNKNOWN,
                quality=Quality.STATIC,
                source=self.name,
            )
            for at, following in pairwise(years)
        ]

    def _intensity_g_per_kwh(self, zone: str) -> float:
        if self._values is None:
            return typical_mean_g_per_kwh(zone)
        if zone not in self._values:
            zones = ", ".join(sorted(self._values)) or "none"
            raise CarbonUnavailable(
                f"static: no carbon intensity for zone {zone}; zones with a value: {zones}",
                hint=f"add a value for {zone} in gCO2eq/kWh",
            )
        return self._values[zone]


def typical_mean_g_per_kwh(zone: str) -> float:
    """The mean of a zone's typical days over a common year, in gCO2eq/kWh; CarbonUnavailable when it has none."""
    days = [monthrange(2023, month)[1] for month in range(1, 13)]
    hours = typical_year(zone)
    return sum(sum(of_day) / len(of_day) * count for of_day, count in zip(hours, days, strict=True)) / sum(days)
