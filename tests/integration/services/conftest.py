"""What all tests of carbon services share: nobody waits long before asking again."""

from __future__ import annotations

import pytest
from support.set_clock import SetClock

from gacli.carbon import http
from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.http import Fetcher


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_BACKOFF_S", 0.01)


@pytest.fixture
def fetcher(clock: SetClock) -> Fetcher:
    return Fetcher(MemoryAnswers(), epoch_s=clock, timeout_s=1.0, deadline_s=1.5)
