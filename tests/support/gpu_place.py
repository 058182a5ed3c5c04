"""A machine whose driver's program tells of two GPUs, with a real agent over a stand-in for NVIDIA's binding."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ga_playbooks.remote_machine import RemoteMachine
from gacli.core.limits import GpuLimit
from gacli.core.site import PowerModel
from gacli.ports.machine import ExitRecord, LimitOutcome, Poll, PowerSample, StartSpec, WorkSpec
from gacli.transport.local import LocalHost

SMI = """#!/bin/sh
case "$1" in
-L) echo "GPU 0: one"; echo "GPU 1: two";;
*) echo "150.5, 40, 1000"; echo "249.5, 60, 2000";;
esac
"""


class Place:
    """A machine whose driver's program tells of two GPUs, and one job on it."""

    def __init__(self, home: Path, work_folder: Path) -> None:
        home.mkdir()
        work_folder.mkdir()
        self.machine = RemoteMachine(LocalHost(home, "oslo"))
        self.job = home / ".ga" / "jobs" / "job-1"
        self.work = WorkSpec(job_id="job-1", work_folder=work_folder)

    def prepare(self) -> None:
        self.machine.prepare(self.work, lambda _: None)

    def start(self, command: str, generation: int = 1, limit: GpuLimit | None = None) -> None:
        spec = StartSpec(
            generation=generation,
            site="oslo",
            command=command,
            signal="SIGUSR1",
            grace_s=20,
            sample_s=0.2,
            power=PowerModel(idle_w=50, busy_w=300),
            epoch_s=time.time(),
            limit=limit,
        )
        self.machine.start(self.work, spec)

    def wait(self, enough: Callable[[list[PowerSample]], object] = lambda _: False) -> list[PowerSample]:
        """All samples, once these are enough or the trainer has ended."""
        deadline = time.monotonic() + 30
        while True:
            poll = self.machine.poll("job-1", 1, 0)
            if enough(list(poll.power)) or poll.status.exit:
                return list(poll.power)
            assert time.monotonic() < deadline, poll
            time.sleep(0.05)

    def told(self, enough: Callable[[Poll], object], generation: int = 1) -> tuple[LimitOutcome, ...]:
        """What came of limits so far, once the poll is enough."""
        deadline = time.monotonic() + 30
        while not enough(poll := self.machine.poll("job-1", generation, 0)):
            assert time.monotonic() < deadline, poll
            time.sleep(0.05)
        return poll.limits

    def ended(self) -> ExitRecord | None:
        return self.machine.poll("job-1", 1, 0).status.exit

    @property
    def log(self) -> list[str]:
        return (self.job / "gen" / "1" / "agent.log").read_text().splitlines()


@contextmanager
def gpu_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.delenv("GA_METER", raising=False)
    place = Place(tmp_path / "oslo", tmp_path / "work")
    yield place
    place.machine.teardown("job-1")
