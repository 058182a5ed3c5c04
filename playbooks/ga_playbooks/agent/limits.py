"""Limits of the machine's GPUs: one job at a time sets them, and whatever happens they are taken back.

What was found is written down, and on the disk, before anything is changed. It is put back by the agent when its
trainer has ended; by a guard, a process of its own, when the agent dies; when both were killed, by whoever ends the
job or limits GPUs here next. File and lock are the machine's: two jobs would each take the other's limit for its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import Any, Callable, List, Optional, Tuple

from .files import Json, read_json, write_json
from .gpu_settings import GpuSettings
from .locking import take_lock


def record_path(job_dir: str) -> str:
    """Where it is written down, beside the folder of all jobs."""
    return os.path.join(os.path.dirname(os.path.dirname(job_dir)), "gpu-limits.json")


class MachineLimits:
    """The GPUs of this machine under the limits of one job."""

    def __init__(self, binding: Any, job_dir: str) -> None:
        """Raises the binding's NVMLError when the driver cannot be talked to."""
        binding.nvmlInit()
        self.binding, self.job_dir = binding, job_dir
        self.path = record_path(job_dir)
        self.lock: Optional[int] = None

    def hold(self, patience_s: float = 0.0) -> bool:
        """True while no other living process limits these GPUs: then what is written down is of one that died."""
        if self.lock is None:
            descriptor = os.open(os.path.splitext(self.path)[0] + ".lock", os.O_RDWR | os.O_CREAT, 0o600)
            if not take_lock(descriptor, fcntl.LOCK_EX, patience_s):
                os.close(descriptor)
                return False
            self.lock = descriptor
        return True

    def let_go(self) -> None:
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def found(self) -> List[Json]:
        """What was written down and not put back yet."""
        return list((read_json(self.path) or {}).get("gpus", []))

    def put_back(self) -> List[Json]:
        """What was found is in force again, GPU by GPU. Needs `hold`. What failed stays written down."""
        found = self.found()
        if not found:
            return []
        gpus = {gpu.uuid: gpu for gpu in self.gpus()[0]}
        told, left = [], []
        for before in found:
            gpu = gpus.get(before["uuid"])
            if gpu is None:  # taken out, or fallen off the bus: nothing is left of its settings
                continue
            one: Json = {"device": gpu.device, "power_w": before["power_limit_w"]}
            try:
                if before["clocks"]:
                    gpu.unlock_clock()
                elif before["power_limit_w"] is not None:
                    gpu.set_power_limit(before["power_limit_w"])
            except self.binding.NVMLError as problem:
                left.append(before)
                one["refused"] = str(problem)
            told.append(one)
        self.write_down(left)
        return told

    def set(self, power_w: Optional[float], clock_mhz: Optional[int], before_first: Callable[[], None]) -> List[Json]:
        """Limit every GPU. Needs `hold`. before_first: called when what was found is safe, before the first change."""
        told = self.put_back()
        if any(one.get("refused") for one in told):
            return told
        gpus, outcome = self.gpus()
        reached = []
        for gpu in gpus:
            one: Json = {"device": gpu.device}
            try:
                one["was_w"] = None if power_w is None else gpu.power_limit_w()
                before = {"uuid": gpu.uuid, "power_limit_w": one["was_w"], "clocks": power_w is None}
                reached.append((gpu, one, before))
            except self.binding.NVMLError as problem:
                one["refused"] = str(problem)
            outcome.append(one)
        self.write_down([before for _, _, before in reached])
        before_first()
        changed = []
        for gpu, one, before in reached:
            try:
                one.update(gpu.limit(power_w, clock_mhz))
                changed.append(before)
            except self.binding.NVMLError as problem:
                one["refused"] = str(problem)
        self.write_down(changed)
        return outcome

    def write_down(self, found: List[Json]) -> None:
        if found:
            write_json(self.path, {"job_dir": self.job_dir, "gpus": found})
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    def gpus(self) -> Tuple[List[GpuSettings], List[Json]]:
        """Those that can be reached, and what is to be told of the others."""
        reached: List[GpuSettings] = []
        lost: List[Json] = []
        for index in range(self.binding.nvmlDeviceGetCount()):
            try:
                reached.append(GpuSettings(self.binding, index))
            except self.binding.NVMLError as problem:
                lost.append({"device": "gpu%d" % index, "refused": str(problem)})
        return reached, lost
