"""From the wish that a trainer stop to its end."""

from __future__ import annotations

import contextlib
import math
import os
import signal
from typing import Optional

from .clock import monotonic_s
from .files import Json, write_json
from .layout import Run
from .members import members_of
from .signalling import deliver, send

KILL_AFTER_S = 5.0  # between SIGTERM and SIGKILL, once the grace period is over


def write_request(run: Run, request: Json) -> int:
    """Returns the version by which it is known again."""
    write_json(run.path("stop.json"), request)
    return os.stat(run.path("stop.json")).st_mtime_ns


class StopSequence:
    """stop.json → the signal → grace period → SIGTERM to all → SIGKILL to all; one step a call."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.version = 0
        self.requested = False
        self.complete = False  # the script has said so
        self.because = ""  # why, when nobody asked for it from outside
        self.forced = False
        self.deadline_s = math.inf

    def step(self) -> Optional[Json]:
        """Returns what was asked for, when it has just been."""
        request = self.news()
        if request:
            return self.ask(request)
        if monotonic_s() >= self.deadline_s:
            self.force()
        return None

    def news(self) -> Optional[Json]:
        """The request, when it is another one than before."""
        try:
            version = os.stat(self.run.path("stop.json")).st_mtime_ns
        except OSError:
            return None
        request = self.run.read("stop.json") if version != self.version else None
        if request:
            self.version = version
        return request

    def request(self, request: Json) -> Json:
        """Ask on the agent's own account. The request is left for whoever goes on in its place."""
        with contextlib.suppress(OSError):  # a disk may be full; that must not keep the trainer running
            self.version = write_request(self.run, request)
        return self.ask(request)

    def ask(self, request: Json) -> Json:
        if not self.requested:
            self.because = str(request.get("because", ""))
        self.requested = True
        number, pids = deliver(members_of(self.run), int(signal.Signals[request["signal"]]), self.complete)
        if not self.forced:
            self.deadline_s = monotonic_s() + float(request["grace_s"])
        return {
            "because": self.because,
            "signal": request["signal"],
            "grace_s": request["grace_s"],
            "sent": signal.Signals(number).name,
            "pids": pids,
        }

    def force(self) -> None:
        number = signal.SIGKILL if self.forced else signal.SIGTERM
        self.forced = True
        with contextlib.suppress(OSError):  # before it happens, for whoever finds the trainer dead; a disk may be full
            write_json(self.run.path("forced.json"), {"signal": int(number)})
        send(sorted(members_of(self.run)), number)
        self.deadline_s = monotonic_s() + KILL_AFTER_S
