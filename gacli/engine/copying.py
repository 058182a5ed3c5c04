"""Brings a checkpoint from the source to the controller and from there to the target, verified at both ends."""

from __future__ import annotations

import shutil

from gacli.core.job import Checkpoint
from gacli.engine.context import Context
from gacli.engine.fleet import Fleet

# Verified copies that the controller keeps: the newest, and the one before it.
_KEPT = 2


class Copying:
    """Copies run as tasks; each may be repeated and goes on from what has arrived."""

    def __init__(self, context: Context, fleet: Fleet) -> None:
        self._context = context
        self._fleet = fleet

    def held_here(self, checkpoint: Checkpoint) -> bool:
        """True when the controller has a verified copy of exactly this checkpoint."""
        return self._context.job().checkpoint == checkpoint

    def fetch(self, instance_id: str, checkpoint: Checkpoint) -> bool:
        """True once the controller holds it, recorded. Raises GaError: unreachable, invalid, disk full."""
        context = self._context
        machine = self._fleet.machine(instance_id)
        folder = context.folders.checkpoints(context.job_id)
        folder.mkdir(parents=True, exist_ok=True)
        done = context.tasks.once(
            f"fetch:{instance_id}:{checkpoint.name}",
            lambda on_step: machine.fetch_checkpoint(context.job_id, checkpoint, folder, on_step),
        )
        if done is None:
            return False
        done.unwrap()
        with context.store.transaction():
            context.store.jobs.set_checkpoint(context.job_id, checkpoint)
            context.event(
                "checkpoint", action="fetched", site=context.store.instances.get(instance_id).site,
                name=checkpoint.name, step=checkpoint.step, size_bytes=checkpoint.size_bytes, sha256=checkpoint.sha256,
            )  # fmt: skip
        self._prune(checkpoint)
        return True

    def send(self, instance_id: str, checkpoint: Checkpoint) -> bool:
        """True once the target holds it, verified there. Raises GaError."""
        context = self._context
        machine = self._fleet.machine(instance_id)
        folder = context.folders.checkpoints(context.job_id)
        done = context.tasks.once(
            f"send:{instance_id}:{checkpoint.name}",
            lambda on_step: machine.send_checkpoint(context.job_id, checkpoint, folder, on_step),
        )
        if done is None:
            return False
        done.unwrap()
        context.event(
            "checkpoint", action="sent", site=context.store.instances.get(instance_id).site, name=checkpoint.name,
            step=checkpoint.step, size_bytes=checkpoint.size_bytes, sha256=checkpoint.sha256,
        )  # fmt: skip
        return True

    def _prune(self, newest: Checkpoint) -> None:
        """Older verified copies go; whatever is not a finished copy is left to the next fetch."""
        folder = self._context.folders.checkpoints(self._context.job_id)
        finished = sorted(
            (entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")),
            key=lambda entry: (entry.name == newest.name, entry.stat().st_mtime),
            reverse=True,
        )
        for entry in finished[_KEPT:]:
            shutil.rmtree(entry, ignore_errors=True)
