"""Fixtures of the tests of Electricity Maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.electricity_maps_service import NOW, TOKEN, SkewedClock, World, forty_days

from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.fake.electricity_maps import Account, FakeElectricityMaps, Hour, table_of


@pytest.fixture
def clock() -> SkewedClock:
    return SkewedClock(NOW)


@pytest.fixture
def open_world(clock: SkewedClock) -> Iterator[Callable[[list[Hour]], World]]:
    """Makes a world whose zone DE has these hours."""
    servers: list[FakeElectricityMaps] = []

    def make(hours: list[Hour]) -> World:
        table = table_of({"DE": hours, "FR": forty_days(intensity_g_per_kwh=30.0)})
        server = FakeElectricityMaps(table, epoch_s=clock.of_server, account=Account(token=TOKEN))
        servers.append(server.__enter__())
        return World(clock, server, MemoryAnswers())

    yield make
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture
def world(open_world: Callable[[list[Hour]], World]) -> World:
    return open_world(forty_days())
