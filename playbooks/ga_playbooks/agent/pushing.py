"""Verbs `push` and `pushing`: bring a checkpoint to another machine, and say how far that is."""

from __future__ import annotations

import fcntl
import os
import time
from typing import Callable

from . import peer
from .admitting import MODULE
from .bringing import bring
from .checkpoints import show_manifest
from .daemon import daemonise
from .files import Json, read_json, write_json
from .locking import take_lock
from .processes import identity
from .transfers import Transfer


def push(job_dir: str, name: str, transfer_id: str, request: Json) -> Json:
    """Begin, or find it begun. It goes on whether or not anybody asks. `again`: files that arrived damaged."""
    transfer = Transfer(job_dir, transfer_id)
    shown = show_manifest(job_dir, name)
    if not shown["ok"]:
        return shown
    try:
        lock = os.open(transfer.path("push.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        if not take_lock(lock, fcntl.LOCK_EX, patience_s=0.5):
            return {"ok": True, "already": True}
        peer.write_peer(transfer, request["peer"])
        for file in ("outcome.json", "progress.json"):
            if os.path.exists(transfer.path(file)):
                os.unlink(transfer.path(file))
    except (OSError, ValueError) as problem:
        return {"ok": False, "error": "no_offer", "detail": str(problem)}

    def work(report: Callable[[Json], None]) -> None:
        write_json(transfer.path("pusher.json"), identity(os.getpid()))
        report({"ok": True, "already": False})
        target = "%s::%s/" % (peer.NAME, MODULE)
        outcome = bring(transfer, shown["folder"], target, shown["manifest"], request["again"])
        write_json(transfer.path("outcome.json"), outcome._asdict())

    return daemonise(transfer.path("push.log"), work)


def pushing(job_dir: str, transfer_id: str, wait_s: float) -> Json:
    """How far it is, after `wait_s` or as soon as it has ended. State `gone`: whoever pushed was killed."""
    transfer = Transfer(job_dir, transfer_id)
    until = time.monotonic() + wait_s
    while True:
        # Asked first: who pushes writes the outcome before it lets the lock go.
        held = is_held(transfer)
        outcome = read_json(transfer.path("outcome.json"))
        if outcome and outcome["error"]:
            return dict(outcome, ok=False)
        if outcome or not held or time.monotonic() >= until:
            progress = read_json(transfer.path("progress.json")) or {}
            return dict(progress, ok=True, state="done" if outcome else "running" if held else "gone")
        time.sleep(0.02)


def is_held(transfer: Transfer) -> bool:
    try:
        lock = os.open(transfer.path("push.lock"), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not take_lock(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)
