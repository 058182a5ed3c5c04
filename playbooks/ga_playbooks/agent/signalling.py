"""Signals: to the script alone, or to everything that is left."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any, Callable, Dict, List, Tuple

from .processes import Process


def catches(pid: int, number: int) -> bool:
    try:
        with open("/proc/%d/status" % pid) as file:
            for line in file:
                if line.startswith("SigCgt:"):
                    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    except OSError:
        pass
    return False


def send(pids: List[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):  # it may have just ended
            os.kill(pid, number)


def deliver(processes: Dict[int, Process], number: int, complete: bool = False) -> Tuple[int, List[int]]:
    """Signal the script, wherever it is among shells and workers. Returns the signal used and whom it went to.

    Most signals kill a process that has no handler, so only those that catch it get it: a wrapping shell lives on.
    A worker forked from a process with a handler has it too, and must not save a second time: only the topmost get
    it. When nobody catches it, SIGTERM goes the same way, and to everybody when nobody catches that either.
    complete: the training is over; what follows it (an upload, say) has nothing to save, and is left to end.
    """
    for wanted in (number,) if complete else (number, int(signal.SIGTERM)):
        catching = {pid for pid in processes if catches(pid, wanted)}
        topmost = [pid for pid in sorted(catching) if not has_ancestor(processes, pid, catching)]
        if topmost:
            send(topmost, wanted)
            return wanted, topmost
    if complete:
        return number, []
    everybody = sorted(processes)
    send(everybody, signal.SIGTERM)
    return int(signal.SIGTERM), everybody


def has_ancestor(processes: Dict[int, Process], pid: int, among: Any) -> bool:
    seen = {pid}
    while pid in processes and processes[pid].parent not in seen:
        pid = processes[pid].parent
        seen.add(pid)
        if pid in among:
            return True
    return False


def kill_until_gone(find: Callable[[], Dict[int, Process]], patience_s: float = 5.0) -> int:
    """SIGKILL whatever `find` returns until it returns nothing that lives; returns how many are left."""
    until = time.monotonic() + patience_s
    while True:
        living = [process.pid for process in find().values() if process.state not in "ZX"]
        if not living or time.monotonic() >= until:
            return len(living)
        send(living, signal.SIGKILL)
        time.sleep(0.02)
