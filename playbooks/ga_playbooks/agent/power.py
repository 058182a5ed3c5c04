"""The machine's energy: metered where it can be, else modelled, device by device."""

from __future__ import annotations

import os
from typing import List, Optional

from .files import Json
from .gpu_meter import GpuMeter, open_gpus
from .host_model import HostModel
from .rapl import CPU, DRAM, RaplMeter
from .tally import COUNTER, MODEL, part
from .telling import Tell

HOST = "host"


class Meter:
    """GPUs, processors and memory one by one; or the machine as a whole by the site's model, where that says more.

    power: the site's model: `idle_w`, `busy_w`, and `stated` false where nobody has stated it and it is a default.
    host None: the whole machine is modelled, whatever happens.
    """

    def __init__(
        self, power: Json, gpu: Optional[GpuMeter], rapl: Optional[RaplMeter], host: Optional[HostModel]
    ) -> None:
        self.idle_w, self.busy_w = float(power["idle_w"]), float(power["busy_w"])
        self.stated = bool(power.get("stated", True))
        self.gpu, self.rapl, self.host = gpu, rapl, host

    def begin(self) -> None:
        """What was used until now is nobody's."""
        if self.gpu:
            self.gpu.take()
        if self.rapl:
            self.rapl.take()

    def take(self, duration_s: float, cpu_s: float) -> Json:
        """Energy of the interval that ends now, in which the trainer used cpu_s seconds of CPU."""
        if self.host is None:
            return self.by_site_model(duration_s, cpu_s)
        parts = self.gpu.take() if self.gpu else []
        metered_j = self.rapl.take() if self.rapl else {}
        if self.stated and not parts and not metered_j:
            return self.by_site_model(duration_s, cpu_s)
        for device in (CPU, DRAM):
            if device in metered_j:
                parts.append(part(device, metered_j[device], "rapl", COUNTER))
            else:
                energy_j = self.host.cpu_j(duration_s, cpu_s) if device == CPU else self.host.dram_j(duration_s)
                parts.append(part(device, energy_j, "model", MODEL))
        return sample(parts, self.gpu.percent if self.gpu else None)

    def by_site_model(self, duration_s: float, cpu_s: float) -> Json:
        """The whole machine: idle power, and what is above it for as long as the trainer used a core."""
        busy_s = min(cpu_s, duration_s)
        energy_j = self.idle_w * duration_s + (self.busy_w - self.idle_w) * busy_s
        return sample([part(HOST, energy_j, "model", MODEL)], None)


def sample(parts: List[Json], gpu_percent: Optional[float]) -> Json:
    return {
        "energy_j": sum(part["energy_j"] for part in parts),
        "meter": "+".join(dict.fromkeys(part["meter"] for part in parts)),
        "modelled": any(part["uncertainty"] == MODEL for part in parts),
        "gpu_percent": gpu_percent,
        "parts": parts,
    }


def open_meter(power: Json, gpus: int, sample_s: float, folder: str, tell: Tell) -> Meter:
    """The best meter for a machine of so many GPUs; folder: where the binding of NVML is."""
    if os.environ.get("GA_METER") == "model":  # for machines that only stand for others
        return Meter(power, None, None, None)
    gpu = open_gpus(folder, sample_s, tell) if gpus else None
    if gpus and gpu is None:
        # All else that can be read would leave out the GPUs: then the site's model says more.
        return Meter(power, None, None, None)
    return Meter(power, gpu, RaplMeter(tell), HostModel(tell))
