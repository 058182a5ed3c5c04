"""What a trainer's processes use, for the samples. A look at all processes of a large machine takes tens of ms."""

from __future__ import annotations

import math
import os
from typing import List, Set

from .clock import monotonic_s
from .members import is_member
from .processes import Process, read_process

FORGET_S = 30.0  # a process may become the trainer's: what it is told by comes with its program


class Usage:
    """The trainer's processes, found anew at each look; those of others are looked at every FORGET_S only."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.strangers: Set[str] = set()
        self.forget_at_s = -math.inf

    def members(self, session: int) -> List[Process]:
        entries = {entry for entry in os.listdir("/proc") if entry.isdigit()}
        now_s = monotonic_s()
        if now_s >= self.forget_at_s:
            self.strangers, self.forget_at_s = {str(os.getpid())}, now_s + FORGET_S
        self.strangers &= entries  # their numbers are given to others
        found = []
        for entry in entries - self.strangers:
            process = read_process(int(entry))
            if process is not None and is_member(process, self.folder, session):
                found.append(process)
            else:
                self.strangers.add(entry)
        return found
