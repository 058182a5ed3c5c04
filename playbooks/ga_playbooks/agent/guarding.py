"""The agent's guard: keeps the promise of a lease when the agent dies before its trainer."""

from __future__ import annotations

import os
import time

from .clock import TICK_S
from .files import Json
from .layout import Run
from .leases import Lease
from .locking import lock_held
from .stop_sequence import write_request
from .stopping import stop_without_agent


def post_guard(run: Run, lease: Lease, lock: int, request: Json) -> None:
    """Fork a process that waits for the end of the calling one, the agent, and then watches its lease.

    request: what the trainer is asked when the lease is over. lock: of the job; the guard must not hold it.
    """
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        return  # `writing` stays open as long as the agent lives
    try:
        os.close(writing)
        os.close(lock)
        os.read(reading, 1)
        while lock_held(run.job_dir):
            if lease.over():
                write_request(run, request)
                stop_without_agent(run, lambda _: None)
                break
            time.sleep(TICK_S)
    finally:
        os._exit(0)
