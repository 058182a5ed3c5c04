"""Where carbon intensity comes from."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

from gacli.core.carbon import Reading


class CarbonSource(Protocol):
    """Where carbon intensity comes from."""

    @property
    def name(self) -> str: ...

    @property
    def live(self) -> bool:
        """True for a service that is asked over the network: it may block, be late, and be wrong."""
        ...

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Readings in force anywhere in [start, end], ascending by `at`, the one in force at `start` included.

        Those that are not known (yet) are missing: a late or absent value is never made up.
        Raises CarbonUnavailable when it has none for the zone and time.
        """
        ...


@runtime_checkable
class ForecastSource(Protocol):
    """A source of carbon intensity that also says what it expects."""

    def forecast(self, zone: str, now: datetime, horizon_s: float) -> list[Reading]:
        """What the source itself expects of [now, now + horizon_s], ascending, with quality FORECAST.

        It may reach less far than it was asked for. Raises CarbonUnavailable when it has no forecast for the zone.
        """
        ...
