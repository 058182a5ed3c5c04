"""Verbs `receive` and `accept`: a checkpoint that is copied to this machine."""

from __future__ import annotations

import os
import shutil

from .checkpoints import NAME, complete_manifests, verify
from .files import Json, sync_path, write_json
from .layout import checkpoint_folder
from .manifests import bad_files, manifest_problem
from .whole import PARTIAL, WHOLE, is_temporary, seal


def receive(job_dir: str, name: str, manifest: Json) -> Json:
    """Make ready for a copy: says where to, or that the same checkpoint is there already."""
    problem = manifest_problem(manifest) or ("" if NAME.match(name) else "bad name")
    if problem:
        return {"ok": False, "error": "invalid", "detail": problem}
    if name == WHOLE and not complete_manifests(checkpoint_folder(job_dir)):
        seal(job_dir)
    here = verify(job_dir, name)
    if here["ok"] and here["manifest"]["sha256"] == manifest["sha256"]:
        supersede(job_dir, name, manifest["step"])
        return {"ok": True, "present": True}
    folder = incoming_folder(job_dir, name)
    os.makedirs(folder, exist_ok=True)
    for other in os.listdir(os.path.dirname(folder)):
        if other.startswith(".incoming-") and other != os.path.basename(folder):
            shutil.rmtree(os.path.join(os.path.dirname(folder), other), ignore_errors=True)
    arrived = sum(file["size"] for file in manifest["files"] if os.path.exists(os.path.join(folder, file["path"])))
    needed = sum(file["size"] for file in manifest["files"]) - arrived
    free = shutil.disk_usage(folder).free
    if free < needed:
        detail = "%s: expected %d bytes for checkpoint %s, found %d free" % (folder, needed, name, free)
        return {"ok": False, "error": "disk_full", "free_bytes": free, "needed_bytes": needed, "detail": detail}
    return {"ok": True, "present": False, "folder": folder}


def accept(job_dir: str, name: str, manifest: Json) -> Json:
    """Verify what was copied and put it in its place. Files that differ are removed, to be copied again."""
    # Takes longer to import than Python to start, and `receive` does without.
    from concurrent.futures import ThreadPoolExecutor

    incoming, folder = incoming_folder(job_dir, name), checkpoint_folder(job_dir)
    tidy(incoming, manifest, links=True)
    with ThreadPoolExecutor(1) as beside:
        # Onto the disk while it is read: which of the two takes longer depends on the disk.
        on_disk = beside.submit(sync_files, incoming, manifest)
        bad = bad_files(incoming, manifest)
    if bad:
        for path in bad:
            if os.path.isfile(os.path.join(incoming, path)):
                os.unlink(os.path.join(incoming, path))
        return {"ok": False, "error": "mismatch", "bad": bad}
    on_disk.result()
    old = os.path.join(folder, ".old-" + name)
    shutil.rmtree(old, ignore_errors=True)
    if name == WHOLE:
        os.makedirs(old)
        move_entries(folder, old)
        move_entries(incoming, folder)
        shutil.rmtree(incoming)
    else:
        write_json(os.path.join(incoming, "manifest.json"), manifest)
        if os.path.exists(os.path.join(folder, name)):
            os.rename(os.path.join(folder, name), old)
        os.rename(incoming, os.path.join(folder, name))
    sync_path(folder)
    shutil.rmtree(old, ignore_errors=True)
    supersede(job_dir, name, manifest["step"])
    return {"ok": True}


def sync_files(folder: str, manifest: Json) -> None:
    for file in manifest["files"]:
        sync_path(os.path.join(folder, file["path"]))


def incoming_folder(job_dir: str, name: str) -> str:
    return os.path.join(checkpoint_folder(job_dir), ".incoming-" + name)


def tidy(folder: str, manifest: Json, parts: bool = False, links: bool = False) -> None:
    """Remove what is no file of the checkpoint. parts: pieces of its files stay, links: so do links in their place."""
    wanted = {file["path"] for file in manifest["files"]}
    for parent, folders, names in os.walk(folder):
        here = os.path.relpath(parent, folder)
        if os.path.basename(here) == PARTIAL:
            here = os.path.dirname(here)
        for name in [*folders, *names]:
            path = os.path.join(parent, name)
            belongs = os.path.normpath(os.path.join(here, name)) in wanted
            if os.path.islink(path):
                if not (belongs and links):
                    os.unlink(path)
            elif name == PARTIAL and not parts:
                shutil.rmtree(path)
            elif not os.path.isdir(path) and os.path.exists(path) and not belongs:
                os.unlink(path)


def move_entries(source: str, target: str) -> None:
    for entry in os.listdir(source):
        if not is_temporary(entry):
            os.rename(os.path.join(source, entry), os.path.join(target, entry))


def supersede(job_dir: str, name: str, step: int) -> None:
    """Put newer checkpoints aside: they are of a generation that was given up, and a script resumes from the newest."""
    folder, aside = checkpoint_folder(job_dir), os.path.join(job_dir, "superseded")
    for other, manifest in complete_manifests(folder).items():
        if other != name and manifest["step"] > step:
            os.makedirs(aside, exist_ok=True)
            shutil.rmtree(os.path.join(aside, other), ignore_errors=True)
            shutil.move(os.path.join(folder, other), os.path.join(aside, other))
