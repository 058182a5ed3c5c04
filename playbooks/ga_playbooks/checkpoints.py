"""Checkpoints between a machine and this one: copied from the manifest's list, hashed where they arrive, renamed.

A local copy is `into/<name>` with the manifest in it. A folder that a script filled without manifests (`whole`) gets
its manifest under a name that no script uses.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ga_playbooks.agent.files import read_json, sync_path, write_json
from ga_playbooks.agent.manifests import bad_files, manifest_problem
from ga_playbooks.agent.whole import WHOLE
from ga_playbooks.ask import HASHING_TIMEOUT_S, NotPrepared, ask
from ga_playbooks.layout import JobFolder
from ga_playbooks.messages import CheckpointsAnswer, Done, ManifestAnswer, ReceiveAnswer
from ga_playbooks.prepare import copy_step
from gacli.core.job import Checkpoint
from gacli.errors import CheckpointInvalid, DiskFull
from gacli.ports.host import CopyProgress, Host, OnCopy
from gacli.ports.machine import OnStep, StepProgress

Manifest = dict[str, object]

ATTEMPTS = 2
"""A copy that arrives damaged is tried once more; damaged twice means that its source is."""


def checkpoints(host: Host, job_id: str) -> list[Checkpoint]:
    """Complete checkpoints there, newest first; none on a machine that does not know the job."""
    try:
        answer = ask(host, JobFolder(job_id), "checkpoints", expect=CheckpointsAnswer, timeout_s=HASHING_TIMEOUT_S)
    except NotPrepared:
        return []
    return [listed.checkpoint() for listed in answer.checkpoints]


def fetch(host: Host, job_id: str, checkpoint: Checkpoint, into: Path, on_step: OnStep) -> None:
    """Copy to `into/<name>` and verify; what was there under that name stays until the new copy is verified."""
    final, incoming = into / checkpoint.name, into / f".incoming-{checkpoint.name}"
    if holds(final, checkpoint):
        return
    shown = ask(host, JobFolder(job_id), "manifest", checkpoint.name, expect=ManifestAnswer)
    if manifest_problem(shown.manifest) or shown.manifest["sha256"] != checkpoint.sha256:
        raise CheckpointInvalid(
            f"{host.label}: expected checkpoint {checkpoint.name} with digest {checkpoint.sha256[:12]}, "
            f"found {str(shown.manifest.get('sha256'))[:12]}",
            hint="The script has replaced it since it was listed; list the checkpoints again.",
        )
    incoming.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(incoming).free
    if free_bytes < checkpoint.size_bytes - _arrived_bytes(incoming):
        raise DiskFull(
            f"{into}: expected {checkpoint.size_bytes} bytes for checkpoint {checkpoint.name}, found {free_bytes} free",
            hint="Free some space there, or move ga's state folder.",
        )
    paths = _paths(shown.manifest)
    bad: list[str] = []
    for _ in range(ATTEMPTS):
        host.pull(shown.folder, incoming, files=paths, on_copy=_on_copy("copying checkpoint", on_step))
        on_step(StepProgress(what="verifying checkpoint", detail=checkpoint.name))
        bad = bad_files(str(incoming), shown.manifest)
        if not bad:
            break
        for path in bad:
            (incoming / path).unlink(missing_ok=True)
    if bad:
        raise CheckpointInvalid(
            f"{host.label}: checkpoint {checkpoint.name}: {_some(bad)} differ from its manifest, {ATTEMPTS} times",
            hint="The files there are damaged; an older checkpoint may be whole.",
        )
    _publish(incoming, final, shown.manifest)


def send(host: Host, job_id: str, checkpoint: Checkpoint, source: Path, on_step: OnStep) -> None:
    """Copy `source/<name>` to the machine, where the agent verifies it and puts it in its place."""
    folder, job = source / checkpoint.name, JobFolder(job_id)
    manifest = local_manifest(folder)
    if manifest is None or manifest["sha256"] != checkpoint.sha256:
        raise CheckpointInvalid(
            f"{folder}: expected checkpoint {checkpoint.name} ({checkpoint.sha256[:12]}), found none"
        )
    for attempt in range(1, ATTEMPTS + 1):
        what = f"receiving checkpoint {checkpoint.name}"
        ready = ask(
            host,
            job,
            "receive",
            checkpoint.name,
            expect=ReceiveAnswer,
            stdin=manifest,
            timeout_s=HASHING_TIMEOUT_S,
            what=what,
        )
        if ready.present:
            return
        host.push(folder, ready.folder, files=_paths(manifest), on_copy=_on_copy("copying checkpoint", on_step))
        on_step(StepProgress(what="verifying checkpoint", detail=checkpoint.name))
        try:
            ask(
                host,
                job,
                "accept",
                checkpoint.name,
                expect=Done,
                stdin=manifest,
                timeout_s=HASHING_TIMEOUT_S,
                what=what,
            )
            return
        except CheckpointInvalid:
            if attempt < ATTEMPTS:
                continue
            bad = bad_files(str(folder), manifest)
            if bad:
                raise CheckpointInvalid(
                    f"{folder}: {_some(bad)} differ from the checkpoint's manifest",
                    hint="The copy on this machine is damaged; fetch it again from where it was written.",
                ) from None
            raise


def local_manifest(folder: Path) -> Manifest | None:
    """The manifest of a local copy; None when there is none that can be trusted. Files are not read."""
    name = ".ga-manifest.json" if folder.name == WHOLE else "manifest.json"
    manifest = read_json(str(folder / name))
    return None if manifest_problem(manifest) else manifest


def holds(folder: Path, checkpoint: Checkpoint) -> bool:
    """Whether `folder` is a copy of the checkpoint, every byte read."""
    manifest = local_manifest(folder)
    return manifest is not None and manifest["sha256"] == checkpoint.sha256 and not bad_files(str(folder), manifest)


def _publish(incoming: Path, final: Path, manifest: Manifest) -> None:
    paths = _paths(manifest)
    # Leftovers of an abandoned copy are no part of this one.
    for path in incoming.rglob("*"):
        if path.is_file() and path.relative_to(incoming).as_posix() not in paths:
            path.unlink()
    for name in paths:
        sync_path(str(incoming / name))
    write_json(str(incoming / (".ga-manifest.json" if final.name == WHOLE else "manifest.json")), manifest)
    old = final.with_name(f".old-{final.name}")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    incoming.rename(final)
    sync_path(str(final.parent))
    shutil.rmtree(old, ignore_errors=True)


def _paths(manifest: Manifest) -> list[str]:
    files = manifest["files"]
    assert isinstance(files, list)  # manifest_problem has looked
    return [str(file["path"]) for file in files]


def _arrived_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _on_copy(what: str, on_step: OnStep) -> OnCopy:
    def on_copy(copy: CopyProgress) -> None:
        on_step(copy_step(what, copy))

    return on_copy


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(paths[:3]) + more
