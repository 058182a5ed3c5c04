"""Verb `stop`: have the trainer asked to save and leave, by its agent or in its agent's place."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from typing import Callable

from .clock import TICK_S
from .daemon import daemonise
from .files import Json, write_json
from .layout import Run, recorded_generation
from .locking import open_lock, take_lock
from .lost import write_lost
from .members import members_of
from .processes import identity, is_alive
from .signalling import kill_until_gone
from .stop_sequence import StopSequence


def stop(job_dir: str, generation: int, signal_name: str, grace_s: float) -> Json:
    run = Run(job_dir, generation)
    agent = run.read("agent.json")
    if signal_name not in signal.Signals.__members__:
        return {"ok": False, "error": "unknown_signal", "detail": signal_name}
    if agent is None:
        return {"ok": False, "error": "unknown_generation", "recorded": recorded_generation(job_dir)}
    if run.has("exit.json"):
        return {"ok": True, "ended": True}
    request = {"signal": signal_name, "grace_s": grace_s}
    present = run.read("stop.json") or {}
    # What the agent has asked by itself is asked once: a script might save twice.
    if present != request and not present.get("because"):
        write_json(run.path("stop.json"), request)
    if is_alive(agent["agent"]) or is_alive(run.read("stopper.json")):
        return {"ok": True, "ended": False}
    return daemonise(run.path("agent.log"), lambda report: stop_without_agent(run, report))


def stop_without_agent(run: Run, report: Callable[[Json], None]) -> None:
    write_json(run.path("stopper.json"), identity(os.getpid()))
    report({"ok": True, "ended": False})
    trainer = (run.read("agent.json") or {}).get("trainer")
    sequence = StopSequence(run)
    lock = open_lock(run.job_dir)
    while not take_lock(lock, fcntl.LOCK_EX):
        sequence.step()
        if trainer and not is_alive(trainer):
            kill_until_gone(lambda: members_of(run))
        time.sleep(TICK_S)
    if not run.has("exit.json"):
        write_lost(run)
