"""GPUs as NVIDIA's library NVML tells of them, through its binding for Python.

The binding is no part of the standard library: `prepare` puts it beside the agent, where there is a driver.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any, Callable, List, Optional

from .clock import monotonic_s
from .tally import Reading
from .telling import Tell

BINDING = "ga_pynvml.py"  # a name of its own: the folder is on the script's path, which may bring another version
METER, METER_MIG = "nvml", "nvml-mig"


def load_binding(folder: str) -> Any:
    """The module pynvml. Raises OSError when it is not there, whatever else it raises when it is broken."""
    path = os.path.join(folder, BINDING)
    with open(path, "rb"):
        pass
    spec = importlib.util.spec_from_file_location("pynvml", path)
    if spec is None or spec.loader is None:
        raise OSError("cannot be loaded: " + path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["pynvml"] = module  # it looks itself up there
    spec.loader.exec_module(module)
    return module


class NvmlGpu:
    """One GPU: what it can be asked for is found out by asking."""

    def __init__(self, binding: Any, index: int, tell: Tell) -> None:
        self.binding, self.index, self.tell = binding, index, tell
        self.silent = {
            binding.NVML_ERROR_NOT_SUPPORTED,
            binding.NVML_ERROR_FUNCTION_NOT_FOUND,
            binding.NVML_ERROR_NO_PERMISSION,
        }
        self.refused: List[str] = []
        self.handle: Any = None
        self.meter = METER

    def ask(self, name: str, question: Callable[[], Any]) -> Any:
        """None where there is no answer. What the GPU cannot or may not say is not asked for again."""
        if name in self.refused:
            return None
        try:
            return question()
        except self.binding.NVMLError as problem:
            if problem.value in self.silent:
                self.refused.append(name)
            self.tell("gpu%d: NVML does not tell its %s: %s" % (self.index, name, problem))
            return None

    def open(self) -> bool:
        self.handle = self.ask("handle", lambda: self.binding.nvmlDeviceGetHandleByIndex(self.index))
        if self.handle is None:
            return False
        # GPUs that cannot be divided refuse this question: no news.
        try:
            divided = self.binding.nvmlDeviceGetMigMode(self.handle)[0] == self.binding.NVML_DEVICE_MIG_ENABLE
        except self.binding.NVMLError:
            divided = False
        if divided:
            self.meter = METER_MIG
            self.tell("gpu%d: divided by MIG: its figures are those of the whole GPU" % self.index)
        return True

    def read(self) -> Reading:
        at_s = monotonic_s()
        if self.handle is None and not self.open():
            return Reading(at_s, None, None, None)
        nvml, handle = self.binding, self.handle
        counter_mj = self.ask("energy", lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        power_mw = self.ask("power", lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        percent: Optional[float] = None
        if self.meter == METER:  # of a divided GPU it is not known
            percent = self.ask("utilisation", lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        return Reading(at_s, thousandth(counter_mj), thousandth(power_mw), percent)


def thousandth(value: Optional[int]) -> Optional[float]:
    return None if value is None else value / 1e3


class NvmlSource:
    """All GPUs that the driver shows, whatever CUDA_VISIBLE_DEVICES says: they all draw power."""

    def __init__(self, binding: Any, tell: Tell) -> None:
        """Raises the binding's NVMLError when the driver cannot be talked to."""
        binding.nvmlInit()
        self.binding = binding
        self.gpus = [NvmlGpu(binding, index, tell) for index in range(binding.nvmlDeviceGetCount())]

    def meter(self, index: int) -> str:
        return self.gpus[index].meter

    def read(self) -> List[Reading]:
        return [gpu.read() for gpu in self.gpus]
