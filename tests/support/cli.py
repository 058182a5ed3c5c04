"""The command `ga` as people use it: its own process, its own state folder, and what it leaves behind."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest
from support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample-configs"
DATA = ROOT / "tests" / "data" / "cli"

# The longest that a job of these tests may take on a machine that is busy with others.
PATIENCE_S = 180.0
_CONTROL_CODES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What makes programs believe in a terminal, or in its absence.
_TERMINAL = ("FORCE_COLOR", "NO_COLOR", "PY_COLORS", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "COLUMNS", "LINES", "TERM")

Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    def json(self) -> Any:
        """All of stdout as one JSON value."""
        return json.loads(self.stdout)

    def events(self) -> list[Event]:
        """Every line of stdout as an event; fails on a line that is none."""
        return [json.loads(line) for line in self.lines]

    def summary(self) -> Event:
        """The last event, which has to be the summary, and the only one."""
        events = self.events()
        assert [event["event"] for event in events].count("summary") == 1
        assert events[-1]["event"] == "summary"
        return events[-1]


class Background:
    """A command that goes on, its output in files."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process = process
        self._out = out
        self._err = err

    @property
    def stdout(self) -> str:
        return self._out.read_text()

    def events(self) -> list[Event]:
        """Those that have been told so far."""
        return [json.loads(line) for line in self.stdout.rpartition("\n")[0].splitlines()]

    def until(self, what: str, look: Callable[[Event], bool]) -> Event:
        """Wait for the first event that `look` is true of."""

        def found() -> Event | None:
            event = next(filter(look, self.events()), None)
            # Events that came before its end count, so this is asked last.
            assert event is not None or self.process.poll() is None, f"it ended without {what}: {self._all()}"
            return event

        return wait_for(found, what, within_s=PATIENCE_S)

    def until_running(self, generation: int) -> Event:
        return self.until(
            f"generation {generation} to run",
            lambda e: e["event"] == "job" and e["state"] == "running" and e["generation"] == generation,
        )

    def end(self, *, code: int = 0) -> Said:
        """Wait for its end, which has to be with this exit code."""
        said = Said(code=self.process.wait(PATIENCE_S), stdout=self.stdout, stderr=self._err.read_text())
        _check(said, code, self.process.args)
        return said

    def _all(self) -> str:
        return f"{self.stdout[-3000:]}\n{self._err.read_text()}"


class Ga:
    """`with Ga(home) as ga: ga("status")` runs the installed command; nothing of it survives the block.

    home: the HOME that the tests' own fixture has set; the state folder is below it. `home` and `also` are where
    processes are looked for.
    """

    def __init__(self, home: Path, *also: Path) -> None:
        self.home = home
        self.state = home / "ga-state"
        self._roots = [str(path) for path in (home, *also)]
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while found := self.processes():
            for one in found:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(found, timeout=1)
        for process in self._started:
            process.wait(10)

    def __call__(self, *arguments: str | Path, code: int = 0, environment: Mapping[str, str] | None = None) -> Said:
        """Run to the end, without a terminal. The exit code has to be `code`."""
        command = self._command(arguments)
        done = subprocess.run(
            command,
            env=self._environment() | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        said = Said(code=done.returncode, stdout=done.stdout, stderr=done.stderr)
        _check(said, code, command)
        return said

    def start(self, *arguments: str | Path) -> Background:
        """Start it without a terminal and let it go on."""
        out, err = (self.home / f"output-{len(self._started)}.{name}" for name in ("out", "err"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                self._command(arguments),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        self._started.append(process)
        return Background(process, out, err)

    def in_terminal(self, *arguments: str | Path) -> Terminal:
        """Start it in a terminal of its own, 100 columns wide."""
        master, slave = os.openpty()
        termios.tcsetwinsize(slave, (40, 100))
        process = subprocess.Popen(
            self._command(arguments),
            env=self._environment() | {"TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        self._started.append(process)
        return Terminal(process, master)

    def controller(self, job_id: str) -> psutil.Process:
        """The job's controller."""
        return psutil.Process(int((self.state / "jobs" / job_id / "controller.lock").read_text()))

    def processes(self) -> list[psutil.Process]:
        """Every live process that belongs to it: viewers, controllers, VMs, what runs in them, and their sshds."""
        return [process for process in psutil.process_iter() if process.pid != os.getpid() and self._owns(process)]

    def wait_until_nothing_is_left(self) -> None:
        """A controller is a moment from its end when its job is over; whatever stays longer has leaked."""
        left: list[psutil.Process] = []

        def nothing() -> bool:
            left[:] = self.processes()
            return not left

        with contextlib.suppress(AssertionError):
            wait_for(nothing, "the end of all processes")
        assert left == []
        assert list((self.state / "providers" / "mock").glob("vms/*")) == []
        assert list((self.state / "providers" / "ssh").glob("claims/*")) == []

    def _owns(self, process: psutil.Process) -> bool:
        told: list[str] = []
        # A zombie tells nothing, and other users' processes are not ours. An sshd has overwritten its environment, but
        # its log is open.
        for tell in (
            lambda: process.environ().values(),
            process.cmdline,
            lambda: [file.path for file in process.open_files()],
        ):
            with contextlib.suppress(psutil.Error):
                told += tell()
        return any(root in text for text in told for root in self._roots)

    def _command(self, arguments: Sequence[str | Path]) -> list[str]:
        return [str(Path(sys.executable).with_name("ga")), *map(str, arguments)]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _TERMINAL}
        return kept | {"GA_STATE_DIR": str(self.state)}


class Terminal:
    """A command in a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self._shown = b""
        os.set_blocking(master, False)

    def until_shown(self, text: str) -> None:
        wait_for(lambda: text in self._read(), f"{text!r} on the terminal", within_s=PATIENCE_S)

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> tuple[int, str]:
        """Its exit code and all that was shown."""

        def ended() -> bool:
            # A terminal that nobody reads stops those who write to it.
            self._read()
            return self.process.poll() is not None

        wait_for(ended, "the command's end", within_s=PATIENCE_S)
        shown = self._read()
        os.close(self._master)
        return self.process.returncode, shown

    def _read(self) -> str:
        # EIO: the other side is closed.
        with contextlib.suppress(BlockingIOError, OSError):
            while chunk := os.read(self._master, 65536):
                self._shown += chunk
        return self._shown.decode(errors="replace")


def sample(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """A copy of all sample configurations in `folder`; the path of `name` there, with texts replaced."""
    copies = folder / "sample-configs"
    if not copies.exists():
        shutil.copytree(SAMPLES, copies, ignore=shutil.ignore_patterns("__pycache__"))
    path = copies / f"{name}.yaml"
    text = path.read_text()
    for old, new in changes:
        assert old in text, f"{path.name} does not say {old!r}"
        text = text.replace(old, new)
    path.write_text(text)
    return path


def policy_of(config: Path) -> str:
    """The section `policy` of a sample, as it is written."""
    found = re.search(r"^policy:\n(  .*\n)+", config.read_text(), re.MULTILINE)
    assert found is not None, f"{config.name} has no section policy"
    return found[0]


def counting(folder: Path, *, steps: int, step_s: float = 0.05, **changes: object) -> Path:
    """A job that counts (see count.py): it begins at `dirty`, and the policy moves it to `clean` after a while."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "work").mkdir(exist_ok=True)
    shutil.copy(DATA / "count.py", folder / "work")
    zones = {"dirty": "XX-A", "clean": "XX-B", "spare": "XX-C"}
    document = {
        "name": "count",
        "work": "work",
        "run": f"python count.py --steps {steps} --step-seconds {step_s}",
        "start_at": "dirty",
        "policy": {"name": "hysteresis", "hold_readings": 1, "dwell": "10m", "max_downtime": "1d"},
        "carbon": {"source": "static", "values": {"XX-A": 500, "XX-B": 50, "XX-C": 60}, "poll": "5m"},
        "replay": {"start": "2024-06-01T00:00:00Z", "scale": 600},
        "sample": "300ms",
        "sites": [
            {"name": name, "provider": "mock", "zone": zone, "power": {"idle": "20W", "busy": "700W"}}
            for name, zone in zones.items()
        ],
    }
    path = folder / "count.yaml"
    # JSON is YAML.
    path.write_text(json.dumps(document | changes, indent=1))
    return path


def counted_sha256(steps: int) -> str:
    """The digest of the last checkpoint of a job that counted every step once (docs/architecture.md says how)."""
    state = "0" * 64
    for step in range(1, steps + 1):
        state = hashlib.sha256(f"{state} {step}".encode()).hexdigest()
    file = hashlib.sha256(state.encode()).hexdigest()
    return hashlib.sha256(f"state.txt\0{len(state)}\0{file}\n".encode()).hexdigest()


def kill(process: psutil.Process | subprocess.Popen[bytes]) -> None:
    """SIGKILL, and wait until it is gone."""
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def needs(*modules: str) -> pytest.MarkDecorator:
    """Skip where a training script's library is absent."""
    absent = [module for module in modules if importlib.util.find_spec(module) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


def _check(said: Said, code: int, command: object) -> None:
    where = f"{command}\nstdout: {said.stdout[-4000:]}\nstderr: {said.stderr}"
    assert said.code == code, f"exit code {said.code}, expected {code}: {where}"
    assert _CONTROL_CODES.search(said.stdout + said.stderr) is None, f"control codes without a terminal: {where}"


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
