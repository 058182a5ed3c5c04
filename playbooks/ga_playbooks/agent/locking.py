"""The job's lock: agent and trainer hold it together, and it outlives neither."""

from __future__ import annotations

import fcntl
import os
import time


def open_lock(job_dir: str) -> int:
    return os.open(os.path.join(job_dir, "lock"), os.O_RDWR | os.O_CREAT, 0o600)


def take_lock(descriptor: int, how: int, patience_s: float = 0.0) -> bool:
    """patience_s: others test the lock by holding it for an instant, which must not look like a live trainer."""
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)


def lock_held(job_dir: str) -> bool:
    """True when an agent or a trainer of the job lives."""
    descriptor = open_lock(job_dir)
    try:
        return not take_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)
