"""What rsync's `--info=progress2 --no-human-readable` says, as CopyProgress."""

from __future__ import annotations

import re

from gacli.ports.host import CopyProgress

_LINE = re.compile(rb"^\s*(?P<done>\d+)\s+(?P<percent>\d+)%\s+(?P<rate>[\d.]+)(?P<unit>[kMGTP]?)B/s")
_UNITS = {b"": 1, b"k": 2**10, b"M": 2**20, b"G": 2**30, b"T": 2**40, b"P": 2**50}


class ProgressParser:
    """Turns pieces of rsync's standard output into CopyProgress values.

    rsync names the bytes done and a whole percentage, not the total. Each line bounds the total from both sides
    (percent <= 100 × done / total < percent + 1); the bounds of all lines together are kept, so that the total
    shown settles instead of jumping. A line that says the same as the one before is dropped.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._least_total = 0
        self._most_total: int | None = None
        self._last: CopyProgress | None = None

    def feed(self, chunk: bytes) -> list[CopyProgress]:
        """The values that became complete with this piece, oldest first."""
        # Lines end with CR while a file is copied and with LF when it is done; a line may come in several pieces.
        *lines, self._rest = re.split(rb"[\r\n]", self._rest + chunk)
        found = [self._line(line) for line in lines]
        return [progress for progress in found if progress is not None]

    def end(self) -> list[CopyProgress]:
        """What the last piece left without a line end."""
        progress = self._line(self._rest)
        self._rest = b""
        return [] if progress is None else [progress]

    def _line(self, line: bytes) -> CopyProgress | None:
        match = _LINE.match(line)
        if match is None:
            return None
        done, percent = int(match["done"]), int(match["percent"])
        rate = float(match["rate"]) * _UNITS[match["unit"]]
        progress = CopyProgress(bytes_done=done, bytes_total=self._total(done, percent), rate_bytes_per_s=rate)
        if progress == self._last:
            return None
        self._last = progress
        return progress

    def _total(self, done: int, percent: int) -> int:
        if percent >= 100:
            return done
        self._least_total = max(self._least_total, done, done * 100 // (percent + 1) + 1)
        if percent > 0:
            most = done * 100 // percent
            self._most_total = most if self._most_total is None else min(self._most_total, most)
        if self._most_total is None:
            return self._least_total
        return max(self._least_total, (self._least_total + self._most_total) // 2)
