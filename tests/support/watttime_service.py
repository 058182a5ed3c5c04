"""A server that speaks WattTime's API, and sources that ask it, at a time of the tests' choice."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from support.set_clock import SetClock
from typing_extensions import override

from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.fake.server import Request
from gacli.carbon.fake.watttime import FakeWattTime
from gacli.carbon.http import Fetcher
from gacli.carbon.watttime import G_PER_KWH_PER_LB_PER_MWH, WattTimeSource
from gacli.errors import CarbonUnavailable
from gacli.ports.answers import Answer

NOW = datetime(2026, 11, 21, 12, 3, 20, tzinfo=UTC)
ZONE, REGION = "US-CAL-CISO", "CAISO_NORTH"
USER, PASSWORD = "ada", "pass:wörd 12"
BASIC = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
STEP, HOUR, DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)


class Recorded(MemoryAnswers):
    """Remembers everything that was ever kept."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    @override
    def put(self, key: str, answer: Answer) -> None:
        self.kept += [key, repr(answer)]
        super().put(key, answer)


def moer(_region: str, at: datetime) -> float | None:
    """A value that names its instant; nothing between 03:00 and 03:30 of any day."""
    return None if at.hour == 3 and at.minute < 30 else 300.0 + at.timestamp() // 300 % 2000


def grams(at: datetime) -> float:
    value = moer(REGION, at)
    assert value is not None
    return value * G_PER_KWH_PER_LB_PER_MWH


def source_of(server: FakeWattTime, cache: MemoryAnswers, clock: SetClock, **changed: str) -> WattTimeSource:
    return WattTimeSource(
        Fetcher(cache, epoch_s=clock, timeout_s=1.0, deadline_s=1.5),
        user=USER,
        password=changed.get("password", PASSWORD),
        regions={ZONE: changed.get("region", REGION)},
        base_url=server.url,
        epoch_s=clock,
    )


def asked(server: FakeWattTime, path: str) -> list[Request]:
    return [request for request in server.requests if request.path == path]


def refused(source: WattTimeSource, told: str) -> CarbonUnavailable:
    with pytest.raises(CarbonUnavailable, match=told) as caught:
        source.readings(ZONE, NOW - HOUR, NOW)
    text = str(caught.value)
    assert not any(secret in text for secret in (PASSWORD, BASIC, "eyJ0b2tlbiI6"))
    return caught.value
