"""How one mock VM lives: the process that is its power supply, its init and its provider's scheduler.

Started by the driver as `python -m ga_providers.mock_vm FOLDER`. It takes connections on a loopback port, is the parent
of everything that runs in the VM, and ends it all: when asked, when a fault is due, or when its folder has vanished.
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
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from ga_providers.mock_folder import Record, Status, VmFolder
from ga_providers.mock_sshd import adopt_orphans, prepare, serve
from gacli.errors import GaError
from gacli.ports.provider import InstanceState

_TICK_S = 0.1


class MockVm:
    """One life, from boot to end. Times are this machine's monotonic clock."""

    def __init__(self, folder: VmFolder, record: Record) -> None:
        self._folder = folder
        self._record = record
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
        ready_at = time.monotonic() + self._record.boot_s
        while (left := ready_at - time.monotonic()) > 0:
            if self._asked_to_end():
                return False
            time.sleep(min(left, _TICK_S))
        return True

    def _serve(self, listener: socket.socket, config: Path) -> None:
        port: int = listener.getsockname()[1]
        ready_at = time.monotonic()
        self._folder.write_status(Status(state=InstanceState.READY, port=port))
        preempt_s, crash_s = self._record.preempt_after_s, self._record.crash_after_s
        preempting = False
        while not self._asked_to_end():
            age_s = time.monotonic() - ready_at
            if crash_s is not None and age_s >= crash_s:
                self._end_detail = "crashed"
                return
            if preempt_s is not None and age_s >= preempt_s + self._record.preempt_notice_s:
                self._end_detail = "preempted"
                return
            if preempt_s is not None and age_s >= preempt_s and not preempting:
                preempting = True
                detail = f"the provider takes it within {self._record.preempt_notice_s:g} s"
                self._folder.write_status(Status(state=InstanceState.PREEMPTING, port=port, detail=detail))
            if select.select([listener], [], [], _TICK_S)[0]:
                connection, _ = listener.accept()
                with connection:
                    serve(connection, config, self._folder.path / "sshd.log")
            _reap()

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
