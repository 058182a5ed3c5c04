"""The real `ga` as its user has it: its command line, its state folder, and what it left behind."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from support.sshd import Sshd
from support.waiting import wait_for

from ga_trainer import verify
from gacli.core.job import JobState
from gacli.folders import Folders
from gacli.store import Store
from gacli.store.journal import Event

SCRIPTS = Path(__file__).parents[1] / "data" / "bad" / "scripts"
_RECORDED = Path(__file__).parents[1] / "data" / "kills" / "recorded.py"
_GA = Path(sys.executable).with_name("ga")


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a command of `ga` ended with."""

    exit_code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """stderr on one line, however it was wrapped."""
        return " ".join(self.err.split())

    @property
    def last(self) -> dict[str, Any]:
        """The last JSON object on stdout."""
        found = json.loads(self.out.splitlines()[-1])
        assert isinstance(found, dict)
        return found

    def refuses(self, exit_code: int, *fragments: str) -> None:
        """An expected failure: this exit code, every fragment in the message, what to do next, no traceback."""
        assert self.exit_code == exit_code, self
        assert "Traceback" not in self.out + self.err, self
        assert "internal error" not in self.out + self.err, self
        missing = [fragment for fragment in fragments if fragment not in self.message]
        assert not missing, f"{missing} missing in: {self.err}"


class Ga:
    """`ga` with a state folder and a work folder of its own below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folders = Folders(folder / "state")
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        self._lives = folder / "lives.jsonl"
        self.environment = {**os.environ, "GA_STATE_DIR": str(self.folders.root), "COLUMNS": "200"}
        self._watchers: list[subprocess.Popen[str]] = []
        self._store: Store | None = None

    # ----- commands --------------------------------------------------------------------------------------------

    def __call__(self, *arguments: str | Path, timeout_s: float = 90.0) -> Said:
        """Run a command to its end."""
        return self.finish(self.start(*arguments), timeout_s=timeout_s)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a command; it is ended with the test."""
        watcher = subprocess.Popen(
            [_GA, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environment,
        )
        self._watchers.append(watcher)
        return watcher

    def each(self, *commands: Sequence[str]) -> list[Said]:
        """Run commands at the same time; what each ended with, in order."""
        return [self.finish(started) for started in [self.start(*command) for command in commands]]

    def begin(self, config: Path, *options: str) -> subprocess.Popen[str]:
        """`ga run` on its way: the job is in the store."""
        watcher = self.start("run", *options, config)

        def known() -> bool:
            assert watcher.poll() is None, self.finish(watcher)
            # The folder's and the store's first moments belong to whoever makes them.
            return self.folders.database.exists() and self.folders.job("job-1").exists()

        wait_for(known, "the job")
        return watcher

    def finish(self, watcher: subprocess.Popen[str], *, timeout_s: float = 90.0) -> Said:
        out, err = watcher.communicate(timeout=timeout_s)
        return Said(exit_code=watcher.returncode, out=out, err=err)

    def write(self, config: Mapping[str, object], name: str = "job.yaml") -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump(dict(config), sort_keys=False))
        return path

    def use_script(self, name: str) -> None:
        """Put a script into the work folder."""
        (self.work / name).write_bytes((SCRIPTS / name).read_bytes())

    def witnessed(self, run: str) -> str:
        """The command, with its lives written down by witnesses that owe nothing to `ga`: see `lives`."""
        (self.work / _RECORDED.name).write_bytes(_RECORDED.read_bytes())
        return f"exec python3 {_RECORDED.name} {shlex.quote(str(self._lives))} {run}"

    def lives(self) -> list[dict[str, object]]:
        """Starts and ends of every trainer of a `witnessed` command, in order."""
        return [json.loads(line) for line in self._lives.read_text().splitlines()]

    # ----- what the store and the state folder hold ------------------------------------------------------------

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = Store(self.folders.database)
        return self._store

    def state(self, job_id: str = "job-1") -> JobState:
        return self.store.jobs.get(job_id).state

    def events(self, kind: str, job_id: str = "job-1") -> list[Event]:
        return [event for event in self.store.journal.events(job_id, after=0, limit=100_000) if event.kind == kind]

    def messages(self, kind: str, job_id: str = "job-1") -> str:
        """Every message of this kind, in order."""
        return "\n".join(str(event.body["message"]) for event in self.events(kind, job_id))

    def await_state(self, state: JobState, job_id: str = "job-1", *, within_s: float = 30.0) -> None:
        wait_for(lambda: self.state(job_id) is state, f"{job_id} to be {state}", within_s=within_s)

    def await_step(self, step: int, job_id: str = "job-1", *, within_s: float = 30.0) -> None:
        def reached() -> bool:
            progress = self.store.journal.progress(job_id)
            return progress is not None and progress.step >= step

        wait_for(reached, f"{job_id} to reach step {step}", within_s=within_s)

    def await_copy(self, job_id: str = "job-1", *, after: int = 0, within_s: float = 30.0) -> int:
        """The step of a checkpoint beyond `after` that the controller has fetched."""

        def held() -> int | None:
            checkpoint = self.store.jobs.get(job_id).checkpoint
            return checkpoint.step if checkpoint is not None and checkpoint.step > after else None

        return wait_for(held, f"a copy of a checkpoint of {job_id}", within_s=within_s)

    def kept_step(self, job_id: str = "job-1") -> int:
        """The step of the checkpoint that the controller says it holds, every byte of which is there."""
        checkpoint = self.store.jobs.get(job_id).checkpoint
        assert checkpoint is not None
        found = verify(self.folders.checkpoints(job_id) / checkpoint.name)
        assert (found.step, found.sha256) == (checkpoint.step, checkpoint.sha256)
        return found.step

    def assert_trained(self, steps: int, job_id: str = "job-1") -> None:
        """`count.py` has done every step exactly once on the way to its last checkpoint, which is kept."""
        assert self.kept_step(job_id) == steps
        checkpoint = self.store.jobs.get(job_id).checkpoint
        assert checkpoint is not None
        state = json.loads((self.folders.checkpoints(job_id) / checkpoint.name / "state.json").read_text())
        assert state == {"step": steps, "chain": chain(steps)}

    # ----- what is left over -----------------------------------------------------------------------------------

    def leftovers(self, *also: Path) -> list[str]:
        """Processes that have to do with our folders: controllers, mock VMs and their sshd, agents, trainers, rsync."""
        places = [str(self.folders.root), *map(str, also)]
        ours = {os.getpid(), *(watcher.pid for watcher in self._watchers)}
        return [
            f"{process.pid} {' '.join(process.info['cmdline'] or [])[:300]}"
            for process in psutil.process_iter(["cmdline"])
            if process.pid not in ours and _speaks_of(process, places)
        ]

    def assert_nothing_left(self, *also: Path) -> None:
        wait_for(lambda: not self.leftovers(*also), "every process to end", within_s=15)

    def end(self, *also: Path) -> None:
        """Kill whatever still runs: a test that failed must not disturb the others."""
        if self._store is not None:
            self._store.close()
        for watcher in self._watchers:
            watcher.kill()
            watcher.communicate()
        for _ in range(20):
            left = [int(line.split()[0]) for line in self.leftovers(*also)]
            for pid in left:
                with contextlib.suppress(psutil.Error):
                    psutil.Process(pid).kill()
            if not left:
                return


@contextlib.contextmanager
def ga_in(folder: Path, *homes: Path) -> Iterator[Ga]:
    """A `Ga` that must leave no process behind, neither in its state folder nor in the homes of its hosts."""
    ga = Ga(folder)
    try:
        yield ga
        ga.assert_nothing_left(*homes)
    finally:
        ga.end(*homes)


def chain(steps: int) -> str:
    """What `count.py` has computed after so many steps."""
    link = ""
    for step in range(1, steps + 1):
        link = hashlib.sha256(f"{link} {step}".encode()).hexdigest()
    return link


def count(steps: int, **options: object) -> str:
    """The command that trains for so many steps: `count(80, end_at=20)`."""
    words = [f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}") for name, value in options.items()]
    return " ".join(["python3 count.py", f"--steps {steps}", *words])


def mock(name: str, *, zone: str = "DE", **options: object) -> dict[str, object]:
    return {"name": name, "provider": "mock", "zone": zone, "options": options}


def lab(sshd: Sshd, name: str = "lab", **options: object) -> dict[str, object]:
    """The test's own host as a site of the provider `ssh`."""
    given = {"host": "127.0.0.1", "port": sshd.port, "user": sshd.user, "key_file": str(sshd.key_file), **options}
    return {"name": name, "provider": "ssh", "zone": "DE", "options": given}


def job(run: str, sites: Sequence[Mapping[str, object]], **changes: object) -> dict[str, object]:
    """A configuration that stays where it is until told otherwise, on a clock 60 times as fast."""
    return {
        "name": "job",
        "work": "work",
        "run": run,
        "checkpoint": {"grace": "5s", "fetch": "30s"},
        "start_at": sites[0]["name"],
        "policy": "stay",
        "carbon": {"source": "static"},
        "replay": {"start": "2024-06-01T00:00:00Z", "scale": 60},
        "sample": "500ms",
        "sites": [dict(site) for site in sites],
        **changes,
    }


def _speaks_of(process: psutil.Process, places: Sequence[str]) -> bool:
    """In its arguments, its environment or its open files; an sshd has neither of the first two."""
    with contextlib.suppress(psutil.Error, OSError):
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        text = "\0".join([*process.cmdline(), *(f"{key}={value}" for key, value in process.environ().items())])
        opened = [str(entry.readlink()) for entry in Path(f"/proc/{process.pid}/fd").iterdir()]
        return any(place in part for place in places for part in (text, *opened))
    return False
