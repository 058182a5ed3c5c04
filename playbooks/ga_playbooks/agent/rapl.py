"""The processors' own energy counters."""

from __future__ import annotations

import glob
import os
from typing import Dict


class RaplMeter:
    """The CPU packages' and memory's own energy counters."""

    def __init__(self, root: str = "/sys/class/powercap") -> None:
        self.last_uj: Dict[str, int] = {}
        self.range_uj: Dict[str, int] = {}
        for zone in glob.glob(os.path.join(root, "intel-rapl:*")):
            try:
                with open(os.path.join(zone, "name")) as file:
                    name = file.read().strip()
                if not name.startswith("package") and name != "dram":
                    continue
                self.range_uj[zone] = self.read_uj(zone, "max_energy_range_uj")
                self.last_uj[zone] = self.read_uj(zone, "energy_uj")
            except (OSError, ValueError):
                continue  # most systems let only root read them
        self.works = bool(self.last_uj)

    @staticmethod
    def read_uj(zone: str, name: str) -> int:
        with open(os.path.join(zone, name)) as file:
            return int(file.read())

    def take_j(self) -> float:
        """Energy since the last call."""
        total_uj = 0
        for zone, before_uj in self.last_uj.items():
            now_uj = self.last_uj[zone] = self.read_uj(zone, "energy_uj")
            total_uj += now_uj - before_uj if now_uj >= before_uj else now_uj + self.range_uj[zone] - before_uj
        return total_uj / 1e6
