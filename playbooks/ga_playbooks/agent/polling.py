"""Verb `poll`: how a generation is, and its new telemetry. Asked often, so what it imports is kept small."""

from __future__ import annotations

import json
from typing import Optional

from .clock import monotonic_s
from .files import Json
from .layout import Run
from .leases import renew
from .locking import lock_held
from .lost import record_lost
from .processes import is_alive
from .records import last_seq, read_records


def poll(job_dir: str, generation: int, after: int, limit: int, heard_s: Optional[float]) -> Json:
    """heard_s: `clock_s` of the newest answer that has reached the controller."""
    run = Run(job_dir, generation)
    clock_s = monotonic_s()
    if heard_s is not None:
        renew(run, heard_s)
    agent = run.read("agent.json")
    # In this order: what is read later is at least as new, and telemetry is whole before an exit record exists.
    alive, held, ended = is_alive(agent and agent["agent"]), lock_held(job_dir), run.read("exit.json")
    if agent and not alive and not held and ended is None:
        ended = record_lost(run)
    records, more = read_records(run.path("telemetry.jsonl"), after, limit)
    return {
        "ok": True,
        "generation": generation,
        "clock_s": clock_s,
        "preemption_at_s": (run.read("preemption.json") or {}).get("at_s"),
        "agent_alive": alive,
        "lock_held": held,
        "exit": ended,
        "last_seq": last_seq(run.path("telemetry.jsonl")),
        "records": records,
        "through": json.loads(records[-1])["seq"] if records else after,
        "more": more,
    }
