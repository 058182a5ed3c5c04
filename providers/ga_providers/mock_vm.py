"""How one mock VM lives: the process that is its power supply, its init and its provider's scheduler.

Started by the driver as `python -m ga_providers.mock_vm FOLDER`. It takes connections on a loopback port, is the parent
of everything that runs in the VM, and ends it all: when asked, when its lifetime is over or a fault is due, or when its
folder has vanished.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import psutil

from ga_providers.mock_folder import Record, Status, VmFolder
from ga_providers.mock_sshd import adopt_orphans, prepare, serve
from gacli.errors import GaError
from gacli.ports.provider import InstanceState

LIFETIME_NOTICE_S: Final = 300.0
"""How long before the end of its lifetime a VM announces it, at most half of that time; real seconds."""

_TICK_S = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """How and when the VM ends by itself. announcement: what is said from announced_s on, empty for no notice."""

    at_s: float
    detail: str
    announced_s: float = 0.0
    announcement: str = ""


class MockVm:
    """One life, from boot to end. Times are this machine's monotonic clock."""

    def __init__(self, folder: VmFolder, record: Record) -> None:
        self._folder = folder
        self._record = record
        self._born_s = time.monotonic()
        self._end_detail = ""

    def live(self) -> None:
        """Boot, serve, and end; leaves no process and no home behind, whatever happens."""
        try:
            self._folder.write_status(Status(state=InstanceState.BOOTING))
            config = prepare(self._folder, instance_id=self._record.instance_id, public_key=self._record.public_key)
            if self._boots():
                with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
                    self._serve(listener, config)
        except GaError as error:
            self._end_detail = f"the VM could not start: {error.message}"
        finally:
            self._end()

    def _boots(self) -> bool:
        ready_s = self._born_s + self._record.boot_s
        while (left := ready_s - time.monotonic()) > 0:
            if self._asked_to_end() or self._is_over([self._end_of_life()]):
                return False
            time.sleep(min(left, _TICK_S))
        return True

    def _serve(self, listener: socket.socket, config: Path) -> None:
        port: int = listener.getsockname()[1]
        ends = self._ends(ready_s=time.monotonic())
        self._folder.write_status(Status(state=InstanceState.READY, port=port))
        announced = ""
        while not (self._asked_to_end() or self._is_over(ends)):
            now_s = time.monotonic()
            due = (end.announcement for end in ends if end.announcement and now_s >= end.announced_s)
            if (announcement := next(due, "")) != announced:
                announced = announcement
                self._folder.write_status(Status(state=InstanceState.PREEMPTING, port=port, detail=announced))
            if select.select([listener], [], [], _TICK_S)[0]:
                connection, _ = listener.accept()
                with connection:
                    serve(connection, config, self._folder.path / "sshd.log")
            _reap()

    def _ends(self, *, ready_s: float) -> list[End]:
        """The next one first."""
        record, ends = self._record, [self._end_of_life()]
        if record.crash_after_s is not None:
            ends.append(End(at_s=ready_s + record.crash_after_s, detail="crashed"))
        if record.preempt_after_s is not None:
            announced_s = ready_s + record.preempt_after_s
            end = End(
                at_s=announced_s + record.preempt_notice_s,
                detail="preempted",
                announced_s=announced_s,
                announcement=f"the provider takes it within {record.preempt_notice_s:g} s",
            )
            ends.append(end)
        return sorted(ends, key=lambda end: end.at_s)

    def _end_of_life(self) -> End:
        lifetime_s = self._record.lifetime_s
        notice_s = min(LIFETIME_NOTICE_S, lifetime_s / 2)
        return End(
            at_s=self._born_s + lifetime_s,
            detail="lifetime over",
            announced_s=self._born_s + lifetime_s - notice_s,
            announcement=f"lifetime ends within {notice_s:g} s",
        )

    def _is_over(self, ends: Sequence[End]) -> bool:
        """Whether the next end is due; it is then the reason."""
        if time.monotonic() < ends[0].at_s:
            return False
        self._end_detail = ends[0].detail
        return True

    def _asked_to_end(self) -> bool:
        return self._folder.deleting or not self._folder.exists()

    def _end(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while descendants := psutil.Process().children(recursive=True):
            # Nearest first: the sshd of a connection ends before the command it would report on.
            for process in descendants:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            _reap()
            time.sleep(0.01)
        shutil.rmtree(self._folder.home, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self._folder.write_status(Status(state=InstanceState.GONE, detail=self._end_detail))


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _stop(_: int, __: FrameType | None) -> NoReturn:
    sys.exit(0)


def main(path: Path) -> None:
    """Live in `path`, unless it has vanished or the VM lives, or has lived, already."""
    folder = VmFolder(path)
    record = folder.record()
    if record is None:
        return
    signal.signal(signal.SIGTERM, _stop)
    adopt_orphans()
    with folder.live() as ours:
        if ours and folder.status() is None:
            MockVm(folder, record).live()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
