"""The processors' own energy counters."""

from __future__ import annotations

import glob
import os
from typing import Dict, Optional

from .telling import Tell

CPU, DRAM = "cpu", "dram"


class RaplMeter:
    """The CPU packages' and memory's own energy counters, by device. AMD's know no memory."""

    def __init__(self, tell: Tell, root: str = "/sys/class/powercap") -> None:
        self.tell = tell
        self.device: Dict[str, str] = {}
        self.last_uj: Dict[str, int] = {}
        self.range_uj: Dict[str, int] = {}
        for zone in sorted(glob.glob(os.path.join(root, "intel-rapl:*"))):
            try:
                with open(os.path.join(zone, "name")) as file:
                    name = file.read().strip()
                if not name.startswith("package") and name != DRAM:
                    continue
                range_uj, last_uj = self.read_uj(zone, "max_energy_range_uj"), self.read_uj(zone, "energy_uj")
            except OSError as problem:  # most systems let only root read them
                tell("RAPL cannot be read: %s" % problem.strerror)
                continue
            except ValueError as problem:
                tell("RAPL cannot be read: %s" % problem)
                continue
            self.device[zone] = DRAM if name == DRAM else CPU
            self.range_uj[zone], self.last_uj[zone] = range_uj, last_uj

    @staticmethod
    def read_uj(zone: str, name: str) -> int:
        with open(os.path.join(zone, name)) as file:
            return int(file.read())

    def take(self) -> Dict[str, float]:
        """J since the last call of each device. One of which a counter has gone away is left out from then on."""
        taken_uj = dict.fromkeys(self.device.values(), 0)
        for zone, device in self.device.items():
            now_uj = self.now_uj(zone)
            if now_uj is None:
                taken_uj.pop(device, None)
                continue
            gained_uj, self.last_uj[zone] = now_uj - self.last_uj[zone], now_uj
            if device in taken_uj:
                taken_uj[device] += gained_uj if gained_uj >= 0 else gained_uj + self.range_uj[zone]
        self.device = {zone: device for zone, device in self.device.items() if device in taken_uj}
        return {device: uj / 1e6 for device, uj in taken_uj.items()}

    def now_uj(self, zone: str) -> Optional[int]:
        try:
            return self.read_uj(zone, "energy_uj")
        except (OSError, ValueError) as problem:
            self.tell("RAPL: the counter of %s has gone away: %s" % (self.device[zone], problem))
            return None
