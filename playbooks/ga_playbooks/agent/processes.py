"""What /proc says of one process."""

from __future__ import annotations

import os
from typing import NamedTuple, Optional

from .files import Json

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    pid: int
    state: str
    parent: int
    session: int
    cpu_s: float  # its own and that of children it has waited for
    started: int
    memory_bytes: int


def read_process(pid: int) -> Optional[Process]:
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            parts = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(parts) < 22:
        return None
    cpu_s = sum(int(part) for part in parts[11:15]) / TICKS_PER_S
    return Process(
        pid, parts[0].decode(), int(parts[1]), int(parts[3]), cpu_s, int(parts[19]), int(parts[21]) * PAGE_BYTES
    )


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def identity(pid: int) -> Json:
    """Names a process for good: process ids are reused."""
    process = read_process(pid)
    return {"pid": pid, "started": process.started if process else 0, "boot_id": boot_id()}


def is_alive(known: Optional[Json]) -> bool:
    if known is None or known.get("boot_id") != boot_id():
        return False
    process = read_process(int(known["pid"]))
    return process is not None and process.state not in "ZX" and process.started == known["started"]
