"""GPU limits while a trainer runs: asked for in limit.json, set in a thread of their own, told in telemetry."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from typing import Any, List, Optional

from .files import Json, write_json
from .layout import Run
from .limits import MachineLimits
from .telling import Tell

REQUEST = "limit.json"
PATIENCE_S = 5.0  # for a driver to put back what was found, before the end of the trainer is told without it


class Limiting:
    """binding: of NVML; None where GPUs cannot be set. One request at a time; a wedged driver delays nobody."""

    def __init__(self, run: Run, binding: Any, tell: Tell) -> None:
        self.run, self.binding, self.tell = run, binding, tell
        self.version = 0
        self.limits: Optional[MachineLimits] = None
        self.guard: Optional[subprocess.Popen[bytes]] = None
        self.wanted: "queue.Queue[Json]" = queue.Queue()
        self.done: "queue.Queue[Json]" = queue.Queue()
        self.asked = 0

    def step(self) -> List[Json]:
        """What has come of requests since the last call; a new one is taken up."""
        request = self.news()
        if request:
            self.ask(request)
        outcomes = []
        with contextlib.suppress(queue.Empty):
            while True:
                outcomes.append(self.done.get_nowait())
        return outcomes

    def news(self) -> Optional[Json]:
        try:
            version = os.stat(self.run.path(REQUEST)).st_mtime_ns
        except OSError:
            return None
        request = self.run.read(REQUEST) if version != self.version else None
        if request:
            self.version = version
        return request

    def ask(self, request: Json) -> None:
        if not self.asked:
            threading.Thread(target=self.work, daemon=True).start()
        self.asked += 1
        self.wanted.put(request)

    def close(self) -> List[Json]:
        """The trainer has ended: everything is put back, if the driver lets us; else the guard tries as well."""
        if not self.asked:
            return []
        self.ask({"limit": None})
        outcomes: List[Json] = []
        with contextlib.suppress(queue.Empty):
            while not outcomes or outcomes[-1]["limit"] is not None:
                outcomes.append(self.done.get(timeout=PATIENCE_S))
        # Of an end at which there was nothing to put back there is nothing to tell.
        return [outcome for outcome in outcomes if outcome["limit"] is not None or outcome["gpus"]]

    def work(self) -> None:
        while True:
            request = self.wanted.get()
            outcome: Json = {"limit": request["limit"], "gpus": [], "refused": ""}
            try:
                outcome["gpus"] = self.carry_out(request.get("power_w"), request.get("clock_mhz"))
            except Exception as problem:  # whatever the driver, its binding or the disk raises: the training goes on
                outcome["refused"] = str(problem) or type(problem).__name__
            for one in outcome["gpus"]:
                if one.get("refused"):
                    self.tell("%s: cannot be limited: %s" % (one["device"], one["refused"]))
            if outcome["refused"]:
                self.tell("GPUs cannot be limited: " + outcome["refused"])
            self.done.put(outcome)

    def carry_out(self, power_w: Optional[float], clock_mhz: Optional[int]) -> List[Json]:
        if self.binding is None:
            raise OSError("NVML tells of no GPU here")
        if self.limits is None:
            self.limits = MachineLimits(self.binding, self.run.job_dir)
        if not self.limits.hold():
            raise OSError("another job on this machine has limited its GPUs")
        if power_w is not None or clock_mhz is not None:
            return self.limits.set(power_w, clock_mhz, self.post_guard)
        told = self.limits.put_back()
        if not any(one.get("refused") for one in told):
            self.limits.let_go()
        return told

    def post_guard(self) -> None:
        """A process that puts everything back once this one has ended, however it does."""
        if self.guard is None or self.guard.poll() is not None:
            agent = os.path.join(self.run.job_dir, "agent.pyz")
            with open(self.run.path("agent.log"), "ab") as log:
                self.guard = subprocess.Popen(
                    [sys.executable, "-I", "-S", agent, "unlimit", "--job-dir", self.run.job_dir],
                    stdin=subprocess.PIPE,  # ends with us
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                )


def request_limit(job_dir: str, generation: int, request: Json) -> Json:
    """Verb `limit`: have the agent of that generation limit the GPUs; what comes of it is in the telemetry."""
    run = Run(job_dir, generation)
    if not run.has("agent.json"):
        return {"ok": False, "error": "unknown_generation", "detail": "generation %d" % generation}
    if not run.has("exit.json") and run.read(REQUEST) != request:
        write_json(run.path(REQUEST), request)
    return {"ok": True}
