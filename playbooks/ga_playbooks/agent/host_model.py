"""What processors and memory draw where no counter can be read: an estimate, and it says what it rests on."""

from __future__ import annotations

import math
import os
from typing import Dict, List, Tuple

from .cpu_power import DEFAULT_W_PER_THREAD, RATED
from .telling import Tell

DIMM_W = 5.0  # what CodeCarbon takes for a module in use
DIMM_BYTES = 32 << 30  # the commonest in servers of the last years


class HostModel:
    """CPU: TDP × (0.1 + 0.9 × load³), CodeCarbon's curve. Memory: 5 W for each module that its size makes likely."""

    def __init__(self, tell: Tell, proc: str = "/proc") -> None:
        self.threads = os.cpu_count() or 1
        self.tdp_w, self.tdp_origin = tdp(cpu_facts(os.path.join(proc, "cpuinfo")), self.threads)
        self.dimms = max(1, math.ceil(memory_bytes(os.path.join(proc, "meminfo")) / DIMM_BYTES))
        self.tell = tell

    def cpu_j(self, duration_s: float, cpu_s: float) -> float:
        """cpu_s: seconds of CPU that the training used in the interval; all threads together."""
        self.tell("cpu: modelled: %g W at full load: %s" % (round(self.tdp_w, 1), self.tdp_origin))
        load = min(cpu_s / (duration_s * self.threads), 1.0) if duration_s > 0 else 0.0
        return self.tdp_w * (0.1 + 0.9 * load**3) * duration_s

    def dram_j(self, duration_s: float) -> float:
        self.tell("dram: modelled: %d module(s) of %g W, from the size of the memory" % (self.dimms, DIMM_W))
        return self.dimms * DIMM_W * duration_s


def cpu_facts(path: str) -> Dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty when there are none."""
    try:
        with open(path) as file:
            lines: List[str] = file.read().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def tdp(facts: Dict[str, str], threads: int) -> Tuple[float, str]:
    """In W of what this machine has of its processors, and where that comes from."""
    family, model = (int(facts[key]) if facts.get(key, "").isdigit() else -1 for key in ("cpu family", "model"))
    rated = RATED.get((facts.get("vendor_id", ""), family, model))
    if rated is None:
        return DEFAULT_W_PER_THREAD * threads, "an unlisted processor, %g W for each thread" % DEFAULT_W_PER_THREAD
    # On a machine of its own with one thread a core, the other one was switched off.
    real = "hypervisor" not in facts.get("flags", "hypervisor").split()
    single = facts.get("siblings") == facts.get("cpu cores")
    held = threads * 2 if real and single else threads
    origin = "%d threads of %s, rated at %g W for %d" % (held, rated.name, rated.tdp_w, rated.threads)
    return rated.tdp_w * held / rated.threads, origin


def memory_bytes(path: str) -> int:
    try:
        with open(path) as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("MemTotal:")), 0)
    except (OSError, ValueError, IndexError):
        return 0
