"""Power limits and locked clocks of GPUs, through NVIDIA's binding. What NVML cannot tell is said where it matters."""

from __future__ import annotations

import contextlib
from typing import Any, List, Optional, Tuple

from .files import Json

GRAPHICS = 0  # NVML_CLOCK_GRAPHICS


class GpuSettings:
    """One GPU. Making it and all its methods raise the binding's NVMLError when the driver refuses."""

    def __init__(self, binding: Any, index: int) -> None:
        self.nvml, self.device = binding, "gpu%d" % index
        self.handle = binding.nvmlDeviceGetHandleByIndex(index)
        found = binding.nvmlDeviceGetUUID(self.handle)
        self.uuid = found.decode() if isinstance(found, bytes) else str(found)

    def power_limit_w(self) -> float:
        return float(self.nvml.nvmlDeviceGetPowerManagementLimit(self.handle)) / 1e3

    def set_power_limit(self, power_w: float) -> None:
        self.nvml.nvmlDeviceSetPowerManagementLimit(self.handle, round(power_w * 1e3))

    def power_range_w(self) -> Tuple[float, float]:
        low, high = self.nvml.nvmlDeviceGetPowerManagementLimitConstraints(self.handle)
        return low / 1e3, high / 1e3

    def clocks_mhz(self) -> List[int]:
        """What the graphics clock can be set to at the fastest memory clock, ascending."""
        memory_mhz = max(self.nvml.nvmlDeviceGetSupportedMemoryClocks(self.handle))
        return sorted(self.nvml.nvmlDeviceGetSupportedGraphicsClocks(self.handle, memory_mhz))

    def lock_clock(self, clock_mhz: int) -> None:
        """At most so fast; slower whenever the GPU likes."""
        self.nvml.nvmlDeviceSetGpuLockedClocks(self.handle, self.clocks_mhz()[0], clock_mhz)

    def unlock_clock(self) -> None:
        """The driver tells nobody which clocks were locked before: they are all free afterwards."""
        self.nvml.nvmlDeviceResetGpuLockedClocks(self.handle)

    def limit(self, power_w: Optional[float], clock_mhz: Optional[int]) -> Json:
        """Set what is asked for, or the nearest that the GPU offers. Nothing has changed when it raises."""
        if power_w is not None:
            low_w, high_w = self.power_range_w()
            chosen_w = min(max(power_w, low_w), high_w)
            self.set_power_limit(chosen_w)
            with contextlib.suppress(self.nvml.NVMLError):
                chosen_w = self.power_limit_w()
            return {"power_w": chosen_w, "low": low_w, "high": high_w}
        offered = self.clocks_mhz()
        # Asked for a limit: of two neighbours the lower one keeps it.
        chosen = max([mhz for mhz in offered if mhz <= (clock_mhz or 0)] or offered[:1])
        self.lock_clock(chosen)
        return {"clock_mhz": chosen, "low": offered[0], "high": offered[-1]}
