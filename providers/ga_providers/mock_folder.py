"""The folder of one mock VM: all that is known of it, shared by the driver and the VM's own process.

record.json    what was asked for; written before anything is started
status.json    written by the VM's process: its state and its port
alive          a lock held by the VM's process as long as it lives
deleting       present once its end has been asked for
home/          the login's home; gone with the VM
host_key…      and what else its sshd needs
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from gacli.ports.provider import InstanceState
from gacli.transport.files import write_atomic

MARK: Final = "GA_MOCK_VM"
"""Environment variable of every process of a VM: the instance id."""

FOLDER_MARK: Final = "GA_MOCK_VM_FOLDER"
"""The same with the VM's folder, which no other VM on this machine shares."""

_TAKES_LOCK_WITHIN_S = 2.0
_KILL_WAIT_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What was asked for, and when. *_s: real seconds; None: that fault does not happen."""

    instance_id: str
    site: str
    tags: Mapping[str, str]
    public_key: str
    created_epoch_s: float
    lifetime_s: float
    boot_s: float
    preempt_after_s: float | None
    preempt_notice_s: float
    crash_after_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """What the VM's process last said of itself. port: 0 until its sshd answers."""

    state: InstanceState
    port: int = 0
    detail: str = ""


class VmFolder:
    """Reads and writes one VM's folder; `path` must be absolute."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = path / "home"
        self.host_key_file = path / "host_key"
        self._record_file = path / "record.json"
        self._status_file = path / "status.json"
        self._alive_file = path / "alive"
        self._deleting_file = path / "deleting"

    def exists(self) -> bool:
        """Whether the VM was recorded and its folder has not been removed."""
        return self._record_file.exists()

    def write_record(self, record: Record) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(self._record_file, json.dumps(asdict(record)).encode())

    def record(self) -> Record | None:
        try:
            return Record(**json.loads(self._record_file.read_bytes()))
        except FileNotFoundError:
            return None

    def write_status(self, status: Status) -> None:
        """FileNotFoundError when the folder has vanished."""
        write_atomic(self._status_file, json.dumps(asdict(status)).encode())

    def status(self) -> Status | None:
        """None when its process never got as far as saying anything."""
        try:
            values = json.loads(self._status_file.read_bytes())
        except FileNotFoundError:
            return None
        return Status(state=InstanceState(values["state"]), port=values["port"], detail=values["detail"])

    @property
    def deleting(self) -> bool:
        return self._deleting_file.exists()

    def mark_deleting(self) -> None:
        # Without its folder there is nothing left to delete.
        with contextlib.suppress(FileNotFoundError):
            self._deleting_file.touch()

    @contextlib.contextmanager
    def live(self) -> Iterator[bool]:
        """Hold the lock that says that the VM's process lives; False when another process holds it.

        `alive` takes the lock for an instant, hence the short wait.
        """
        deadline = time.monotonic() + _TAKES_LOCK_WITHIN_S
        with self._alive_file.open("ab") as stream:
            while True:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        yield False
                        return
                    time.sleep(0.01)
                else:
                    yield True
                    return

    def alive(self) -> bool:
        try:
            with self._alive_file.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def marks(self, instance_id: str) -> dict[str, str]:
        return {MARK: instance_id, FOLDER_MARK: str(self.path)}

    def kill_marked(self) -> None:
        """Kill every process that carries this VM's mark, in whatever session: also what such a process forks."""
        deadline = time.monotonic() + _KILL_WAIT_S
        while (marked := self.marked()) and time.monotonic() < deadline:
            for process in marked:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(marked, timeout=0.2)

    def marked(self) -> list[psutil.Process]:
        """Live processes of this VM, ourselves excepted."""
        found = []
        for process in psutil.process_iter():
            # A zombie's environment cannot be read, and other users' processes are not ours.
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get(FOLDER_MARK) == str(self.path):
                    found.append(process)
        return found

    def bury(self, detail: str) -> None:
        """What a VM whose process is dead leaves: no processes, no home, its last word."""
        self.kill_marked()
        shutil.rmtree(self.home, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self.write_status(Status(state=InstanceState.GONE, detail=detail))
