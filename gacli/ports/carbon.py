"""Where carbon intensity comes from."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from gacli.core.carbon import Reading


class CarbonSource(Protocol):
    """Where carbon intensity comes from."""

    @property
    def name(self) -> str: ...

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Readings in force anywhere in [start, end], ascending by `at`, the one in force at `start` included.

        Raises CarbonUnavailable when it has none for the zone and time.
        """
        ...
