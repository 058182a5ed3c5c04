"""Transfers: a checkpoint that goes from one machine straight to another, by a key made for it alone.

The source makes the key (offering) and pushes (pushing, bringing, streams). The target lets that key in (admitting),
where it can do one thing (incoming), and verifies what has come (settling). Here: where a transfer keeps its files on
either machine, and its end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import time
from typing import Callable, Dict, Iterator, List

from .authorized import change_keys
from .files import Json, read_json
from .locking import take_lock
from .members import members
from .processes import is_alive
from .signalling import kill_until_gone, send

ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class Transfer:
    """One transfer of a job. ValueError for an id that could not name a file or a key."""

    def __init__(self, job_dir: str, transfer_id: str) -> None:
        if not ID.match(transfer_id):
            raise ValueError("transfer id: expected letters, digits, '_' and '-', found %r" % transfer_id)
        self.job_dir = job_dir
        self.transfer_id = transfer_id
        self.folder = os.path.join(job_dir, "transfer", transfer_id)
        self.mark = mark_of(job_dir) + transfer_id

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def make_folder(self) -> None:
        os.makedirs(self.folder, 0o700, exist_ok=True)

    def environment(self) -> Dict[str, str]:
        """For its programs: they are found by GA_RUN_DIR, and nothing set elsewhere changes what rsync does."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RSYNC_")}
        return dict(kept, GA_RUN_DIR=self.folder, LC_ALL="C")

    def open_lock(self) -> int:
        return os.open(self.path("lock"), os.O_RDWR | os.O_CREAT, 0o600)

    @contextlib.contextmanager
    def alone(self, patience_s: float = 0.0) -> Iterator[bool]:
        """True while nobody receives, and nobody can begin to: who receives shares the lock that is held here."""
        lock = self.open_lock()
        try:
            yield take_lock(lock, fcntl.LOCK_EX, patience_s)
        finally:
            os.close(lock)

    def kill(self) -> None:
        """Nothing of it runs afterwards: neither what pushes nor what receives."""
        pusher = read_json(self.path("pusher.json"))
        while is_alive(pusher):
            send([pusher["pid"]] if pusher else [], signal.SIGKILL)
            time.sleep(0.01)
        left = kill_until_gone(lambda: members(self.folder))
        if left:
            raise OSError("%d processes of transfer %s could not be killed" % (left, self.transfer_id))


def mark_of(job_dir: str) -> str:
    """How the comments of the job's keys begin. No job's id has a colon, so no mark begins with another job's."""
    return "ga-transfer:%s:" % os.path.basename(job_dir)


def end_transfers(job_dir: str, keep: str = "") -> None:
    """Take back every transfer of the job but `keep`. Done whenever another begins or a trainer is about to start.

    For then they are over, whatever became of the controller that began them.
    """
    ours = mark_of(job_dir)
    root = os.path.join(job_dir, "transfer")
    names = os.listdir(root) if os.path.isdir(root) else []
    _end(
        lambda comment: comment.startswith(ours) and comment != ours + keep,
        [Transfer(job_dir, name) for name in names if name != keep and ID.match(name)],
    )


def revoke(job_dir: str, transfer_id: str) -> Json:
    """Verb `revoke`: take one transfer back, on either machine; fine when there is none."""
    transfer = Transfer(job_dir, transfer_id)
    _end(lambda comment: comment == transfer.mark, [transfer])
    return {"ok": True}


def _end(is_theirs: Callable[[str], bool], transfers: List[Transfer]) -> None:
    """Afterwards their keys let nobody in, nothing of them runs, no file is left. Keys go first: nobody comes behind.

    OSError only at the end: a key whose line cannot be removed is of no use, once its transfer has no folder.
    """
    try:
        change_keys(is_theirs)
    finally:
        for transfer in transfers:
            transfer.kill()
            if os.path.isdir(transfer.folder):
                shutil.rmtree(transfer.folder)
