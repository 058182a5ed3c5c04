"""The agent's numbered record of what happens."""

from __future__ import annotations

import contextlib
import errno
import json
import os

from .files import Json


class Telemetry:
    """Numbered JSON lines. What a full disk refuses is kept and written later."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.seq = 0
        self.pending = b""

    def add(self, at_s: float, kind: str, fields: Json) -> None:
        self.seq += 1
        record = {"seq": self.seq, "t": round(at_s, 6), "kind": kind}
        record.update(fields)
        self.pending += json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        try:
            while self.pending:
                self.pending = self.pending[os.write(self.descriptor, self.pending) :]
        except OSError as problem:
            if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    def sync(self) -> None:
        self.flush()
        with contextlib.suppress(OSError):
            os.fsync(self.descriptor)
