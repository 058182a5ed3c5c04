"""A machine in memory, on any clock: the whole port without processes, for tests and for what-if runs."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from ga_playbooks.agent.files import write_json
from ga_playbooks.agent.manifests import manifest_digest
from ga_playbooks.ask import NotPrepared
from ga_playbooks.checkpoints import holds
from ga_playbooks.fake_trainer import Faults, ModelledRun, TrainerModel
from ga_playbooks.messages import PollAnswer, parse_poll
from gacli.core.job import Checkpoint
from gacli.core.limits import GpuLimit
from gacli.errors import (
    CheckpointInvalid,
    DiskFull,
    GaError,
    HostUnreachable,
    LockHeld,
    StaleGeneration,
    TransferUnreachable,
)
from gacli.ports.clock import Clock
from gacli.ports.host import PeerAddress
from gacli.ports.machine import Machine, Offer, OnStep, Poll, StartSpec, StepProgress, WorkSpec

_FILE = "model.bin"
_COPY_PARTS = 4


@dataclass(kw_only=True)
class FakeJob:
    """A job's folder on a fake disk. checkpoints: steps by name.

    Of a transfer: keys that were made here, keys that are let in, and what has arrived: whether it is whole, by name.
    """

    checkpoints: dict[str, int] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    admitted: set[str] = field(default_factory=set)
    arrived: dict[str, bool] = field(default_factory=dict)
    runs: dict[int, ModelledRun] = field(default_factory=dict)
    generation: int = 0


@dataclass(kw_only=True)
class FakeDisk:
    """All that a machine remembers and runs: a new FakeMachine on the same disk is the same machine reached again.

    address: where other machines find it among `peers`, which the machines of one network share; empty: nowhere.
    """

    free_bytes: int = 1 << 40
    address: str = ""
    peers: dict[str, FakeDisk] = field(default_factory=dict, repr=False, compare=False)
    faults: Faults = field(default_factory=Faults)
    jobs: dict[str, FakeJob] = field(default_factory=dict)


class FakeMachine(Machine):
    """Generation fencing, lock, telemetry, grace period and checkpoints as the agent has them; see Faults."""

    def __init__(self, clock: Clock, model: TrainerModel, disk: FakeDisk, label: str = "fake") -> None:
        self._clock = clock
        self._model = model
        self._disk = disk
        self._label = label

    @override
    def prepare(self, work: WorkSpec, on_step: OnStep) -> None:
        self._reach()
        if self._disk.free_bytes < work.min_free_bytes:
            raise DiskFull(f"{self._label}: expected {work.min_free_bytes} free bytes, found {self._disk.free_bytes}")
        if work.job_id not in self._disk.jobs:
            on_step(StepProgress(what="setting up"))
            self._clock.wait(self._model.setup_s)
            self._reach()
            self._disk.jobs[work.job_id] = FakeJob()

    @override
    def start(self, work: WorkSpec, start: StartSpec) -> None:
        job = self._job(work.job_id)
        present = job.runs.get(start.generation)
        if start.generation < job.generation or (present is not None and present.exit is not None):
            raise StaleGeneration(f"{self._label}: generation {job.generation} has already been started or has ended")
        if present is not None:
            return
        if self._alive(job):
            raise LockHeld(f"{self._label}: a trainer of generation {job.generation} is alive")

        def saved(step: int) -> str:
            name = f"step-{step:09d}"
            job.checkpoints[name] = step
            return name

        self._end_transfers(job)
        job.generation = start.generation
        job.runs[start.generation] = ModelledRun(
            model=self._model,
            faults=self._disk.faults,
            spec=start,
            first_step=max(job.checkpoints.values(), default=0),
            started_s=self._clock.epoch_s(),
            saved=saved,
        )

    @override
    def poll(self, job_id: str, generation: int, after_seq: int, heard_s: float | None = None) -> Poll:
        job = self._job(job_id)
        run = job.runs.get(generation)
        if run is not None and heard_s is not None:
            run.heard(heard_s)
        records = run.records if run else []
        answer = PollAnswer(
            generation=generation,
            agent_alive=run is not None and run.exit is None,
            lock_held=self._alive(job),
            exit=run.exit if run else None,
            last_seq=len(records),
            clock_s=self._clock.epoch_s(),
            preemption_at_s=self._disk.faults.preempted_at_s,
            records=records[after_seq:],
            through=len(records),
            more=False,
        )
        return parse_poll([answer], where=self._label)

    @override
    def request_stop(self, job_id: str, generation: int, *, signal: str, grace_s: float) -> None:
        run = self._job(job_id).runs.get(generation)
        if run is None:
            raise GaError(f"{self._label}: stopping generation {generation}: it was never started here")
        run.request_stop(self._clock.epoch_s(), signal_name=signal, grace_s=grace_s)

    @override
    def limit(self, job_id: str, generation: int, limit: GpuLimit) -> None:
        run = self._job(job_id).runs.get(generation)
        if run is None:
            raise GaError(f"{self._label}: limiting generation {generation}: it was never started here")
        run.limit(limit)

    @override
    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        try:
            job = self._job(job_id)
        except NotPrepared:
            return []
        newest_first = sorted(job.checkpoints.items(), key=lambda item: item[1], reverse=True)
        return [self._describe(name, step) for name, step in newest_first]

    @override
    def fetch_checkpoint(self, job_id: str, checkpoint: Checkpoint, into: Path, on_step: OnStep) -> None:
        if self._job(job_id).checkpoints.get(checkpoint.name) != checkpoint.step:
            raise CheckpointInvalid(f"{self._label}: expected checkpoint {checkpoint.name}, found none")
        if holds(into / checkpoint.name, checkpoint):
            return
        self._copy(checkpoint, on_step)
        incoming = into / f".incoming-{checkpoint.name}"
        incoming.mkdir(parents=True, exist_ok=True)
        (incoming / _FILE).write_bytes(self._content(checkpoint.step))
        write_json(str(incoming / "manifest.json"), self._manifest(checkpoint.step))
        shutil.rmtree(into / checkpoint.name, ignore_errors=True)
        incoming.rename(into / checkpoint.name)

    @override
    def send_checkpoint(self, job_id: str, checkpoint: Checkpoint, source: Path, on_step: OnStep) -> None:
        job = self._job(job_id)
        if not holds(source / checkpoint.name, checkpoint):
            raise CheckpointInvalid(f"{source / checkpoint.name}: it is not checkpoint {checkpoint.sha256[:12]}")
        if checkpoint.size_bytes > self._disk.free_bytes:
            raise DiskFull(f"{self._label}: expected {checkpoint.size_bytes} free bytes for {checkpoint.name}")
        if job.checkpoints.get(checkpoint.name) != checkpoint.step:
            self._copy(checkpoint, on_step)
        self._accept(job, checkpoint)

    @override
    def offer(self, job_id: str, transfer_id: str, checkpoint: Checkpoint) -> Offer:
        job = self._job(job_id)
        if job.checkpoints.get(checkpoint.name) != checkpoint.step:
            raise CheckpointInvalid(f"{self._label}: expected checkpoint {checkpoint.name}, found none")
        key = f"key of {self._label} for {transfer_id}"
        job.keys = {key}
        return Offer(public_key=key, manifest=self._manifest(checkpoint.step))

    @override
    def admit(self, job_id: str, transfer_id: str, checkpoint: Checkpoint, offer: Offer) -> PeerAddress | None:
        job = self._job(job_id)
        if not self._disk.address:
            raise TransferUnreachable(f"{self._label}: no other machine can reach it")
        if job.checkpoints.get(checkpoint.name) == checkpoint.step:
            self._accept(job, checkpoint)
            return None
        if checkpoint.size_bytes > self._disk.free_bytes:
            raise DiskFull(f"{self._label}: expected {checkpoint.size_bytes} free bytes for {checkpoint.name}")
        job.admitted = {offer.public_key}
        return PeerAddress(hostname=self._disk.address, port=22, user="fake", host_keys=("fake",))

    @override
    def push(
        self,
        job_id: str,
        transfer_id: str,
        checkpoint: Checkpoint,
        peer: PeerAddress,
        on_step: OnStep,
        again: Sequence[str] = (),
    ) -> None:
        job, faults = self._job(job_id), self._disk.faults
        if again and faults.corrupt_checkpoints:
            raise CheckpointInvalid(f"{self._label}: checkpoint {checkpoint.name}: {_FILE} is damaged here")
        target = self._disk.peers.get(peer.hostname)
        there = None if target is None or target.faults.unreachable else target.jobs.get(job_id)
        if target is None or there is None or target.faults.hidden_from_peers or not job.keys & there.admitted:
            raise TransferUnreachable(f"{self._label}: {peer.hostname} does not let it in")
        self._carry(checkpoint, on_step)
        if target.faults.cut_arrivals > 0:
            target.faults.cut_arrivals -= 1
            raise TransferUnreachable(f"{self._label}: the connection to {peer.hostname} was lost")
        damaged = target.faults.corrupt_arrivals > 0
        target.faults.corrupt_arrivals -= damaged
        there.arrived[checkpoint.name] = not (
            damaged or faults.corrupt_checkpoints or target.faults.corrupt_checkpoints
        )

    @override
    def settle(self, job_id: str, transfer_id: str, checkpoint: Checkpoint) -> tuple[str, ...]:
        job = self._job(job_id)
        if not job.admitted:
            raise TransferUnreachable(f"{self._label}: nothing was let in")
        if not job.arrived.pop(checkpoint.name, False):
            return (_FILE,)
        self._accept(job, checkpoint)
        return ()

    @override
    def revoke(self, job_id: str, transfer_id: str) -> None:
        with contextlib.suppress(NotPrepared):
            job = self._job(job_id)
            for keys in (job.keys, job.admitted):
                keys.difference_update({key for key in keys if key.endswith(f" {transfer_id}")})

    @override
    def logs(self, job_id: str, generation: int, offset: int, limit: int) -> bytes:
        run = self._job(job_id).runs.get(generation)
        return run.log[offset : offset + limit] if run else b""

    @override
    def teardown(self, job_id: str) -> None:
        self._reach()
        self._disk.jobs.pop(job_id, None)

    @override
    def close(self) -> None:
        """Nothing is held open."""

    def _reach(self) -> None:
        if self._disk.faults.unreachable:
            raise HostUnreachable(f"{self._label}: no answer")

    def _job(self, job_id: str) -> FakeJob:
        """The job's folder, with everything that has happened there up to now."""
        self._reach()
        if job_id not in self._disk.jobs:
            raise NotPrepared(
                f"{self._label}: the job has no folder on this machine", hint="Prepare the machine first."
            )
        job = self._disk.jobs[job_id]
        for run in job.runs.values():
            run.advance(self._clock.epoch_s())
        return job

    @staticmethod
    def _alive(job: FakeJob) -> bool:
        return any(run.exit is None for run in job.runs.values())

    @staticmethod
    def _end_transfers(job: FakeJob) -> None:
        job.keys.clear()
        job.admitted.clear()

    def _accept(self, job: FakeJob, checkpoint: Checkpoint) -> None:
        """As the agent does: a newer one is of a generation that was given up."""
        kept = {name: step for name, step in job.checkpoints.items() if step < checkpoint.step}
        job.checkpoints = {**kept, checkpoint.name: checkpoint.step}
        self._end_transfers(job)

    def _copy(self, checkpoint: Checkpoint, on_step: OnStep) -> None:
        self._carry(checkpoint, on_step)
        if self._disk.faults.corrupt_checkpoints:
            raise CheckpointInvalid(f"{self._label}: checkpoint {checkpoint.name}: {_FILE} differs from its manifest")

    def _carry(self, checkpoint: Checkpoint, on_step: OnStep) -> None:
        rate = self._model.copy_bytes_per_s
        for part in range(1, _COPY_PARTS + 1):
            self._clock.wait(checkpoint.size_bytes / rate / _COPY_PARTS)
            self._reach()
            done = checkpoint.size_bytes * part / _COPY_PARTS
            total = float(checkpoint.size_bytes)
            on_step(StepProgress(what="copying checkpoint", done=done, total=total, unit="bytes", rate=rate))

    def _content(self, step: int) -> bytes:
        """Equal steps have equal weights: the modelled training is exact."""
        line = f"weights after step {step}\n".encode()
        return (line * (self._model.checkpoint_bytes // len(line) + 1))[: self._model.checkpoint_bytes]

    def _manifest(self, step: int) -> dict[str, object]:
        content = self._content(step)
        files = [{"path": _FILE, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}]
        return {"format": 1, "step": step, "files": files, "sha256": manifest_digest(files)}

    def _describe(self, name: str, step: int) -> Checkpoint:
        digest = str(self._manifest(step)["sha256"])
        return Checkpoint(name=name, step=step, sha256=digest, size_bytes=self._model.checkpoint_bytes, files=1)
