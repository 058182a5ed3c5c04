"""GPUs as the driver's own program `nvidia-smi` tells of them."""

from __future__ import annotations

import math
import subprocess
from typing import List, Optional

from .clock import monotonic_s
from .tally import Reading

TIMEOUT_S = 20.0


def nvidia_smi(*arguments: str) -> str:
    """Its output; empty when there is no such program or it fails."""
    try:
        done = subprocess.run(
            ["nvidia-smi", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def count_gpus() -> int:
    return sum(1 for line in nvidia_smi("-L").splitlines() if line.startswith("GPU "))


def number(cell: str) -> Optional[float]:
    """None for what is no number: `[N/A]`, `[GPU is lost]`."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class SmiSource:
    """All GPUs, by their power: the program does not print the energy counter."""

    binding = None  # of NVML, which alone can set anything

    def meter(self, index: int) -> str:
        return "nvidia-smi"

    def read(self) -> List[Reading]:
        """Empty when the program fails."""
        output = nvidia_smi("--query-gpu=power.draw,utilization.gpu,memory.used", "--format=csv,noheader,nounits")
        at_s = monotonic_s()
        rows = [[number(cell) for cell in line.split(",")] for line in output.splitlines() if line.strip()]
        return [Reading(at_s, None, row[0], row[1] if len(row) > 1 else None) for row in rows]
