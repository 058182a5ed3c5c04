"""The login's authorized_keys: lines of ours come and go, everybody else's stay as they are."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from typing import Callable

LIFETIME_S = 3600
"""A key lets nobody in after this: it covers the start of a copy, which may then take as long as it wants."""


def change_keys(goes: Callable[[str], bool], add: str = "") -> None:
    """Drop the lines whose comment `goes`, then append the line `add`."""
    folder = os.path.join(os.path.expanduser("~"), ".ssh")
    if add:
        os.makedirs(folder, 0o700, exist_ok=True)
    elif not os.path.isdir(folder):
        return
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The link that some keep in its place stays one.
        path = os.path.realpath(os.path.join(folder, "authorized_keys"))
        try:
            with open(path, "rb") as file:
                old, mode = file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        except FileNotFoundError:
            old, mode = b"", 0o600
        new = b"".join(line for line in old.splitlines(True) if not goes(_comment(line)))
        if add:
            new += (b"" if new.endswith(b"\n") or not new else b"\n") + add.encode() + b"\n"
        if new != old:
            _replace(path, new, mode)
    finally:
        os.close(lock)


def key_line(public_key: str, mark: str, command: str) -> str:
    """A line that lets the key run `command` and nothing else, and not for long."""
    quoted = command.replace("\\", "\\\\").replace('"', '\\"')
    return 'restrict,expiry-time="%s",command="%s" %s %s' % (_expiry(), quoted, public_key, mark)


def _comment(line: bytes) -> str:
    return (line.split() or [b""])[-1].decode("utf-8", "replace")


def _expiry() -> str:
    """As sshd reads it: local time. Its zone is the system's, which a variable of this session may differ from."""
    os.environ.pop("TZ", None)
    time.tzset()
    return time.strftime("%Y%m%d%H%M%S", time.localtime(time.time() + LIFETIME_S))


def _replace(path: str, data: bytes, mode: int) -> None:
    temporary = "%s.ga-%d" % (path, os.getpid())
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
