"""Trains until it is signalled, then writes one line and leaves, as a script with a checkpoint handler does.

Argument `workers`: with child processes that have no handler. Argument `forked`: with a child that inherits it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

checkpoints = Path(os.environ["GA_CHECKPOINT_DIR"])
children: list[subprocess.Popen[bytes]] = []


def save(_number: int, _frame: object) -> None:
    alive = [child.poll() is None for child in children]
    with (checkpoints / "saved.txt").open("a") as file:
        file.write(f"generation {os.environ['GA_GENERATION']} workers {alive}\n")
    sys.exit(0)


if "workers" in sys.argv:
    sleep = "import time; time.sleep(60)"
    children += [subprocess.Popen([sys.executable, "-c", sleep]) for _ in range(2)]
signal.signal(signal.SIGUSR1, save)
if "forked" in sys.argv and os.fork() == 0:
    time.sleep(60)
with Path(os.environ["GA_PROGRESS_FILE"]).open("a", buffering=1) as progress:
    for step in range(1, 1200):
        progress.write(json.dumps({"kind": "progress", "step": step, "total": 1200, "loss": 1 / step}) + "\n")
        time.sleep(0.05)
