"""GPUs are as they were found, though the agent that limited them is gone: the guard, a launch, the end of a job."""

from __future__ import annotations

import os
import sys
import threading

from .files import Json
from .limits import MachineLimits, record_path
from .nvml import load_binding

PATIENCE_S = 20.0
LOCK_PATIENCE_S = 2.0  # whoever holds it for longer is an agent that lives


def unlimit(job_dir: str) -> Json:
    """As the agent's guard: from the end of whoever holds the other end of standard input."""
    sys.stdin.buffer.read()
    return put_back(job_dir)


def put_back(job_dir: str) -> Json:
    """Fine when there is nothing to put back, or when a living agent limits the GPUs."""
    outcome: Json = {"ok": False, "error": "limits_remain", "detail": "the GPU driver gave no answer"}

    def work() -> None:
        try:
            outcome.update(unlimited(job_dir))
        except Exception as problem:  # whatever the binding raises
            outcome["detail"] = "%s: %s" % (type(problem).__name__, problem)

    if not os.path.exists(record_path(job_dir)):
        return {"ok": True}
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    if not outcome["ok"]:
        sys.stderr.write("GPUs may still be limited: %s\n" % outcome["detail"])
    return outcome


def unlimited(job_dir: str) -> Json:
    limits = MachineLimits(load_binding(os.path.join(job_dir, "lib")), job_dir)
    if not limits.hold(LOCK_PATIENCE_S):
        return {"ok": True}
    refused = [one["refused"] for one in limits.put_back() if one.get("refused")]
    limits.let_go()
    return {"ok": False, "error": "limits_remain", "detail": "; ".join(refused)} if refused else {"ok": True}
