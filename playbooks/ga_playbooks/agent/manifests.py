"""A checkpoint's manifest: its digest, whether it is sound, and whether files match it."""

from __future__ import annotations

import hashlib
import os
from typing import List, Optional

from .files import Json

READERS = 4  # hashing takes a core a file; files that have just come are still in memory


def manifest_digest(files: List[Json]) -> str:
    """SHA-256 over the lines `path NUL size NUL sha256 LF`, in path order."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: str(file["path"])):
        digest.update(("%s\0%d\0%s\n" % (file["path"], file["size"], file["sha256"])).encode())
    return digest.hexdigest()


def manifest_problem(manifest: Optional[Json]) -> str:
    """Why it is none that can be trusted; empty when it can."""
    try:
        if manifest is None or manifest["format"] != 1:
            return "no manifest of format 1"
        for file in manifest["files"]:
            parts = file["path"].split("/")
            if file["path"].startswith("/") or ".." in parts or "" in parts or "\0" in file["path"]:
                return "path outside the checkpoint: %r" % file["path"]
        if int(manifest["step"]) < -1 or manifest_digest(manifest["files"]) != manifest["sha256"]:
            return "digest does not match the list of files"
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        return "malformed: %r" % problem
    return ""


def file_sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def bad_files(folder: str, manifest: Json, hashes: bool = True) -> List[str]:
    """Paths of the manifest that are missing, or whose size or (if asked) SHA-256 differs; in its order."""

    def badness(file: Json) -> List[str]:
        path = os.path.join(folder, file["path"])
        good = os.path.isfile(path) and os.path.getsize(path) == file["size"]
        return [] if good and (not hashes or file_sha256(path) == file["sha256"]) else [file["path"]]

    files = manifest["files"]
    if not hashes or len(files) < 2:
        return [path for file in files for path in badness(file)]
    # Takes longer to import than Python to start, and most verbs do without.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(READERS) as pool:
        return [path for found in pool.map(badness, files) for path in found]
