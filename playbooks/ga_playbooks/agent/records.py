"""Reading telemetry back, also while it grows."""

from __future__ import annotations

import os
import re
from typing import List, Optional, Tuple

from .files import read_tail
from .progress import LINE_LIMIT


def record_seq(line: bytes) -> Optional[int]:
    found = re.match(rb'\{"seq":(\d+),.*\}\n\Z', line, re.DOTALL)
    return int(found.group(1)) if found else None


def read_records(path: str, after: int, limit: int) -> Tuple[List[str], bool]:
    """Whole records with seq > after, at most about `limit` bytes of them, and whether there are more.

    The position is found by bisection: a poll of a file of many days costs a few reads.
    """
    if not os.path.exists(path):
        return [], False
    with open(path, "rb") as file:
        low, high = 0, os.fstat(file.fileno()).st_size
        while low < high:
            middle = (low + high) // 2
            file.seek(max(0, middle - 1))
            if middle:
                file.readline()
            seq = record_seq(file.readline()) if file.tell() < high else None
            if seq is None or seq > after:
                high = middle
            else:
                low = file.tell()
        file.seek(low)
        records: List[str] = []
        size = 0
        for line in file:
            seq = record_seq(line)
            if seq is None or seq <= after:
                continue
            if records and size + len(line) > limit:
                return records, True
            records.append(line.decode().rstrip("\n"))
            size += len(line)
        return records, False


def last_seq(path: str) -> int:
    lines = read_tail(path, 4 * LINE_LIMIT).splitlines(keepends=True)
    return next((seq for seq in map(record_seq, reversed(lines)) if seq is not None), 0)
