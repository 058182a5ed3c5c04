"""A server that speaks Electricity Maps' API with its history, and sources that ask it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from support.set_clock import SetClock

from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.electricity_maps import ElectricityMapsSource
from gacli.carbon.fake.electricity_maps import FakeElectricityMaps, Hour
from gacli.carbon.http import Fetcher
from gacli.core.carbon import Reading, Scope
from gacli.errors import CarbonUnavailable

Version = Literal["v3", "v4"]
HOUR = timedelta(hours=1)
# The Sunday on which Europe puts its clocks forward at 01:00 UTC, half an hour before that.
NOW = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
THIS_HOUR = NOW.replace(minute=0)
TOKEN = "s3cret-t0ken"


class SkewedClock(SetClock):
    """The server is `skew_s` ahead."""

    skew_s = 0.0

    def of_server(self) -> float:
        return self.epoch_s + self.skew_s


def forty_days(**changes: object) -> list[Hour]:
    """40 days back and 4 ahead; the hour n hours before this one has 100 + n g/kWh, those ahead less."""
    hours = []
    for number in range(-40 * 24, 4 * 24):
        hour = Hour(at=THIS_HOUR + number * HOUR, intensity_g_per_kwh=intensity_of(number), renewable_percent=40.0)
        hours.append(replace(hour, **changes))  # type: ignore[arg-type]
    return hours


def intensity_of(number: int) -> float:
    return 100.0 - number if number <= 0 else 100.0 - number / 2


class World:
    """A server with the zones DE and FR, and one source that asks it."""

    def __init__(self, clock: SkewedClock, server: FakeElectricityMaps, cache: MemoryAnswers) -> None:
        self.clock = clock
        self.server = server
        self.cache = cache
        self.source = self.another()

    def another(
        self, *, version: Version = "v4", scope: Scope = Scope.LIFECYCLE, token: str = TOKEN
    ) -> ElectricityMapsSource:
        """A source as another process has it, which shares the cache."""
        return ElectricityMapsSource(
            Fetcher(self.cache, epoch_s=self.clock, deadline_s=5.0),
            token=token,
            base_url=self.server.url,
            version=version,
            scope=scope,
            epoch_s=self.clock,
        )

    def now(self, zone: str = "DE") -> Reading:
        """The reading that a poll finds."""
        at = datetime.fromtimestamp(self.clock.epoch_s, UTC)
        return self.source.readings(zone, at, at)[-1]

    def refused(self, zone: str = "DE") -> str:
        """The message of a failing poll, which has no secret."""
        with pytest.raises(CarbonUnavailable) as caught:
            self.now(zone)
        assert TOKEN not in f"{caught.value} {caught.value.__context__}"
        assert caught.value.message.startswith("electricitymaps: /v4/carbon-intensity/")
        return str(caught.value)

    def paths(self) -> list[str]:
        return [request.path.split("/", 2)[2] for request in self.server.requests]


def values_of(readings: list[Reading]) -> list[tuple[datetime, float]]:
    return [(reading.at, reading.intensity_g_per_kwh) for reading in readings]
