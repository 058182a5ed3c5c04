"""Verbs `checkpoints`, `manifest` and `verify`: which checkpoints there are, and whether one is sound."""

from __future__ import annotations

import fcntl
import os
import re
from typing import Dict, Optional, Tuple

from .files import Json, read_json
from .layout import checkpoint_folder
from .locking import open_lock, take_lock
from .manifests import bad_files, manifest_problem
from .whole import WHOLE, seal

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")


def checkpoints(job_dir: str) -> Json:
    found = complete_manifests(checkpoint_folder(job_dir))
    if not found:
        lock = open_lock(job_dir)
        try:
            # A shared lock keeps a trainer from starting, and does not look like one.
            sealed = seal(job_dir) if take_lock(lock, fcntl.LOCK_SH) else None
        finally:
            os.close(lock)
        found = {WHOLE: sealed} if sealed else {}
    listed = [
        {
            "name": name,
            "step": manifest["step"],
            "sha256": manifest["sha256"],
            "size_bytes": sum(file["size"] for file in manifest["files"]),
            "files": len(manifest["files"]),
        }
        for name, manifest in found.items()
    ]
    return {"ok": True, "checkpoints": sorted(listed, key=lambda one: (one["step"], one["name"]), reverse=True)}


def complete_manifests(folder: str) -> Dict[str, Json]:
    found = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        manifest = read_json(os.path.join(path, "manifest.json")) if NAME.match(name) else None
        if manifest and not manifest_problem(manifest) and not bad_files(path, manifest, hashes=False):
            found[name] = manifest
    return found


def find_manifest(job_dir: str, name: str) -> Tuple[str, Optional[Json]]:
    folder = checkpoint_folder(job_dir)
    if name == WHOLE:
        return folder, (read_json(os.path.join(job_dir, "whole.json")) or {}).get("manifest")
    path = os.path.join(folder, name)
    return path, read_json(os.path.join(path, "manifest.json")) if NAME.match(name) else None


def show_manifest(job_dir: str, name: str) -> Json:
    folder, manifest = find_manifest(job_dir, name)
    problem = manifest_problem(manifest)
    if problem:
        return {"ok": False, "error": "invalid", "detail": problem}
    return {"ok": True, "folder": folder, "manifest": manifest}


def verify(job_dir: str, name: str) -> Json:
    shown = show_manifest(job_dir, name)
    bad = bad_files(shown["folder"], shown["manifest"]) if shown["ok"] else []
    return {"ok": False, "error": "mismatch", "bad": bad} if bad else shown
