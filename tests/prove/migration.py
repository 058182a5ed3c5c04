"""How long a job that moves does not train, beside what its script and the way between the hosts need by themselves.

    make bench-migration

Prints two tables; docs/benchmarks.md says what they show.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from support.bench_job import Job, Move, Pause, job_in
from support.bench_link import Link
from support.bench_trainer import Alone, Heavy
from support.sshd import Sshd

GOAL = 1.2
BOOT_S = 60.0
ALONE = 2
SUM_HEADER = ["save + copy + load", "ratio"]
MOVES_HEADER = ["checkpoint", "link", "downtime", "save", "stop", "key", "copy", "verify", "start", "load", *SUM_HEADER]
BOOTS_HEADER = ["checkpoint", "link", "way", "downtime", *SUM_HEADER]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """moves: how many as fast as it goes, and how many throttled; even. boots: to a machine that has to boot, too."""

    size_bytes: int
    throttle_bytes_per_s: int
    moves: int = 2
    boots: bool = False

    @property
    def name(self) -> str:
        return f"{self.size_bytes / 1e9:g} GB" if self.size_bytes >= 1e9 else f"{self.size_bytes / 1e6:g} MB"


CASES = (
    Case(size_bytes=100_000_000, throttle_bytes_per_s=20_000_000),
    Case(size_bytes=1_000_000_000, throttle_bytes_per_s=50_000_000, boots=True),
)


class Bench:
    """One case: its moves, beside what the script and the copy took alone."""

    def __init__(self, case: Case, alone: Alone) -> None:
        self.case = case
        self._alone = alone
        self._moves: list[tuple[int, Move]] = []
        self._to_booted: Move | None = None
        self._paused: Pause | None = None

    def run(self, job: Job, link: Link) -> None:
        throttle = self.case.throttle_bytes_per_s
        for limit in (0, throttle):
            link.throttle(straight_bytes_per_s=limit)
            for number in range(self.case.moves):
                self._moves.append((limit, job.move(("rome", "oslo")[number % 2])))
        if self.case.boots:
            self._to_booted = job.move("kiel")
            # Twice on its way: to this machine, and from here to the one that is booted.
            link.throttle(straight_bytes_per_s=throttle, others_bytes_per_s=throttle)
            self._paused = job.pause_and_resume()

    @property
    def ratios(self) -> list[float]:
        """Of all moves to machines that wait, and to the one that boots meanwhile."""
        moves = [*self._moves, *([(self.case.throttle_bytes_per_s, self._to_booted)] if self._to_booted else [])]
        return [move.downtime_s / sum(self._needed_s(move.save_s, limit)) for limit, move in moves]

    def move_rows(self) -> list[list[str]]:
        return [
            [
                *self._where(limit),
                f"{move.downtime_s:.2f} s",
                *(f"{part_s:.2f}" for part_s in move.parts_s),
                *self._compared(move.downtime_s, move.save_s, limit),
            ]
            for limit, move in self._moves
        ]

    def boot_rows(self) -> list[list[str]]:
        if self._to_booted is None or self._paused is None:
            return []
        limit, save_s = self.case.throttle_bytes_per_s, self._paused.save_s
        least_s = BOOT_S + sum(self._needed_s(save_s, limit))
        ways = [
            ("`ga migrate`", self._to_booted.downtime_s, self._to_booted.save_s),
            ("`ga pause`, then `ga resume`", self._paused.downtime_s, save_s),
            (f"at best: save, {BOOT_S:g} s of boot, copy, load", least_s, save_s),
        ]
        return [
            [*self._where(limit), way, f"{downtime_s:.1f} s", *self._compared(downtime_s, save_s, limit)]
            for way, downtime_s, save_s in ways
        ]

    def _where(self, limit: int) -> list[str]:
        return [self.case.name, f"{limit / 1e6:g} MB/s" if limit else "plain"]

    def _needed_s(self, save_s: float, limit: int) -> tuple[float, float, float]:
        return save_s, self.case.size_bytes / limit if limit else self._alone.copy_s, self._alone.load_s

    def _compared(self, downtime_s: float, save_s: float, limit: int) -> list[str]:
        parts_s = self._needed_s(save_s, limit)
        terms = " + ".join(f"{part_s:.2f}" for part_s in parts_s)
        return [f"{terms} = {sum(parts_s):.2f} s", f"{downtime_s / sum(parts_s):.2f}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--largest-only", action="store_true", help="leave the smaller checkpoint out")
    cases = CASES[-1:] if parser.parse_args().largest_only else CASES
    print(f"{os.cpu_count()}-core {platform.machine()}, Python {platform.python_version()}; {load()} before\n")
    tell_all([MOVES_HEADER, ["---"] * len(MOVES_HEADER)])
    benches = []
    with tempfile.TemporaryDirectory(prefix="ga-migration-") as name:
        link = Link(Path(name) / "link")
        os.environ["PATH"] = link.path
        for number, case in enumerate(cases):
            benches.append(measured(Path(name) / str(number), case, link))
            tell_all(benches[-1].move_rows())
    print()
    tell_all([BOOTS_HEADER, ["---"] * len(BOOTS_HEADER), *(row for bench in benches for row in bench.boot_rows())])
    worst = max(benches[-1].ratios)
    met = "met" if worst <= GOAL else "missed"
    print(f"\n{load()} after; goal at {cases[-1].name}: at most {GOAL:.2f}, the worst is {worst:.2f}: {met}")
    return 0


def measured(folder: Path, case: Case, link: Link) -> Bench:
    folder.mkdir()
    with Sshd(folder / "oslo") as oslo, Sshd(folder / "rome") as rome:
        alone = Alone(folder / "alone", case.size_bytes)

        def measure_alone() -> None:
            link.throttle()
            for _ in range(ALONE):
                alone.measure(lambda source: link.plain_copy(source, rome))

        bench = Bench(case, alone)
        # Before and after, in case that other work on the machine comes or goes; not while the job needs it, too.
        measure_alone()
        heavy = Heavy(record=folder / "record.jsonl", size_bytes=case.size_bytes)
        with job_in(folder / "job", heavy, link, oslo, rome, boot_s=BOOT_S) as job:
            bench.run(job, link)
        measure_alone()
    shutil.rmtree(folder)
    return bench


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def tell_all(rows: list[list[str]]) -> None:
    for cells in rows:
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
