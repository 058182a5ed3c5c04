"""Times sweeps of thresholds: what is tried a second, and what the whole command takes. Prints Markdown.

    python scripts/bench_sweep.py [FOLDER]

Traces are of a year of 5-minute values: Germany's of 2023, of the hourly DE.csv.gz in FOLDER (../shared/traces/carbon),
drawn straight from hour to hour, as it is and with a noise of 2 % on every value, which makes jobs pause more often.
Without such a file a made-up year takes its place. The job is DeepSeek-V3 of sample-configs/greenepoch.yaml, but given
up only where the year ends; that sample is timed as a whole as well where FOLDER has its traces.
"""

from __future__ import annotations

import math
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gacli.carbon.trace import read_trace
from gacli.config.sweep import load_sweep
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.policies.pause_resume import PauseResume
from gacli.simulate.run import simulate
from gacli.simulate.scenario import Scenario
from gacli.sweep.columns import PAUSES
from gacli.sweep.grid import Plan
from gacli.sweep.results_file import ResultsFile
from gacli.sweep.running import run
from gacli.sweep.threshold import evaluate

_ROOT = Path(__file__).resolve().parents[1]
_SAMPLE = _ROOT / "sample-configs" / "greenepoch.yaml"
_GA = Path(sys.executable).with_name("ga")
_BEGIN, _STEP = datetime(2023, 1, 1, tzinfo=UTC), timedelta(minutes=5)
_STEPS = 365 * 24 * 12
# 1020 · 1021 / 2 = 520,710 policies.
_THRESHOLDS = 1020
# Stands between: of a process that this one starts, this one's own memory would be counted as well.
_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
_SWEEP = """\
kind: sweep
name: bench
carbon: {{folder: .}}
sites:
  - {{name: germany, zone: {zone}, pue: 1.27, power: {{idle: 60W, busy: 700W}}, boot: 0s}}
jobs:
  - {{name: deepseek-v3, gpus: 2048, work: 4682812.5, checkpoint: {{save: 148.8s}}}}
starts: [2023-01-01T00:00:00Z]
thresholds: {{count: {thresholds}}}
poll: 5m
paused: hold
limit: 570%
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """Of one sweep, compiled before. pauses: mean of a policy."""

    policies: int
    wall_s: float
    pauses: float


def main() -> None:
    traces = Path(sys.argv[1]) if len(sys.argv) > 1 else _ROOT.parent / "shared" / "traces" / "carbon"
    hourly, source = _hourly(traces)
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    print(f"{cores}-core {platform.machine()}, Python {platform.python_version()}, load {load:.1f} before\n")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        print("| a year of 5-minute values | policies | mean pauses | workers | time | policies/s |")
        print("| --- | --- | --- | --- | --- | --- |")
        for zone, what, noise in (("XX-A", source, 0.0), ("XX-B", f"{source}, 2 % noise", 0.02)):
            _write(base / f"{zone}.csv", hourly, noise)
            plan = _plan(base, zone)
            for workers in dict.fromkeys((1, cores)):
                rate = _rate(plan, base / "bench.sweep", workers)
                print(
                    f"| {what} | {rate.policies:,} | {rate.pauses:.0f} | {workers} | {rate.wall_s:.2f} s | "
                    f"{rate.policies / rate.wall_s:,.0f} |",
                    flush=True,
                )
        plan = _plan(base, "XX-B")
        print(f"\nThe simulator takes {_simulated_s(plan):.2f} s for one such policy.\n")
        print("| command | policies | time | memory at most |")
        print("| --- | --- | --- | --- |")
        _command(["sweep", str(base / "XX-B.yaml")], plan.policies, base)
        if all((traces / f"{zone}.csv.gz").is_file() for zone in ("DE", "IT-NO", "IT-CSO", "SE", "US")):
            sample = Plan(load_sweep(_SAMPLE, traces=traces))
            _command(["sweep", "sample-configs/greenepoch.yaml", "--traces", str(traces)], sample.policies, base)


def _hourly(traces: Path) -> tuple[Sequence[float], str]:
    """A year of hours and one more, and what they are."""
    path = traces / "DE.csv.gz"
    if path.is_file():
        readings = read_trace(path, zone="DE").readings
        known = [r.intensity_g_per_kwh for r in readings if r.at >= _BEGIN]
        return known[: 365 * 24 + 1], "Germany 2023"
    made_up = [
        350 + 120 * math.sin(hour / 24 * math.tau) + 90 * math.sin(hour / 97) + 60 * math.sin(hour / 7.3)
        for hour in range(365 * 24 + 1)
    ]
    return made_up, "made up"


def _write(path: Path, hourly: Sequence[float], noise: float) -> None:
    draws = random.Random(1)
    with path.open("w") as file:
        file.write("datetime_utc,carbon_intensity_gco2_per_kwh\n")
        for step in range(_STEPS):
            hour, part = divmod(step, 12)
            value = hourly[hour] + (hourly[hour + 1] - hourly[hour]) * part / 12
            at = _BEGIN + step * _STEP
            file.write(f"{at:%Y-%m-%dT%H:%M:%SZ},{max(value * (1 + noise * draws.gauss(0, 1)), 0.0):.3f}\n")


def _plan(folder: Path, zone: str) -> Plan:
    """All pairs of thresholds on that zone's trace, which lies in the folder."""
    path = folder / f"{zone}.yaml"
    path.write_text(_SWEEP.format(zone=zone, thresholds=_THRESHOLDS))
    return Plan(load_sweep(path))


def _rate(plan: Plan, path: Path, workers: int) -> Rate:
    """Of all that `ga sweep` does between its start and its report; the file of results included."""
    first = plan.chunks[0].key
    evaluate(plan.case(first), plan.thresholds(first.site)[:2], 0, 2)  # compiles
    path.unlink(missing_ok=True)
    with closing(ResultsFile.begin(path, plan)) as file:
        began_s = time.perf_counter()
        for _ in run(plan, file, plan.chunks, workers=workers):
            pass
        wall_s = time.perf_counter() - began_s
        pauses = sum(float(file.results(chunk)[:, PAUSES].sum()) for chunk in plan.chunks)
    return Rate(policies=plan.policies, wall_s=wall_s, pauses=pauses / plan.policies)


def _simulated_s(plan: Plan) -> float:
    """The same by the simulator: the policy in the middle of the grid."""
    key = plan.keys[0]
    case, site = plan.case(key), key.site.site
    readings = tuple(
        Reading(
            zone=site.zone,
            at=key.start + number * timedelta(seconds=case.step_s),
            period_s=case.step_s,
            intensity_g_per_kwh=float(value),
            signal=Signal.AVERAGE,
            scope=Scope.LIFECYCLE,
            quality=Quality.MEASURED,
            source="bench",
        )
        for number, value in enumerate(case.intensity_g_per_kwh)
    )
    scenario = Scenario(
        job=case.job,
        sites=(site,),
        readings_by_zone={site.zone: readings},
        start=key.start,
        poll_s=case.poll_s,
        hold_paused=case.hold_paused,
        limit_s=case.limit_s,
    )
    middle = float(plan.thresholds(key.site)[_THRESHOLDS // 2])
    policy = PauseResume(pause_above_g_per_kwh=middle, resume_below_g_per_kwh=middle, budget_percent=1e6)
    began_s = time.perf_counter()
    simulate(scenario, policy)
    return time.perf_counter() - began_s


def _command(arguments: Sequence[str], policies: int, folder: Path) -> None:
    """One table line of the whole command, from its start to its end."""
    out = folder / "command.sweep"
    out.unlink(missing_ok=True)
    began_s = time.perf_counter()
    said = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(_GA), *arguments, "--out", str(out)],
        cwd=_ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    wall_s = time.perf_counter() - began_s
    shown = " ".join(Path(word).name if Path(word).is_absolute() else word for word in arguments)
    print(f"| `ga {shown}` | {policies:,} | {wall_s:.1f} s | {int(said.stdout) / 1024:.0f} MiB |", flush=True)


if __name__ == "__main__":
    main()
