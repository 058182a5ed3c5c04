"""Which processes belong to a trainer, wherever they have gone."""

from __future__ import annotations

import os
from typing import Dict, Optional

from .layout import Run
from .processes import Process, boot_id, read_process


def run_folder_of(pid: int) -> str:
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            for variable in file.read().split(b"\0"):
                if variable.startswith(b"GA_RUN_DIR="):
                    return os.fsdecode(variable[len(b"GA_RUN_DIR=") :])
    except OSError:
        pass  # it ended, or it is somebody else's
    return ""


def is_member(process: Process, folder: str, session: Optional[int]) -> bool:
    return process.session == session or (run_folder_of(process.pid) + "/").startswith(folder + "/")


def members(folder: str, session: Optional[int] = None) -> Dict[int, Process]:
    """Processes of the trainer's session, and those outside it whose GA_RUN_DIR is `folder` or below it."""
    found = {}
    for entry in os.listdir("/proc"):
        process = read_process(int(entry)) if entry.isdigit() else None
        if process is not None and process.pid != os.getpid() and is_member(process, folder, session):
            found[process.pid] = process
    return found


def members_of(run: Run) -> Dict[int, Process]:
    trainer = (run.read("agent.json") or {}).get("trainer") or {}
    session = trainer.get("pid") if trainer.get("boot_id") == boot_id() else None
    return members(run.folder, session)
