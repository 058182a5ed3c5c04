"""Compares the agent's meter with the GPUs' own energy counters, and with CodeCarbon on the same load at the same time.

    python scripts/bench_gpu_energy.py [--seconds 60]          a machine with NVIDIA GPUs and PyTorch
    python scripts/bench_gpu_energy.py --cpu [--seconds 60]    any machine

Prints Markdown. CodeCarbon is compared where it can be imported; it is told to write and send nothing.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import importlib.util
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import psutil
from typing_extensions import override

from ga_playbooks.agent.gpu_meter import NVML_EVERY_S, NVML_PATIENCE_S, GpuMeter
from ga_playbooks.agent.host_model import HostModel
from ga_playbooks.agent.nvml import NvmlSource
from ga_playbooks.agent.power import Meter
from ga_playbooks.agent.rapl import RaplMeter
from ga_playbooks.agent.tally import Reading

_GOAL_PERCENT = 1.0
_JOULES_PER_KWH = 3.6e6
# Ten seconds of work, five of rest: a load whose power changes, as that of a training with checkpoints does.
_GPU_LOAD = """
import sys, time, torch
ends_s, gpus = time.monotonic() + float(sys.argv[1]), range(torch.cuda.device_count())
each = [torch.randn(8192, 8192, device=f"cuda:{index}", dtype=torch.float16) for index in gpus]
while time.monotonic() < ends_s:
    rest_s = time.monotonic() + 10
    while time.monotonic() < min(rest_s, ends_s):
        for matrix in each:
            matrix @ matrix
        for index in gpus:
            torch.cuda.synchronize(index)
    time.sleep(max(0.0, min(5.0, ends_s - time.monotonic())))
"""
_CPU_LOAD = """
import sys, time
ends_s = time.monotonic() + float(sys.argv[1])
while time.monotonic() < ends_s:
    rest_s = time.monotonic() + 10
    while time.monotonic() < min(rest_s, ends_s):
        sum(range(10000))
    time.sleep(max(0.0, min(5.0, ends_s - time.monotonic())))
"""


class PowerOnly(NvmlSource):
    """GPUs as they would be read if they had no energy counter."""

    @override
    def read(self) -> list[Reading]:
        return [reading._replace(counter_j=None) for reading in super().read()]


@dataclass
class Sums:
    """J by device, with what they were metered by."""

    energy_j: dict[str, float] = field(default_factory=dict)
    meters: dict[str, set[str]] = field(default_factory=dict)

    def add(self, parts: list[dict[str, Any]]) -> None:
        for part in parts:
            device = part["device"]
            self.energy_j[device] = self.energy_j.get(device, 0.0) + part["energy_j"]
            self.meters.setdefault(device, set()).add(f"{part['meter']}, {part['uncertainty']}")

    def of(self, kind: str) -> float:
        return sum(energy_j for device, energy_j in self.energy_j.items() if device.startswith(kind))

    def by(self, kind: str) -> str:
        return "; ".join(sorted(set().union(*(by for device, by in self.meters.items() if device.startswith(kind)))))


@functools.cache
def tell(text: str) -> None:
    print(f"- {text}")


def codecarbon(with_gpus: bool) -> Any:
    """A running tracker; None where CodeCarbon cannot be imported."""
    try:
        module = importlib.import_module("codecarbon")
    except ImportError as problem:
        print(f"- CodeCarbon is left out: {problem}")
        return None
    settings: dict[str, Any] = {} if with_gpus else {"gpu_ids": []}
    tracker = module.OfflineEmissionsTracker(
        country_iso_code="DEU",
        measure_power_secs=1,
        output_methods=[],
        log_level="error",
        allow_multiple_runs=True,
        tracking_mode="machine",
        **settings,
    )
    tracker.start()
    return tracker


def codecarbon_j(tracker: Any) -> dict[str, float]:
    tracker.stop()
    found = getattr(tracker, "final_emissions_data", None)
    if found is None:
        raise SystemExit("CodeCarbon gave no result; its own log (log_level) says why")
    return {kind: getattr(found, f"{kind}_energy") * _JOULES_PER_KWH for kind in ("gpu", "cpu", "ram")}


def cpu_used_s(processes: list[psutil.Process], known_s: dict[int, float]) -> float:
    """CPU seconds of all; of one that has ended, those that were last seen."""
    for process in processes:
        try:
            times = process.cpu_times()
            known_s[process.pid] = times.user + times.system
        except psutil.Error:
            continue
    return sum(known_s.values())


def follow(meter: Meter, load: list[subprocess.Popen[bytes]], others: list[GpuMeter]) -> tuple[Sums, list[Sums], float]:
    """Sample each second until the load has ended. Its sums, those of the other meters, and how long that took in s."""
    sums, others_sums = Sums(), [Sums() for _ in others]
    processes, known_s = [psutil.Process(process.pid) for process in load], {}
    known_s.update({process.pid: 0.0 for process in load})
    meter.begin()
    for other in others:
        other.take()
    began_s = sampled_s = time.monotonic()
    used_s, running = 0.0, True
    while running:
        time.sleep(1.0)
        running = any(process.poll() is None for process in load)
        now_s, total_s = time.monotonic(), cpu_used_s(processes, known_s)
        sums.add(meter.take(now_s - sampled_s, total_s - used_s)["parts"])
        for other, other_sums in zip(others, others_sums, strict=True):
            other_sums.add(other.take())
        sampled_s, used_s = now_s, total_s
    for process in load:
        if process.returncode:
            raise SystemExit(f"the load failed with exit code {process.returncode}")
    return sums, others_sums, sampled_s - began_s


def compared(name: str, energy_j: float, base_j: float, by: str) -> str:
    off = f"{100 * (energy_j / base_j - 1):+.2f} %" if base_j else "–"
    return f"| {name} | {energy_j:.1f} J | {off} | {by} |"


def bench_gpu(seconds: float) -> None:
    if importlib.util.find_spec("torch") is None:
        raise SystemExit(
            "expected PyTorch to put the GPUs under load, found none: `pip install torch`.\n"
            "A loop on the CPU would leave them idle: nothing could be compared."
        )
    nvml = importlib.import_module("pynvml")
    try:
        source = NvmlSource(nvml, tell)
    except nvml.NVMLError as problem:
        raise SystemExit(f"expected NVIDIA GPUs, found none: NVML says {problem}; --cpu needs none") from problem
    handles = [gpu.handle for gpu in source.gpus if gpu.open()]
    name, driver = nvml.nvmlDeviceGetName(handles[0]), nvml.nvmlSystemGetDriverVersion()
    print(f"{len(handles)} × {name}, driver {driver}, {seconds:.0f} s\n")

    def counters_j() -> float:
        return sum(float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) for handle in handles) / 1e3

    gpu = GpuMeter(source, NVML_EVERY_S, NVML_PATIENCE_S, tell)
    by_power = GpuMeter(PowerOnly(nvml, tell), NVML_EVERY_S, NVML_PATIENCE_S, tell)
    gpu.watch()
    by_power.watch()
    meter = Meter({"idle_w": 0.0, "busy_w": 0.0}, gpu, RaplMeter(tell), HostModel(tell))
    tracker = codecarbon(with_gpus=True)
    load = subprocess.Popen([sys.executable, "-c", _GPU_LOAD, str(seconds)])
    before_j, used_s = counters_j(), time.process_time()
    sums, (power_sums,), taken_s = follow(meter, [load], [by_power])
    counted_j, used_s = counters_j() - before_j, time.process_time() - used_s
    print("\n| GPUs | energy | off the counter | by |\n|---|---|---|---|")
    print(compared("NVML counter, difference", counted_j, counted_j, "read directly"))
    print(compared("ga", sums.of("gpu"), counted_j, sums.by("gpu")))
    print(compared("ga, as if there were no counter", power_sums.of("gpu"), counted_j, power_sums.by("gpu")))
    if tracker is not None:
        print(compared("CodeCarbon", codecarbon_j(tracker)["gpu"], counted_j, "started before, stopped after"))
    off_percent = 100 * abs(sums.of("gpu") / counted_j - 1)
    met = "met" if off_percent <= _GOAL_PERCENT else "not met"
    print(f"\ngoal: ga within {_GOAL_PERCENT:.0f} % of the counter; {met}")
    print(
        f"this process, all meters: {100 * used_s / taken_s:.2f} % of one core; mean power {counted_j / taken_s:.0f} W"
    )


def bench_cpu(seconds: float) -> None:
    cores = os.cpu_count() or 1
    workers = max(1, cores // 2)
    print(f"{cores} threads, {workers} of them under load 10 s of 15, {platform.machine()}, {seconds:.0f} s\n")
    host = HostModel(tell)
    # Nobody has stated what this machine draws: where no counter can be read, its parts are modelled.
    meter = Meter({"idle_w": 0.0, "busy_w": 0.0, "stated": False}, None, RaplMeter(tell), host)
    tracker = codecarbon(with_gpus=False)
    load = [subprocess.Popen([sys.executable, "-c", _CPU_LOAD, str(seconds)]) for _ in range(workers)]
    sums, _, taken_s = follow(meter, load, [])
    theirs_j = {} if tracker is None else codecarbon_j(tracker)
    print("\n| device | ga | by | CodeCarbon | ga against it |\n|---|---|---|---|---|")
    for device, theirs in (("cpu", "cpu"), ("dram", "ram")):
        our_j, their_j = sums.of(device), theirs_j.get(theirs, 0.0)
        ours = f"| {device} | {our_j:.1f} J, {our_j / taken_s:.1f} W | {sums.by(device)} |"
        off = f" {their_j:.1f} J | {100 * (our_j / their_j - 1):+.0f} % |" if their_j else " – | – |"
        print(ours + off)
    if tracker is not None:
        print(f"\nCodeCarbon: {', '.join(str(part) for part in getattr(tracker, '_hardware', []))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="load and meter processors instead of GPUs")
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    (bench_cpu if asked.cpu else bench_gpu)(asked.seconds)


if __name__ == "__main__":
    main()
