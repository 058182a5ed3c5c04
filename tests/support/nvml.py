"""A stand-in for NVIDIA's binding `pynvml`, as strict as the library: units, refusals, errors, order of calls.

It needs the standard library only, because it also travels as a file: `module` is what an agent can load for the
binding. What its GPUs do is a function of time alone, so that tests can say what they have used.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

NVML_ERROR_UNINITIALIZED = 1
NVML_ERROR_INVALID_ARGUMENT = 2
NVML_ERROR_NOT_SUPPORTED = 3
NVML_ERROR_NO_PERMISSION = 4
NVML_ERROR_DRIVER_NOT_LOADED = 9
NVML_ERROR_LIBRARY_NOT_FOUND = 12
NVML_ERROR_FUNCTION_NOT_FOUND = 13
NVML_ERROR_GPU_IS_LOST = 15
NVML_ERROR_UNKNOWN = 999
NVML_DEVICE_MIG_DISABLE = 0
NVML_DEVICE_MIG_ENABLE = 1

TEXTS = {
    NVML_ERROR_UNINITIALIZED: "Uninitialized",
    NVML_ERROR_INVALID_ARGUMENT: "Invalid Argument",
    NVML_ERROR_NOT_SUPPORTED: "Not Supported",
    NVML_ERROR_NO_PERMISSION: "Insufficient Permissions",
    NVML_ERROR_DRIVER_NOT_LOADED: "Driver Not Loaded",
    NVML_ERROR_LIBRARY_NOT_FOUND: "NVML Shared Library Not Found",
    NVML_ERROR_FUNCTION_NOT_FOUND: "Function Not Found",
    NVML_ERROR_GPU_IS_LOST: "GPU is lost",
    NVML_ERROR_UNKNOWN: "Unknown Error",
}


class NVMLError(Exception):
    """`value` is the library's error code."""

    def __init__(self, value: int) -> None:
        super().__init__(TEXTS[value])
        self.value = value


@dataclass
class Gpu:
    """One GPU; times in s since the library was first initialised.

    power_w: from each instant on, the first at 0. counted_j: what its counter shows at 0. reset_at_s: when the counter
    starts at 0 again. wedged_at_s: from then on no call comes back. lost_at_s: when it falls off the bus. refused:
    questions (`energy`, `power`, `utilisation`, `handle`) with the error that they are answered with. mig: None where
    the GPU cannot be divided.

    Its settings: limit_w, of range_w; clocks_mhz: what its graphics clock may be locked to, locked_mhz: what it is.
    `set_limit`, `set_clocks` in `refused` are those that only root may do. settings: a file that holds what was set, so
    that all processes of a machine see the same GPU; without one each sees its own.
    """

    power_w: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 300.0)])
    counted_j: float = 1e6
    percent: int = 50
    mig: bool | None = None
    reset_at_s: float | None = None
    wedged_at_s: float | None = None
    lost_at_s: float | None = None
    refused: dict[str, int] = field(default_factory=dict)
    limit_w: float = 300.0
    range_w: tuple[float, float] = (100.0, 350.0)
    clocks_mhz: tuple[int, ...] = (210, 810, 1200, 1410)
    locked_mhz: tuple[int, int] | None = None
    settings: str | None = None

    def seen(self) -> Gpu:
        """With what was set by any process."""
        if self.settings is not None and Path(self.settings).exists():
            told = json.loads(Path(self.settings).read_text())
            self.limit_w = told["limit_w"]
            self.locked_mhz = None if told["locked_mhz"] is None else tuple(told["locked_mhz"])
        return self

    def keep(self) -> None:
        if self.settings is not None:
            told = {"limit_w": self.limit_w, "locked_mhz": self.locked_mhz}
            Path(self.settings).write_text(json.dumps(told))

    def used_j(self, since_s: float, until_s: float) -> float:
        """What it really uses between two instants."""
        ends = [at_s for at_s, _ in self.power_w[1:]] + [float("inf")]
        return sum(
            power_w * max(0.0, min(end_s, until_s) - max(begin_s, since_s))
            for (begin_s, power_w), end_s in zip(self.power_w, ends, strict=True)
        )

    def power_at_w(self, at_s: float) -> float:
        return [power_w for begin_s, power_w in self.power_w if begin_s <= at_s][-1]


@dataclass
class Utilization:
    gpu: int
    memory: int


class Nvml:
    """The binding's functions as methods. now_s: a clock; real time when there is none."""

    NVMLError = NVMLError
    NVML_ERROR_NOT_SUPPORTED = NVML_ERROR_NOT_SUPPORTED
    NVML_ERROR_FUNCTION_NOT_FOUND = NVML_ERROR_FUNCTION_NOT_FOUND
    NVML_ERROR_NO_PERMISSION = NVML_ERROR_NO_PERMISSION
    NVML_DEVICE_MIG_ENABLE = NVML_DEVICE_MIG_ENABLE

    def __init__(
        self, gpus: list[Gpu], init_error: int | None = None, now_s: Callable[[], float] | None = None
    ) -> None:
        self.gpus, self.init_error = gpus, init_error
        self.now_s = now_s or time.monotonic
        self.users = 0
        self.began_s: float | None = None

    @property
    def at_s(self) -> float:
        return self.now_s() - (self.began_s or 0.0)

    def nvmlInit(self) -> None:
        if self.init_error is not None:
            raise NVMLError(self.init_error)
        self.users += 1
        self.began_s = self.now_s() if self.began_s is None else self.began_s

    def nvmlShutdown(self) -> None:
        self._initialised()
        self.users -= 1

    def nvmlDeviceGetCount(self) -> int:
        self._initialised()
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        self._initialised()
        if not 0 <= index < len(self.gpus):
            raise NVMLError(NVML_ERROR_INVALID_ARGUMENT)
        self._asked(index, "handle")
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        gpu, at_s = self._asked(handle, "energy"), self.at_s
        if gpu.reset_at_s is not None and at_s >= gpu.reset_at_s:
            return int(gpu.used_j(gpu.reset_at_s, at_s) * 1000)
        return int((gpu.counted_j + gpu.used_j(0.0, at_s)) * 1000)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        gpu = self._asked(handle, "power")
        return int(gpu.power_at_w(self.at_s) * 1000)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Utilization:
        gpu = self._asked(handle, "utilisation")
        if gpu.mig:
            raise NVMLError(NVML_ERROR_NOT_SUPPORTED)
        return Utilization(gpu.percent, 0)

    def nvmlDeviceGetMigMode(self, device: int) -> list[int]:
        gpu = self._asked(device, "mig")
        if gpu.mig is None:
            raise NVMLError(NVML_ERROR_NOT_SUPPORTED)
        mode = NVML_DEVICE_MIG_ENABLE if gpu.mig else NVML_DEVICE_MIG_DISABLE
        return [mode, mode]

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        self._asked(handle, "uuid")
        return f"GPU-{handle:08d}"

    def nvmlDeviceGetPowerManagementLimit(self, handle: int) -> int:
        return round(self._asked(handle, "limit").seen().limit_w * 1000)

    def nvmlDeviceGetPowerManagementLimitConstraints(self, handle: int) -> list[int]:
        return [round(bound_w * 1000) for bound_w in self._asked(handle, "limit").range_w]

    def nvmlDeviceSetPowerManagementLimit(self, handle: int, limit: int) -> None:
        gpu = self._asked(handle, "set_limit").seen()
        if not gpu.range_w[0] <= limit / 1000 <= gpu.range_w[1]:
            raise NVMLError(NVML_ERROR_INVALID_ARGUMENT)
        gpu.limit_w = limit / 1000
        gpu.keep()

    def nvmlDeviceGetSupportedMemoryClocks(self, handle: int) -> list[int]:
        self._asked(handle, "clocks")
        return [1215, 810]

    def nvmlDeviceGetSupportedGraphicsClocks(self, handle: int, memory_clock_mhz: int) -> list[int]:
        gpu = self._asked(handle, "clocks")
        if memory_clock_mhz not in (1215, 810):
            raise NVMLError(NVML_ERROR_INVALID_ARGUMENT)
        return sorted(gpu.clocks_mhz if memory_clock_mhz == 1215 else gpu.clocks_mhz[:2], reverse=True)

    def nvmlDeviceSetGpuLockedClocks(self, handle: int, low: int, high: int) -> None:
        gpu = self._asked(handle, "set_clocks").seen()
        if not gpu.clocks_mhz[0] <= low <= high <= gpu.clocks_mhz[-1]:
            raise NVMLError(NVML_ERROR_INVALID_ARGUMENT)
        gpu.locked_mhz = (low, high)
        gpu.keep()

    def nvmlDeviceResetGpuLockedClocks(self, handle: int) -> None:
        gpu = self._asked(handle, "set_clocks").seen()
        gpu.locked_mhz = None
        gpu.keep()

    def _initialised(self) -> None:
        if not self.users:
            raise NVMLError(NVML_ERROR_UNINITIALIZED)

    def _asked(self, handle: int, question: str) -> Gpu:
        self._initialised()
        gpu, at_s = self.gpus[handle], self.at_s
        if gpu.wedged_at_s is not None and at_s >= gpu.wedged_at_s:
            time.sleep(3600)
        if gpu.lost_at_s is not None and at_s >= gpu.lost_at_s:
            raise NVMLError(NVML_ERROR_GPU_IS_LOST)
        if question in gpu.refused:
            raise NVMLError(gpu.refused[question])
        return gpu


def module(gpus: list[Gpu], init_error: int | None = None) -> bytes:
    """The source of a module `pynvml` of these GPUs, on the machine's real time."""
    described = json.dumps([asdict(gpu) for gpu in gpus])
    tail = (
        f"\n\n_nvml = Nvml([Gpu(**gpu) for gpu in json.loads({described!r})], {init_error!r})\n"
        "globals().update({name: getattr(_nvml, name) for name in dir(_nvml) if name.startswith('nvml')})\n"
    )
    return Path(__file__).read_bytes() + tail.encode()
