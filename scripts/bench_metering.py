"""What metering costs the machine: CPU time of the agent at one sample each second, on stand-ins for NVML and RAPL.

    python scripts/bench_metering.py [SECONDS]

The stand-ins are Python and files: what NVIDIA's library itself spends on an answer is not in these figures
(scripts/bench_gpu_energy.py shows it on a real GPU).
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.nvml import Gpu, Nvml, module

from ga_playbooks.agent.gpu_meter import NVML_EVERY_S, NVML_PATIENCE_S, GpuMeter
from ga_playbooks.agent.host_model import HostModel
from ga_playbooks.agent.nvml import NvmlSource
from ga_playbooks.agent.power import Meter
from ga_playbooks.agent.rapl import RaplMeter
from ga_playbooks.bundle import agent_zip, nvml_binding_source

_GPUS = 8
_SAMPLES = 3000
_GOAL_PERCENT = 0.5
_POWER = {"idle_w": 100.0, "busy_w": 400.0}
_NEVER_S = 1e6


def rapl_files(root: Path) -> None:
    """Two packages with their memory."""
    for package in range(2):
        for zone, name in ((f"intel-rapl:{package}", f"package-{package}"), (f"intel-rapl:{package}:0", "dram")):
            folder = root / zone
            folder.mkdir(parents=True)
            for file, content in (("name", name), ("max_energy_range_uj", "262143328850"), ("energy_uj", "123456789")):
                (folder / file).write_text(f"{content}\n")


def meter_alone_s(folder: Path, gpus: int) -> float:
    """CPU seconds of one sample: each GPU read in the meter's thread, RAPL, and the sum."""

    def silent(_: str) -> None:
        pass

    rapl_files(folder)
    gpu = GpuMeter(NvmlSource(Nvml([Gpu() for _ in range(gpus)]), silent), NVML_EVERY_S, NVML_PATIENCE_S, silent)
    gpu.watch()
    meter = Meter(_POWER, gpu, RaplMeter(silent, str(folder)), HostModel(silent))
    before_s = time.process_time()
    for _ in range(_SAMPLES):
        meter.take(1.0, 0.5)
    return (time.process_time() - before_s) / _SAMPLES


def agent(folder: Path, *, metering: bool) -> psutil.Process:
    """A real agent on a trainer that sleeps, with stand-in GPUs, or one that neither meters nor samples."""
    for name in ("work", "lib", "bin"):
        (folder / name).mkdir(parents=True)
    (folder / "agent.pyz").write_bytes(agent_zip())
    (folder / "lib" / "ga_pynvml.py").write_bytes(module([Gpu() for _ in range(_GPUS)]))
    program = folder / "bin" / "nvidia-smi"
    program.write_text("#!/bin/sh\n" + 'echo "GPU 0: stand-in"\n' * _GPUS)
    program.chmod(0o755)
    spec = {
        "job": "bench",
        "generation": 1,
        "site": "here",
        "command": "exec sleep 3600",
        "work_dir": "work",
        "checkpoint_dir": "checkpoints",
        "signal": "SIGTERM",
        "grace_s": 5,
        "sample_s": 1.0 if metering else _NEVER_S,
        "power": _POWER,
        "epoch_s": time.time(),  # noqa: TID251  # an agent is told the time
    }
    environment = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "GA_METER": "" if metering else "model",
    }
    call(folder, "launch", json.dumps(spec).encode(), environment)
    return psutil.Process(json.loads((folder / "gen" / "1" / "agent.json").read_text())["agent"]["pid"])


def call(folder: Path, verb: str, stdin: bytes = b"", environment: dict[str, str] | None = None) -> None:
    argv = [sys.executable, "-I", "-S", str(folder / "agent.pyz"), verb, "--job-dir", str(folder)]
    subprocess.run(argv, input=stdin, env=environment, stdout=subprocess.DEVNULL, check=True)


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def agents_percent(root: Path, seconds: float) -> tuple[float, float]:
    """Per cent of a core: of an agent that samples each second, and of one that does not."""
    folders = [root / "metering", root / "waiting"]
    try:
        agents = [agent(folder, metering=metering) for folder, metering in zip(folders, (True, False), strict=True)]
        time.sleep(2)
        before = [cpu_s(process) for process in agents]
        began_s = time.monotonic()
        time.sleep(seconds)
        taken_s = time.monotonic() - began_s
        sampling, waiting = (
            100 * (cpu_s(process) - used_s) / taken_s for process, used_s in zip(agents, before, strict=True)
        )
        return sampling, waiting
    finally:
        for folder in folders:
            if (folder / "agent.pyz").exists():
                call(folder, "end")


def loading_s() -> float:
    """CPU seconds that the real binding takes to be compiled and loaded; once in a trainer's life."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ga_pynvml.py"
        path.write_bytes(nvml_binding_source())
        before = os.times()
        subprocess.run([sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({str(path)!r})"], check=True)
        after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {len(psutil.pids())} processes, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}\n"
    )
    print("| what | CPU | of one core at 1 Hz |\n|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="ga-bench-") as folder:
        root = Path(folder)
        for gpus in (1, _GPUS):
            each_s = meter_alone_s(root / f"rapl-{gpus}", gpus)
            print(
                f"| the meter: {gpus} GPU(s), 4 RAPL counters | {each_s * 1e6:.0f} µs a sample | {each_s * 100:.3f} % |"
            )
        sampling, waiting = agents_percent(root, seconds)
    print(f"| the whole agent, neither metering nor sampling | | {waiting:.2f} % |")
    print(f"| the whole agent, {_GPUS} GPUs, a sample each second | | {sampling:.2f} % |")
    print(f"| **sampling: the difference** | | **{sampling - waiting:.2f} %** |")
    print(f"| loading the binding, once, with Python's own start | {loading_s():.2f} s | |")
    met = "met" if sampling - waiting < _GOAL_PERCENT else "not met"
    print(f"\ngoal: sampling below {_GOAL_PERCENT} % of one core; {met} (over {seconds:.0f} s)")


if __name__ == "__main__":
    main()
