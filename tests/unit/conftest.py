"""Unit tests reach neither the network nor other programs; what needs those belongs in tests/integration."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import NoReturn

import pytest
import requests  # noqa: F401  # opens a socket when it is imported, to see whether there is IPv6

FORBIDDEN: tuple[tuple[object, str], ...] = (
    (socket.socket, "connect"),
    (socket.socket, "connect_ex"),
    (socket.socket, "bind"),
    (subprocess, "Popen"),
    (os, "fork"),
    (os, "posix_spawn"),
    (os, "system"),
)


@pytest.fixture(autouse=True)
def no_side_effects(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in FORBIDDEN:
        monkeypatch.setattr(owner, name, _refuse(name))


def _refuse(name: str) -> object:
    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail(f"a unit test called {name}: network and subprocesses belong in tests/integration", pytrace=True)

    return refuse
