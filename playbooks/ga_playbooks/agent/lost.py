"""The exit record of a trainer whose agent died before it."""

from __future__ import annotations

import fcntl
import os
from typing import Optional

from .files import Json, read_tail, write_json
from .layout import Run
from .locking import open_lock, take_lock
from .progress import LINE_LIMIT, parse_progress


def write_lost(run: Run) -> Json:
    """The exit record of a trainer whose agent has died. The caller holds the lock, which proves the trainer dead.

    When it ended is not known: the last instant at which it left a trace is taken.
    """
    agent = run.read("agent.json") or {}
    offset_s = float(agent.get("offset_s", 0.0))
    started_s = float(agent.get("started_s", 0.0))
    traces = [run.path(name) for name in ("trainer.log", "progress.jsonl", "telemetry.jsonl") if run.has(name)]
    forced = run.read("forced.json")
    reports = map(parse_progress, read_tail(run.path("progress.jsonl"), LINE_LIMIT).splitlines())
    record = {
        "generation": run.generation,
        "exit_code": None,
        "signal": forced["signal"] if forced else None,
        "stop_requested": run.has("stop.json"),
        "stopped_because": (run.read("stop.json") or {}).get("because", ""),
        "forced": forced is not None,
        "complete": ("complete", {}) in reports,
        "started_s": started_s,
        "ended_s": max([started_s] + [os.path.getmtime(path) + offset_s for path in traces]),
        "tail": (run.tail() + "\n[ga] agent lost: the trainer's exit code is not known").lstrip(),
    }
    write_json(run.path("exit.json"), record)
    return record


def record_lost(run: Run) -> Optional[Json]:
    lock = open_lock(run.job_dir)
    try:
        if not take_lock(lock, fcntl.LOCK_EX):
            return None
        return run.read("exit.json") or write_lost(run)  # under the lock: the agent may just have written it
    finally:
        os.close(lock)
