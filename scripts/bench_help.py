"""Times `ga --help`, and shows which packages it imports and what each of them costs.

    python scripts/bench_help.py

Each start is a process of its own; the first one, which may have to write byte code, is not counted.
"""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

_RUNS = 20
_GOAL_S = 0.25
_PACKAGES_SHOWN = 10
_GA = Path(sys.executable).with_name("ga")
# `import time:       123 |        456 |   typer.main`: self and cumulative microseconds, indented by depth.
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """One process. Both in s; cpu_s is user and system time together."""

    wall_s: float
    cpu_s: float


def timed(argv: list[str]) -> Timing:
    """Run to the end, output thrown away; CalledProcessError when it fails."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    wall_s, after = time.perf_counter() - began, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Timing(wall_s=wall_s, cpu_s=cpu_s)


def runs(argv: list[str]) -> list[Timing]:
    timed(argv)
    return [timed(argv) for _ in range(_RUNS)]


def imported() -> tuple[int, Counter[str]]:
    """How many modules `ga --help` imports, and the microseconds that each top-level package spends on itself."""
    completed = subprocess.run(
        [sys.executable, "-X", "importtime", str(_GA), "--help"], check=True, capture_output=True, text=True
    )
    lines = _IMPORT.findall(completed.stderr)
    packages: Counter[str] = Counter()
    for self_us, _, module in lines:
        packages[module.partition(".")[0]] += int(self_us)
    return len(lines), packages


def main() -> None:
    if not _GA.exists():
        raise SystemExit(f"{_GA}: expected ga beside this Python, found no such file; run `make install`")
    console = Console()
    console.print(f"{_RUNS} starts each, {platform.machine()}, Python {platform.python_version()}")
    timings = Table()
    for header in ("command", "median", "fastest", "slowest", "median CPU"):
        timings.add_column(header, justify="left" if header == "command" else "right")
    median_s = 0.0
    for name, argv in {"python -c pass": [sys.executable, "-c", "pass"], "ga --help": [str(_GA), "--help"]}.items():
        taken = runs(argv)
        wall = [timing.wall_s for timing in taken]
        median_s = statistics.median(wall)
        cpu_s = statistics.median(timing.cpu_s for timing in taken)
        timings.add_row(name, *(f"{seconds:.3f} s" for seconds in (median_s, min(wall), max(wall), cpu_s)))
    console.print(timings)

    modules, packages = imported()
    console.print(f"`ga --help` imports {modules} modules; the dearest packages by their own time, under -X importtime")
    costs = Table()
    costs.add_column("package")
    costs.add_column("time", justify="right")
    for package, self_us in packages.most_common(_PACKAGES_SHOWN):
        costs.add_row(package, f"{self_us / 1000:.1f} ms")
    console.print(costs)
    console.print(f"goal: a median of at most {_GOAL_S:.2f} s; {'met' if median_s <= _GOAL_S else 'not met'}")


if __name__ == "__main__":
    main()
