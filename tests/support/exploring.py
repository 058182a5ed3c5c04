"""Every crash, and every crash after it: all states that a job can get into when its controller is killed at any point.

The controller is made anew for every tick, so that nothing but the store, the state folder and the world carries over;
a kill costs no time, so that the controller that follows finds the world as it was. What lies between two ticks is then
a value, and states that are equal need to be looked at only once: which makes "every" affordable.
"""

from __future__ import annotations

import copy
import os
import pickle
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

# Nothing in `ga` reads these to decide what to do next.
_FOR_PEOPLE = ("events", "decisions", "live_steps", "controllers", "sqlite_sequence")

Script = Callable[[CrashingWorld], None]
# By path; a folder has no content. No name is that of a file at one time and of a folder at another.
Files = dict[str, bytes | None]


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A world between two ticks. world: its provider and disks, pickled. files: those of its state folder."""

    database: bytes
    world: bytes
    epoch_s: float
    said: tuple[str, ...]
    files: Files
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

    def explore(self, crashes: int) -> None:
        """Visit every state that can be reached with at most so many kills, and check every end."""
        seen: dict[str, int] = {}
        start = self._save(self._fresh())
        stack: list[tuple[Saved, int, str]] = [(start, crashes, "start")]
        while stack:
            saved, left, story = stack.pop()
            if seen.get(saved.likeness, -1) >= left:
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

    def _fresh(self) -> CrashingWorld:
        one = self.make(self.root)
        self._present: Files | None = None
        one.violations, one.said = [], []
        self._store, self._prototype = one.store, one
        return one

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
        """A world as it was saved. All of them share one connection and one folder, one after the other."""
        one = copy.copy(self._prototype)
        _write(self.root, saved.files, _read(self.root) if self._present is None else self._present)
        self._present = None
        one.store = self._store
        one.store.database.connection.deserialize(saved.database)
        one.provider, one.disks = pickle.loads(saved.world)
        one.clock = ManualClock(START)
        one.clock.wait(saved.epoch_s - one.clock.epoch_s())
        one.violations, one.said = [], list(saved.said)
        one.watch_commits()
        return one

    def _save(self, one: CrashingWorld) -> Saved:
        self._present = files = _read(self.root)
        return Saved(
            database=one.store.database.connection.serialize(),
            world=_pickled(one.provider, one.disks),
            epoch_s=one.clock.epoch_s(),
            said=tuple(one.said),
            files=files,
            likeness=_likeness(one, files),
        )


def _read(folder: Path) -> Files:
    found: Files = {}
    for path, folders, names in os.walk(folder):
        found.update((f"{path}/{name}", None) for name in folders)
        for name in names:
            # A hundred thousand times: Path objects would take half of it all.
            with open(f"{path}/{name}", "rb") as file:  # noqa: PTH123
                found[file.name] = file.read()
    return found


def _write(folder: Path, wanted: Files, present: Files) -> None:
    """Make the folder hold what is wanted, and touch only what differs: a tick changes little."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(present.keys() - wanted.keys(), reverse=True):
        Path(name).rmdir() if present[name] is None else Path(name).unlink()
    for name in sorted(wanted):
        content = wanted[name]
        if name not in present and content is None:
            Path(name).mkdir()
        elif content is not None and present.get(name) != content:
            Path(name).write_bytes(content)


def _pickled(provider: FakeProvider, disks: dict[str, FakeDisk]) -> bytes:
    for disk in disks.values():
        for job in disk.jobs.values():
            for run in job.runs.values():
                # A closure could not be pickled.
                run.saved = partial(_save_step, job)
    return pickle.dumps((provider, disks), pickle.HIGHEST_PROTOCOL)


def _save_step(job: FakeJob, step: int) -> str:
    name = f"step-{step:09d}"
    job.checkpoints[name] = step
    return name


def _likeness(one: CrashingWorld, files: Files) -> str:
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
    sizes = [(name, len(content)) for name, content in sorted(files.items()) if content is not None]
    cloud = sorted((i.instance_id, i.state) for i in one.provider.instances.values())
    return repr((one.clock.epoch_s(), one.said, tables, runs, sizes, cloud, one.provider.refusals))


def _rows(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    return sorted((tuple(row) for row in connection.execute(f"SELECT * FROM {table}")), key=repr)
