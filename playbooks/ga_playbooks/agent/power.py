"""The machine's energy: metered where it can be, else modelled."""

from __future__ import annotations

import os

from .files import Json
from .gpu import GpuMeter
from .rapl import RaplMeter

# With metered GPUs the rest is a small part: 1 W for each core that exists, 5 W more for each that is busy.
CORE_IDLE_W, CORE_BUSY_W = 1.0, 5.0


class Meter:
    """What the machine draws: metered where it can be, else by the site's stated model."""

    def __init__(self, power: Json, gpus: int, sample_s: float) -> None:
        self.idle_w, self.busy_w = float(power["idle_w"]), float(power["busy_w"])
        metered = os.environ.get("GA_METER") != "model"  # for machines that only stand for others
        gpu = GpuMeter(max(sample_s, 1.0)) if metered and gpus else None
        self.gpu = gpu if gpu and gpu.works else None
        # RAPL alone would leave out GPUs that cannot be read: then the site's model says more.
        rapl = RaplMeter() if metered and (self.gpu or not gpus) else None
        self.rapl = rapl if rapl and rapl.works else None

    def take(self, duration_s: float, cpu_s: float) -> Json:
        """Energy of the interval that ends now, in which the trainer used cpu_s seconds of CPU."""
        energy_j, names, modelled = 0.0, [], False
        if self.gpu:
            gpu_j, stale = self.gpu.take_j()
            energy_j, modelled = energy_j + gpu_j, stale
            names.append("nvidia-smi")
        if self.rapl:
            energy_j += self.rapl.take_j()
            names.append("rapl")
        else:
            energy_j += self.cpu_model_j(duration_s, cpu_s) if self.gpu else self.site_model_j(duration_s, cpu_s)
            names.append("model")
            modelled = True
        percent = self.gpu.percent if self.gpu else None
        return {"energy_j": energy_j, "meter": "+".join(names), "modelled": modelled, "gpu_percent": percent}

    def site_model_j(self, duration_s: float, cpu_s: float) -> float:
        busy_s = min(cpu_s, duration_s)
        return self.idle_w * duration_s + (self.busy_w - self.idle_w) * busy_s

    @staticmethod
    def cpu_model_j(duration_s: float, cpu_s: float) -> float:
        cores = os.cpu_count() or 1
        return CORE_IDLE_W * cores * duration_s + CORE_BUSY_W * min(cpu_s, cores * duration_s)
