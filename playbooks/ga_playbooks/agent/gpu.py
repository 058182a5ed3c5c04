"""The GPUs' power, from their driver's own program."""

from __future__ import annotations

import subprocess
import threading
import time
from typing import Optional, Tuple

from .clock import monotonic_s

GPU_STALE_S = 30.0


def nvidia_smi(*arguments: str) -> str:
    """Its output; empty when there is no such program or it fails."""
    try:
        done = subprocess.run(["nvidia-smi", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def count_gpus() -> int:
    return sum(1 for line in nvidia_smi("-L").splitlines() if line.startswith("GPU "))


class GpuMeter:
    """All GPUs of the machine, read by nvidia-smi in a thread, because a wedged driver must not delay a signal."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.percent: Optional[float] = None
        self.lock = threading.Lock()
        self.power_w = 0.0
        self.read_at_s = self.counted_to_s = monotonic_s()
        self.energy_j = 0.0
        self.works = self.read()

    def read(self) -> bool:
        output = nvidia_smi("--query-gpu=power.draw,utilization.gpu,memory.used", "--format=csv,noheader,nounits")
        try:
            rows = [[float(cell) for cell in line.split(",")[:2]] for line in output.splitlines() if line.strip()]
        except ValueError:
            return False
        if not rows:
            return False
        with self.lock:
            self.count()
            self.power_w = sum(row[0] for row in rows)
            self.percent = sum(row[1] for row in rows) / len(rows)
            self.read_at_s = self.counted_to_s
        return True

    def count(self) -> None:
        now_s = monotonic_s()
        self.energy_j += self.power_w * (now_s - self.counted_to_s)
        self.counted_to_s = now_s

    def watch(self) -> None:
        def forever() -> None:
            while True:
                time.sleep(self.every_s)
                self.read()

        threading.Thread(target=forever, daemon=True).start()

    def take_j(self) -> Tuple[float, bool]:
        """Energy since the last call, and whether it rests on a reading that is too old."""
        with self.lock:
            self.count()
            energy_j, self.energy_j = self.energy_j, 0.0
            return energy_j, self.counted_to_s - self.read_at_s > max(GPU_STALE_S, 3 * self.every_s)
