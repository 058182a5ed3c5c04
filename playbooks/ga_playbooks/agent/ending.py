"""Verb `end`: nothing of the job runs afterwards."""

from __future__ import annotations

import glob
import os
import signal
import time
from typing import Dict

from .files import Json
from .layout import Run
from .members import members, members_of
from .processes import Process, is_alive
from .signalling import kill_until_gone, send
from .transfers import end_transfers
from .unlimiting import put_back


def end(job_dir: str) -> Json:
    """Kill all that runs for the job, and let nobody in for it. Agents get the time to write what they know."""
    end_transfers(job_dir)
    names = [os.path.basename(path) for path in glob.glob(os.path.join(glob.escape(job_dir), "gen", "*"))]
    runs = [Run(job_dir, int(name)) for name in names if name.isdigit()]
    living = [run for run in runs if not run.has("exit.json")]

    def trainers() -> Dict[int, Process]:
        found = members(job_dir)
        for run in living:
            found.update(members_of(run))
        return found

    left = kill_until_gone(trainers)
    supervisors = [
        known
        for run in living
        for known in ((run.read("agent.json") or {}).get("agent"), run.read("stopper.json"))
        if known
    ]
    until = time.monotonic() + 3.0
    while any(map(is_alive, supervisors)) and time.monotonic() < until:
        time.sleep(0.05)
    for known in supervisors:
        if is_alive(known):
            send([known["pid"]], signal.SIGKILL)
    put_back(job_dir)
    return {"ok": False, "error": "still_running", "detail": "%d processes" % left} if left else {"ok": True}
