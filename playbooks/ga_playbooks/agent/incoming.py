"""Verb `incoming`: all that the key of a transfer can do here. sshd runs it, whatever the key's holder asks for."""

from __future__ import annotations

import fcntl
import os
from typing import NoReturn

from .files import read_json
from .transfers import Transfer

ASKED = "rsync --server --daemon ."
"""What rsync asks for when it wants a daemon over SSH. Compared as a whole: no word of it is used."""


def incoming(job_dir: str, transfer_id: str) -> NoReturn:
    """Become rsync's server, configured by the target alone. SystemExit for whoever wants anything else."""
    transfer = Transfer(job_dir, transfer_id)
    ticket = read_json(transfer.path("ticket.json"))
    asked = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    if asked != ASKED:
        raise SystemExit("ga: this key brings one checkpoint by rsync; refused: %r" % asked)
    if ticket is None:
        raise SystemExit("ga: this transfer is over")
    # Kept by rsync until it ends; see Transfer.alone.
    lock = transfer.open_lock()
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit("ga: this transfer is being settled") from None
    os.set_inheritable(lock, True)
    argv = ["rsync", "--server", "--daemon", "--config=" + transfer.path("rsyncd.conf"), "."]
    os.execve(ticket["rsync"], argv, transfer.environment())
