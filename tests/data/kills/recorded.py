"""Runs a trainer, and writes down by itself when it lived: `recorded.py FILE COMMAND…`.

Two witnesses that owe nothing to `ga`: lines in FILE with the start and the end on a clock that all machines of this
computer share and that never jumps, and a lock on FILE.lock that is held as long as the trainer, or this script, lives.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO


def main(file: Path, command: list[str]) -> int:
    with Path(f"{file}.lock").open("a") as lock:
        alone = taken(lock)
        with subprocess.Popen(command, pass_fds=(lock.fileno(),)) as trainer:
            note(file, event="start", pid=trainer.pid, alone=alone)
            code = trainer.wait()
            note(file, event="end", pid=trainer.pid, code=code)
    # As a shell would say it: the agent sees this process's end.
    return code if code >= 0 else 128 - code


def taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def note(file: Path, **fields: object) -> None:
    with file.open("a") as lines:
        fcntl.flock(lines, fcntl.LOCK_EX)
        where = {"generation": int(os.environ["GA_GENERATION"]), "site": os.environ["GA_SITE"]}
        lines.write(json.dumps({**fields, **where, "at_s": time.clock_gettime(time.CLOCK_BOOTTIME)}) + "\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
