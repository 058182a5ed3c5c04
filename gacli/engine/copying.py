"""Brings checkpoints from machine to machine, or to the controller and from there on; verified wherever they arrive."""

from __future__ import annotations

import shutil

from gacli.core.job import Checkpoint
from gacli.engine.context import Context
from gacli.engine.direct import move
from gacli.engine.fleet import Fleet
from gacli.store.instances import Holding
from gacli.store.placements import PlacementRecord

# Verified copies that the controller keeps: the newest, and the one before it.
_KEPT = 2


class Copying:
    """Copies run as tasks; each may be repeated and goes on from what has arrived."""

    def __init__(self, context: Context, fleet: Fleet) -> None:
        self._context = context
        self._fleet = fleet
        # Pairs of sites between which there was no straight way.
        self._detours: set[tuple[str, str]] = set()
        # Placements whose checkpoint the controller's own copy stands in for.
        self._from_here: set[int] = set()

    def straight(self, record: PlacementRecord) -> bool:
        """True while the placement's source and target are both held, and nothing is known against a straight way."""
        pair = self._pair(record)
        return pair is not None and pair not in self._detours and record.placement_id not in self._from_here

    def move(self, record: PlacementRecord, checkpoint: Checkpoint) -> bool:
        """True once the target holds it, straight from the source. When that cannot be done, `straight` says so then.

        Raises GaError: TargetFailed, CheckpointInvalid for the source's own, or what keeps the source from answering.
        """
        context, pair = self._context, self._pair(record)
        if pair is None or record.source_instance is None or record.target_instance is None:
            raise ValueError(f"placement {record.placement_id} has no two machines")
        source, target = self._fleet.machine(record.source_instance), self._fleet.machine(record.target_instance)
        transfer_id = f"p{record.placement_id}"
        done = context.tasks.once(
            f"move:{record.placement_id}:{checkpoint.name}",
            lambda on_step: move(source, target, context.job_id, transfer_id, checkpoint, on_step),
        )
        if done is None:
            return False
        detour = done.unwrap()
        if detour is None:
            self._tell_sent(record.target_instance, checkpoint, "direct")
            return True
        self._detours.add(pair)
        context.event(
            "warning" if detour.suspicious else "note", about="transfer",
            message=f"no straight way from {pair[0]} to {pair[1]}, so copies go through this machine: {detour.because}",
        )  # fmt: skip
        return False

    def take_from_here(self, record: PlacementRecord, because: str) -> None:
        """The source's copy is of no use, but the controller has the same: that one is sent."""
        self._from_here.add(record.placement_id)
        self._context.event("note", about="transfer", message=f"the copy on this machine is sent instead: {because}")

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
        # Before it is recorded: what a crash leaves undone here is done again with the fetch.
        self._prune(checkpoint)
        with context.store.transaction():
            context.store.jobs.set_checkpoint(context.job_id, checkpoint)
            context.event(
                "checkpoint", action="fetched", site=context.store.instances.get(instance_id).site,
                name=checkpoint.name, step=checkpoint.step, size_bytes=checkpoint.size_bytes, sha256=checkpoint.sha256,
            )  # fmt: skip
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
        self._tell_sent(instance_id, checkpoint, "relay")
        return True

    def _pair(self, record: PlacementRecord) -> tuple[str, str] | None:
        """The sites of source and target, None unless both are held."""
        instances = self._context.store.instances
        if record.source_instance is None or record.target_instance is None:
            return None
        source, target = instances.get(record.source_instance), instances.get(record.target_instance)
        if source.state is not Holding.HELD or target.state is not Holding.HELD:
            return None
        return source.site, target.site

    def _tell_sent(self, instance_id: str, checkpoint: Checkpoint, path: str) -> None:
        context = self._context
        context.event(
            "checkpoint", action="sent", path=path, site=context.store.instances.get(instance_id).site,
            name=checkpoint.name, step=checkpoint.step, size_bytes=checkpoint.size_bytes, sha256=checkpoint.sha256,
        )  # fmt: skip

    def _prune(self, newest: Checkpoint) -> None:
        """Older verified copies go, and so does what a killed controller left of a copy that nobody goes on with."""
        folder = self._context.folders.checkpoints(self._context.job_id)
        entries = [entry for entry in folder.iterdir() if entry.is_dir()]
        finished = sorted(
            (entry for entry in entries if not entry.name.startswith(".")),
            key=lambda entry: (entry.name == newest.name, entry.stat().st_mtime),
            reverse=True,
        )
        unfinished = [entry for entry in entries if entry.name.startswith(".") and not self._is_fetching(entry.name)]
        for entry in [*finished[_KEPT:], *unfinished]:
            shutil.rmtree(entry, ignore_errors=True)

    def _is_fetching(self, unfinished: str) -> bool:
        """True while a task of ours works at the checkpoint that this unfinished copy (`.incoming-NAME`) is one of."""
        context = self._context
        name = unfinished.partition("-")[2]
        instances = context.store.instances.of_job(context.job_id, gone=True)
        return any(context.tasks.busy(f"fetch:{instance.instance_id}:{name}") for instance in instances)
