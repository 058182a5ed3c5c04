"""What all tests of carbon services share: nobody waits long before asking again."""

from __future__ import annotations

import pytest

from gacli.carbon import http


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_BACKOFF_S", 0.01)
