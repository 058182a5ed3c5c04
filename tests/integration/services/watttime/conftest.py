"""Fixtures of the tests of WattTime."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.set_clock import SetClock
from support.watttime_service import NOW, PASSWORD, USER, Recorded, moer, source_of

from gacli.carbon.fake.watttime import FakeWattTime
from gacli.carbon.watttime import WattTimeSource


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def cache() -> Recorded:
    return Recorded()


@pytest.fixture
def server(clock: SetClock) -> Iterator[FakeWattTime]:
    fake = FakeWattTime(
        epoch_s=lambda: clock.epoch_s, moer=moer, user=USER, password=PASSWORD, denied=("PJM_NJ",), late_s=600
    )
    with fake:
        yield fake


@pytest.fixture
def source(server: FakeWattTime, cache: Recorded, clock: SetClock) -> WattTimeSource:
    return source_of(server, cache, clock)
