"""Every crash, and every crash after it: all states that a job can get into when its controller is killed at any point.

The controller is made anew for every tick, so that nothing but the store, the state folder and the world carries over;
a kill costs no time, so that the controller that follows finds the world as it was. What lies between two ticks is then
a value, and states that are equal need to be looked at only once: which makes "every" affordable.
"""

from __future__ import annotations

import copy
import itertools
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from support.crashing import CrashingWorld, Killed, Points
from support.engine import START

from ga_playbooks.fake_machine import FakeDisk, FakeJob
from ga_providers.fake import FakeProvider
from gacli.clock import ManualClock
from gacli.folders import Folders

# Nothing in `ga` reads these to decide what to do next.
_FOR_PEOPLE = ("events", "decisions", "live_steps", "controllers", "sqlite_sequence")

Script = Callable[[CrashingWorld], None]


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A world between two ticks. folder: a copy of its state folder."""

    database: bytes
    provider: FakeProvider
    disks: dict[str, FakeDisk]
    epoch_s: float
    said: tuple[str, ...]
    folder: Path
    likeness: str


@dataclass(kw_only=True)
class Exploration:
    """make: a new world in a folder. script: what people and fate do, from what they see. wrong_at_end: its judge."""

    make: Callable[[Path], CrashingWorld]
    root: Path
    script: Script
    wrong_at_end: Callable[[CrashingWorld], list[str]]
    violations: dict[str, list[str]] = field(default_factory=dict)
    ticks: int = 0
    kills: int = 0

    def __post_init__(self) -> None:
        self._numbers = itertools.count()

    def explore(self, crashes: int) -> None:
        """Visit every state that can be reached with at most so many kills, and check every end."""
        seen: dict[str, int] = {}
        start = self._save(self._fresh())
        stack: list[tuple[Saved, int, str]] = [(start, crashes, "start")]
        while stack:
            saved, left, story = stack.pop()
            if seen.get(saved.likeness, -1) >= left:
                shutil.rmtree(saved.folder)
                continue
            seen[saved.likeness] = left
            points = Points()
            one, going = self._tick(saved, points)
            if going:
                one.clock.wait(one.tick_s)
                stack.append((self._save(one), left, story))
            elif found := self.wrong_at_end(one):
                self.violations[story] = found
            for number, name in enumerate(points.names if left else []):
                killed, _ = self._tick(saved, Points((number,)))
                self.kills += 1
                stack.append((self._save(killed), left - 1, f"{story}, {name} at {saved.epoch_s:.0f}"))
            shutil.rmtree(saved.folder)

    def _fresh(self) -> CrashingWorld:
        one = self.make(self._folder())
        one.violations, one.said = [], []
        self._store, self._prototype = one.store, one
        return one

    def _folder(self) -> Path:
        return self.root / f"state-{next(self._numbers)}"

    def _tick(self, saved: Saved, points: Points) -> tuple[CrashingWorld, bool]:
        """One tick of a new controller; False when the job is over."""
        self.ticks += 1
        one = self._restore(saved)
        one.points = points
        points.armed = False
        self.script(one)
        points.armed = True
        try:
            going = one.new_controller().tick() or not one.state.final
        except Killed:
            going = True
        points.armed = False
        one.look()
        if one.violations:
            self.violations[f"at {saved.epoch_s:.0f} with {points.kill_at}"] = one.violations
        return one, going

    def _restore(self, saved: Saved) -> CrashingWorld:
        """A world as it was saved. All of them share one connection, one after the other."""
        one = copy.copy(self._prototype)
        one.root = self._folder()
        shutil.copytree(saved.folder, one.root)
        one.folders = Folders(one.root)
        one.store = self._store
        one.store.database.connection.deserialize(saved.database)
        one.provider = copy.deepcopy(saved.provider)
        one.disks = _copied(saved.disks)
        one.clock = ManualClock(START)
        one.clock.wait(saved.epoch_s - one.clock.epoch_s())
        one.violations, one.said = [], list(saved.said)
        one.watch_commits()
        return one

    def _save(self, one: CrashingWorld) -> Saved:
        folder = self._folder()
        one.root.mkdir(parents=True, exist_ok=True)
        one.root.rename(folder)
        return Saved(
            database=one.store.database.connection.serialize(),
            provider=one.provider,
            disks=one.disks,
            epoch_s=one.clock.epoch_s(),
            said=tuple(one.said),
            folder=folder,
            likeness=_likeness(one, folder),
        )


def _copied(disks: dict[str, FakeDisk]) -> dict[str, FakeDisk]:
    copied = copy.deepcopy(disks)
    for disk in copied.values():
        for job in disk.jobs.values():
            for run in job.runs.values():
                # A closure is copied by reference: it would save into the world that this one was copied from.
                run.saved = partial(_save_step, job)
    return copied


def _save_step(job: FakeJob, step: int) -> str:
    name = f"step-{step:09d}"
    job.checkpoints[name] = step
    return name


def _likeness(one: CrashingWorld, folder: Path) -> str:
    """Equal for worlds that will go on equally: everything but what is written for people only."""
    connection = one.store.database.connection
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    tables = {name: _rows(connection, name) for name in names if name not in (*_FOR_PEOPLE, "intervals")}
    tables["intervals"] = [
        tuple(row)
        for row in connection.execute(
            "SELECT instance_id, phase, MIN(start_at), MAX(end_at), ROUND(SUM(energy_j), 3), ROUND(SUM(emissions_g), 6)"
            " FROM intervals GROUP BY instance_id, phase ORDER BY instance_id, phase"
        )
    ]
    runs = [
        (instance_id, sorted(job.checkpoints.items()), number, len(run.records), run.exit, job.generation)
        for instance_id, disk in sorted(one.disks.items())
        for job in disk.jobs.values()
        for number, run in sorted(job.runs.items())
    ]
    files = sorted((str(path.relative_to(folder)), path.stat().st_size) for path in folder.rglob("*") if path.is_file())
    cloud = sorted((i.instance_id, i.state) for i in one.provider.instances.values())
    return repr((one.clock.epoch_s(), one.said, tables, runs, files, cloud, one.provider.refusals))


def _rows(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    return sorted((tuple(row) for row in connection.execute(f"SELECT * FROM {table}")), key=repr)
