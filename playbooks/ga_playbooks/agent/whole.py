"""A checkpoint folder without manifests: all of it is one checkpoint."""

from __future__ import annotations

import os
from typing import Optional

from .files import Json, read_json, write_json
from .layout import checkpoint_folder
from .manifests import file_sha256, manifest_digest

WHOLE = "whole"
PARTIAL = ".ga-partial"  # where a copy keeps files that have not arrived whole


def seal(job_dir: str) -> Optional[Json]:
    """The manifest of the whole folder as it is now. A file is hashed again only when its size or time has changed."""
    folder, note = checkpoint_folder(job_dir), os.path.join(job_dir, "whole.json")
    noted = read_json(note) or {"manifest": {"files": []}, "mtimes": {}}
    known = {(f["path"], f["size"], noted["mtimes"].get(f["path"])): f["sha256"] for f in noted["manifest"]["files"]}
    files, mtimes = [], {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_temporary(name)]
        for name in names:
            path = os.path.join(parent, name)
            if is_temporary(name) or not os.path.isfile(path):
                continue
            relative, status = os.path.relpath(path, folder), os.stat(path)
            sha256 = known.get((relative, status.st_size, status.st_mtime_ns)) or file_sha256(path)
            files.append({"path": relative, "size": status.st_size, "sha256": sha256})
            mtimes[relative] = status.st_mtime_ns
    if not files:
        return None
    manifest = {"format": 1, "step": -1, "files": files, "sha256": manifest_digest(files)}
    write_json(note, {"manifest": manifest, "mtimes": mtimes})
    return manifest


def is_temporary(name: str) -> bool:
    return name.startswith((".tmp-", ".incoming-", ".old-", ".damaged-", PARTIAL))
