"""Kills `ga` with SIGKILL, viewer and controller, at random moments and in chosen states, and starts it again."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil
from support.kill_scenario import JOB, Place

from gacli.core.job import JobState

_GA = Path(sys.executable).with_name("ga")
_LOOK_S = 0.005
# Real seconds that states last about; all others last for one tick of the controller.
_LASTS_S = {
    "start target_requested": 1.2,
    "start starting": 0.8,
    "move target_requested": 1.2,
    "move stopping": 2.4,
    "move copying": 0.9,
    "move starting": 0.8,
    "finish copying": 0.4,
    "finishing": 0.8,
    "running fetching": 0.2,
}
_TICK_S = 0.03
# The longest that `ga` stays away after a kill.
_AWAY_S = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Kill:
    """after_s: how long `ga` had lived by then, all its lives together. state: what the store said after its death."""

    after_s: float
    state: str
    processes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How the last `ga` ended; exit_code is None when it was killed after the job had been concluded.

    stray_keys: keys that let somebody besides the controller into a machine when all copies to it were over.
    """

    kills: tuple[Kill, ...]
    lived_s: float
    stray_keys: frozenset[str]
    exit_code: int | None
    said: str


def moments_s(seed: int, count: int, *, over_s: float) -> list[float]:
    """Random moments, one in each of `count` equal parts of `over_s`."""
    # Nothing secret: the same seed shall try the same moments.
    chance = random.Random(seed)
    return [over_s * (part + chance.random()) / count for part in range(count)]


class NeverEnds(AssertionError):
    """The job was not over in the time that it was given."""


class Killing:
    """One run of the job under kills.

    moments_s: when to kill, on the sum of the lives of `ga`. aims: states to kill it in besides, each as often as it is
    named: `move copying` for a placement's purpose and state, or the job's state while no placement is open, or
    `running fetching` while the running job's newest checkpoint is copied to the controller. aims_at_placement: hits of
    aims in one placement at most; more make moves look so slow that the policy orders no further ones.
    """

    def __init__(
        self, place: Place, *, seed: int, moments_s: Iterable[float], aims: Iterable[str], aims_at_placement: int
    ) -> None:
        self._place = place
        self._aims_at_placement = aims_at_placement
        # Nothing secret: the same seed shall try the same moments.
        self._random = random.Random(seed)
        self._moments_s = sorted(moments_s)
        self._aims = Counter(aims)
        self._aimed_at: Counter[int] = Counter()
        self._peek = Peek(place)
        self._stray_keys: set[str] = set()
        self._kills: list[Kill] = []
        self._lived_s = 0.0

    def run(self, *, within_s: float) -> Ended:
        """Until the job is over. Raises NeverEnds."""
        give_up_at = time.monotonic() + within_s
        command = ["run", "--json", str(self._place.config)]
        while True:
            with (self._place.folder / "ga.log").open("w+") as log:
                viewer = self._start(command, log.fileno())
                killed = self._watch(viewer, give_up_at)
                log.seek(0)
                said = log.read()
            if not killed or self._peek.over:
                exit_code = None if killed else viewer.returncode
                self._peek.close()
                return Ended(
                    kills=tuple(self._kills),
                    lived_s=self._lived_s,
                    stray_keys=frozenset(self._stray_keys),
                    exit_code=exit_code,
                    said=said,
                )
            time.sleep(self._random.uniform(0, _AWAY_S))
            if self._peek.state and self._random.random() < 0.5:
                command = ["resume", "--json", JOB]
            else:
                command = ["run", "--json", str(self._place.config)]

    def _start(self, command: list[str], output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [_GA, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=self._place.folder,
            env=self._place.environment,
        )

    def _watch(self, viewer: subprocess.Popen[bytes], give_up_at: float) -> bool:
        """True when it was killed, False when it ended by itself."""
        began, before_s = time.monotonic(), self._lived_s
        aim_at: float | None = None
        aimed = ""
        while viewer.poll() is None:
            now = time.monotonic()
            self._lived_s = before_s + now - began
            if now > give_up_at:
                viewer.kill()
                viewer.wait()
                raise NeverEnds(f"{JOB} is not over in time; the store says {self._peek.state!r}")
            state, placement = self._peek.state, self._peek.placement
            if state.startswith("finish "):
                self._stray_keys |= _added_keys(self._place)
            if state != aimed:
                aimed, aim_at = state, None
                if self._aims[state] > 0 and self._aimed_at[placement] < self._aims_at_placement:
                    aim_at = now + self._random.uniform(0, _LASTS_S.get(state, _TICK_S))
            due = bool(self._moments_s) and self._lived_s >= self._moments_s[0]
            if due:
                self._moments_s.pop(0)
            if due or (aim_at is not None and now >= aim_at):
                self._kill(viewer)
                return True
            time.sleep(_LOOK_S)
        return False

    def _kill(self, viewer: subprocess.Popen[bytes]) -> None:
        """Everything that is `ga`: what runs on the machines, and the programs that it had started, are left alone."""
        killed = self._kill_holder()
        viewer.send_signal(signal.SIGKILL)
        viewer.wait()
        # One that was only just started has not written itself down yet.
        for process in psutil.process_iter(["cmdline"]):
            if "gacli.engine.process" in (process.info["cmdline"] or []) and self._is_ours(process):
                killed.append(process)
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        psutil.wait_procs(killed, timeout=5)
        state = self._peek.state
        if self._aims[state] > 0:
            self._aims[state] -= 1
            self._aimed_at[self._peek.placement] += 1
        self._kills.append(Kill(after_s=self._lived_s, state=state or "no job", processes=1 + len(killed)))

    def _kill_holder(self) -> list[psutil.Process]:
        """The controller that holds the job's lock."""
        with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            process = psutil.Process(int(self._place.folders.controller_lock(JOB).read_text()))
            # The number of a controller that is long dead may be somebody else's by now.
            if self._is_ours(process):
                process.kill()
                return [process]
        return []

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("GA_STATE_DIR") == str(self._place.folders.root)
        except psutil.Error:
            return False


class Peek:
    """What the store says of the job, read as any other program could."""

    def __init__(self, place: Place) -> None:
        self._database = place.folders.database
        self._checkpoints = place.folders.checkpoints(JOB)
        self._connection: sqlite3.Connection | None = None

    @property
    def state(self) -> str:
        """What aims are made of: see Killing; empty while there is no job."""
        query = (
            "SELECT COALESCE((SELECT purpose || ' ' || state FROM placements WHERE job_id = jobs.id AND finished = 0),"
            " state) FROM jobs WHERE id = ?"
        )
        state = self._ask(query)
        return "running fetching" if state == "running" and any(self._checkpoints.glob(".incoming-*")) else state

    @property
    def placement(self) -> int:
        """The newest placement's number, 0 while there is none."""
        return int(self._ask("SELECT COALESCE(MAX(id), 0) FROM placements WHERE job_id = ?") or 0)

    @property
    def over(self) -> bool:
        state = self._ask("SELECT state FROM jobs WHERE id = ?")
        return bool(state) and JobState(state).final

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _ask(self, query: str) -> str:
        if self._connection is None:
            if not self._database.exists():
                return ""
            self._connection = sqlite3.connect(self._database)
        try:
            row = self._connection.execute(query, (JOB,)).fetchone()
        except sqlite3.OperationalError:
            # It is only just being made.
            return ""
        return "" if row is None else str(row[0])


def _added_keys(place: Place) -> set[str]:
    """The controller's own key is in a file that is not the login's."""
    files = (place.folders.provider("mock") / "vms").glob("*/home/.ssh/authorized_keys")
    with contextlib.suppress(FileNotFoundError):
        return {line for file in files for line in file.read_text().splitlines() if line.strip()}
    return set()
