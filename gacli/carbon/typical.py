"""The built-in default: typical days, the mean of each hour of the day in each month of the year.

The table contains data from Electricity Maps (https://www.electricitymaps.com), Open Database License (ODbL) v1.0;
scripts/typical_days.py computes it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cache
from importlib import resources
from types import MappingProxyType

from gacli.carbon.span import utc_span
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.errors import CarbonUnavailable

# Twelve months of 24 hours UTC, in gCO2eq/kWh.
TypicalYear = tuple[tuple[float, ...], ...]


@cache
def typical_years() -> Mapping[str, TypicalYear]:
    """The typical days of every zone: `[zone][month - 1][hour]` in gCO2eq/kWh, average, life cycle, hours in UTC."""
    text = resources.files("gacli.carbon").joinpath("data", "typical_days.csv").read_text(encoding="utf-8")
    months: dict[str, list[tuple[float, ...]]] = {}
    rows = csv.reader(line for line in text.splitlines() if not line.startswith("#"))
    next(rows)
    for zone, _month, *values in rows:
        months.setdefault(zone, []).append(tuple(float(value) for value in values))
    return MappingProxyType({zone: tuple(days) for zone, days in months.items()})


def typical_zones() -> list[str]:
    """The zones that have typical days, sorted."""
    return sorted(typical_years())


def typical_year(zone: str) -> TypicalYear:
    """The typical days of one zone; CarbonUnavailable, naming similar zones, when it has none."""
    year = typical_years().get(zone)
    if year is None:
        near = get_close_matches(zone.upper(), typical_zones(), n=3, cutoff=0.5)
        similar = f"; similar zones: {', '.join(near)}" if near else ""
        raise CarbonUnavailable(
            f"no typical days for zone {zone!r}{similar}; zones that have them: {', '.join(typical_zones())}",
            hint=f"use one of these zones, or give a CSV file for {zone} to the carbon source `trace`",
        )
    return year


class TypicalSource:
    """Hourly readings of typical days, for any date. Implements CarbonSource."""

    @property
    def name(self) -> str:
        """`typical`, as in the readings' `source`."""
        return "typical"

    @property
    def live(self) -> bool:
        """False: what it says was there before."""
        return False

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """The hours in force anywhere in [start, end], ascending; CarbonUnavailable for a zone without typical days."""
        start, end = utc_span(start, end)
        year = typical_year(zone)
        at = start.replace(minute=0, second=0, microsecond=0)
        found: list[Reading] = []
        while at <= end:
            found.append(
                Reading(
                    zone=zone,
                    at=at,
                    period_s=3600.0,
                    intensity_g_per_kwh=year[at.month - 1][at.hour],
                    signal=Signal.AVERAGE,
                    scope=Scope.LIFECYCLE,
                    quality=Quality.TYPICAL,
                    source=self.name,
                )
            )
            at += timedelta(hours=1)
        return found
