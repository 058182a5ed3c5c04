"""Verb `launch`: start a generation, if the job's lock and the generations before it allow."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import Callable

from .clock import Clock
from .daemon import daemonise
from .failures import failure
from .files import Json, write_atomic, write_json
from .gpu import count_gpus
from .layout import Run, recorded_generation
from .locking import open_lock, take_lock
from .lost import write_lost
from .supervisor import Supervisor
from .transfers import end_transfers
from .unlimiting import put_back


def launch(job_dir: str, spec: Json) -> Json:
    clock = Clock(float(spec["epoch_s"]))
    gpus = count_gpus()
    run = Run(job_dir, int(spec["generation"]))
    lock = open_lock(job_dir)
    free = take_lock(lock, fcntl.LOCK_EX, patience_s=1.0)
    recorded = recorded_generation(job_dir)
    before = Run(job_dir, recorded)
    if free and before.has("agent.json") and not before.has("exit.json"):
        write_lost(before)
    if run.generation < recorded or run.has("exit.json"):
        return {"ok": False, "error": "stale_generation", "recorded": recorded}
    if not free:
        if run.generation == recorded and run.has("agent.json"):
            return {"ok": True, "already": True}
        return {"ok": False, "error": "locked", "recorded": recorded}
    with contextlib.suppress(OSError):  # what is left then is no use to anybody
        end_transfers(job_dir)
    os.makedirs(run.folder, exist_ok=True)
    write_atomic(os.path.join(job_dir, "generation"), b"%d\n" % run.generation)
    # The environment may hold secrets: it goes from hand to hand, never into a file.
    write_json(run.path("spec.json"), {key: value for key, value in spec.items() if key != "env"})

    def work(report: Callable[[Json], None]) -> None:
        put_back(job_dir)
        try:
            supervisor = Supervisor(run, spec, clock, lock, gpus)
            supervisor.start()
        except OSError as problem:
            return report(failure("spawn_failed", problem))
        report({"ok": True, "already": False})
        supervisor.supervise()
        return None

    return daemonise(run.path("agent.log"), work)
