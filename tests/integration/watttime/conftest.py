"""Fixtures of the tests of WattTime."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.watttime_service import PASSWORD, USER, Clock, Recorded, moer, source_of

from gacli.carbon import http
from gacli.carbon.fake.watttime import FakeWattTime
from gacli.carbon.watttime import WattTimeSource


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_BACKOFF_S", 0.01)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache() -> Recorded:
    return Recorded()


@pytest.fixture
def server(clock: Clock) -> Iterator[FakeWattTime]:
    fake = FakeWattTime(
        epoch_s=lambda: clock.epoch_s, moer=moer, user=USER, password=PASSWORD, denied=("PJM_NJ",), late_s=600
    )
    with fake:
        yield fake


@pytest.fixture
def source(server: FakeWattTime, cache: Recorded, clock: Clock) -> WattTimeSource:
    return source_of(server, cache, clock)
