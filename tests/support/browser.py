"""A headless Chromium that opens one page, and what it found there."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
    # Whatever asks for a host finds none.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
_PATIENCE_S = 60.0


def chromium() -> str | None:
    """Where it is; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name)) is not None), None)


@dataclass(slots=True)
class Page:
    """An open page. requests: addresses asked for, the page's own included. complaints: of its console."""

    _pipe: _Pipe
    _session: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def evaluate(self, expression: str) -> Any:
        """What the JavaScript expression yields, as JSON."""
        said = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def dark(self, on: bool) -> None:
        """As the reader's system has it."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def width(self, pixels: int) -> None:
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=pixels, height=800, deviceScaleFactor=1, mobile=pixels < 600
        )

    def screenshot(self, path: Path) -> None:
        """All of the page."""
        shot = self._ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def open(self, url: str) -> None:
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        self._ask("Page.navigate", url=url)
        self._pipe.until(lambda message: message.get("method") == "Page.loadEventFired", self.heard)

    def heard(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(message["params"]["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"]))
            case _:
                pass

    def _ask(self, method: str, **params: object) -> dict[str, Any]:
        return self._pipe.ask(method, self._session, self.heard, **params)


class _Pipe:
    """The browser's own protocol over two pipes: JSON, each message ended by a zero byte."""

    def __init__(self, write: int, read: int) -> None:
        self._write = write
        self._read = read
        self._rest = b""
        self._asked = 0

    def ask(self, method: str, session: str | None, heard: Any, **params: object) -> dict[str, Any]:
        self._asked += 1
        number = self._asked
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer = self.until(lambda one: one.get("id") == number, heard)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return dict(answer["result"])

    def until(self, wanted: Any, heard: Any) -> dict[str, Any]:
        """The first message that is wanted; all others are heard on the way."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            while b"\0" in self._rest:
                text, _, self._rest = self._rest.partition(b"\0")
                message: dict[str, Any] = json.loads(text)
                if wanted(message):
                    return message
                heard(message)
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"the browser said nothing within {_PATIENCE_S} s"
            if select.select([self._read], [], [], left_s)[0]:
                chunk = os.read(self._read, 1 << 16)
                assert chunk, "the browser has gone"
                self._rest += chunk


@contextmanager
def opened(url: str, profile: Path) -> Iterator[Page]:
    """The page, loaded. profile: a new folder for all that the browser writes."""
    path = chromium()
    assert path is not None
    profile.mkdir()
    to_browser, from_browser = os.pipe(), os.pipe()
    # Above the numbers 3 and 4, which the browser reads and writes.
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 16) for fd in (to_browser[0], from_browser[1])]

    def take_pipes() -> None:
        os.dup2(theirs[0], 3)
        os.dup2(theirs[1], 4)

    process = subprocess.Popen(
        [path, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        close_fds=False, preexec_fn=take_pipes, start_new_session=True,
    )  # fmt: skip
    for fd in (*theirs, to_browser[0], from_browser[1]):
        os.close(fd)
    pipe = _Pipe(to_browser[1], from_browser[0])
    try:
        target = pipe.ask("Target.createTarget", None, _ignore, url="about:blank")["targetId"]
        session = pipe.ask("Target.attachToTarget", None, _ignore, targetId=target, flatten=True)["sessionId"]
        page = Page(pipe, session)
        page.open(url)
        yield page
        pipe.ask("Browser.close", None, _ignore)
        process.wait(10)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        os.close(to_browser[1])
        os.close(from_browser[0])


def _ignore(message: dict[str, Any]) -> None:
    """Of no page."""
