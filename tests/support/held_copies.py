"""Copies from machine to machine that wait half-way until a test lets them go on."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

# Stands before the real one. One connection at a time: who begins again finds all that the one before has brought.
_SSH = """#!{python} -IS
import fcntl, os, select, sys

FOLDER, SSH, AT_ONCE = {folder!r}, {ssh!r}, {at_once}

def feed(source, target):
    waiting, count, is_open = select.poll(), 0, False
    waiting.register(source, select.POLLRDHUP)
    while True:
        if count == AT_ONCE and not is_open:
            open(FOLDER + "/held", "w").close()
            while not (is_open := os.path.exists(FOLDER + "/open")):
                if waiting.poll(20):
                    return count
        chunk = os.read(source, 65536 if is_open else min(65536, AT_ONCE - count))
        if not chunk:
            return count
        count += len(chunk)
        while chunk:
            chunk = chunk[os.write(target, chunk):]

passed = os.open(FOLDER + "/passed", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.set_inheritable(passed, True)
fcntl.flock(passed, fcntl.LOCK_EX)
reading, writing = os.pipe()
if os.fork():
    os.dup2(reading, 0)
    os.execv(SSH, [SSH, *sys.argv[1:]])
os.close(reading)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
os.write(passed, b"%d\\n" % feed(0, writing))
"""


class HeldCopies:
    """`PATH` with `programs` first makes every copy that begins there wait once `at_once` bytes have passed."""

    def __init__(self, folder: Path, *, at_once: int) -> None:
        self._folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir(parents=True)
        real = shutil.which("ssh")
        assert real is not None, "ssh is not installed"
        script = _SSH.format(python=sys.executable, folder=str(folder), ssh=real, at_once=at_once)
        (self.programs / "ssh").write_text(script)
        (self.programs / "ssh").chmod(0o755)

    @property
    def path(self) -> str:
        """For the environment of the machine that copies."""
        return f"{self.programs}:{os.environ['PATH']}"

    @property
    def is_held(self) -> bool:
        """True from the first time that one waited."""
        return (self._folder / "held").exists()

    def let_go(self) -> None:
        """Nothing waits any more, nor will."""
        (self._folder / "open").touch()

    @property
    def passed_bytes(self) -> list[int]:
        """What went to the other side, by connection, of those that have ended."""
        return [int(line) for line in (self._folder / "passed").read_text().split()]
