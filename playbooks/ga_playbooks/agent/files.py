"""JSON files that are either old or new, never half written."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Optional

Json = Dict[str, Any]


def write_atomic(path: str, data: bytes) -> None:
    """The file has either its old content or all of the new one, also after a power cut."""
    temporary = "%s.tmp-%d" % (path, os.getpid())
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_path(os.path.dirname(path))


def sync_path(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: str, value: Json) -> None:
    write_atomic(path, json.dumps(value).encode())


def read_json(path: str) -> Optional[Json]:
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_tail(path: str, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
            return file.read()
    except OSError:
        return b""
