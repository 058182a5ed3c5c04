"""The playbooks on a machine that a transport reaches. Each step of a job's life is a module of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from ga_playbooks import checkpoints, prepare, supervise, teardown, transfers
from gacli.core.job import Checkpoint
from gacli.core.limits import GpuLimit
from gacli.ports.host import Host, PeerAddress
from gacli.ports.machine import Machine, Offer, OnStep, Poll, StartSpec, WorkSpec


class RemoteMachine(Machine):
    """A machine with the agent on it. Holds no state: everything is on the machine, whoever asks."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @override
    def prepare(self, work: WorkSpec, on_step: OnStep) -> None:
        prepare.prepare(self._host, work, on_step)

    @override
    def start(self, work: WorkSpec, start: StartSpec) -> None:
        supervise.start(self._host, work, start)

    @override
    def poll(self, job_id: str, generation: int, after_seq: int, heard_s: float | None = None) -> Poll:
        return supervise.poll(self._host, job_id, generation, after_seq, heard_s)

    @override
    def request_stop(self, job_id: str, generation: int, *, signal: str, grace_s: float) -> None:
        supervise.request_stop(self._host, job_id, generation, signal=signal, grace_s=grace_s)

    @override
    def limit(self, job_id: str, generation: int, limit: GpuLimit) -> None:
        supervise.limit(self._host, job_id, generation, limit)

    @override
    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        return checkpoints.checkpoints(self._host, job_id)

    @override
    def fetch_checkpoint(self, job_id: str, checkpoint: Checkpoint, into: Path, on_step: OnStep) -> None:
        checkpoints.fetch(self._host, job_id, checkpoint, into, on_step)

    @override
    def send_checkpoint(self, job_id: str, checkpoint: Checkpoint, source: Path, on_step: OnStep) -> None:
        checkpoints.send(self._host, job_id, checkpoint, source, on_step)

    @override
    def offer(self, job_id: str, transfer_id: str, checkpoint: Checkpoint) -> Offer:
        return transfers.offer(self._host, job_id, transfer_id, checkpoint)

    @override
    def admit(self, job_id: str, transfer_id: str, checkpoint: Checkpoint, offer: Offer) -> PeerAddress | None:
        return transfers.admit(self._host, job_id, transfer_id, checkpoint, offer)

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
        transfers.push(self._host, job_id, transfer_id, checkpoint, peer, on_step, again)

    @override
    def settle(self, job_id: str, transfer_id: str, checkpoint: Checkpoint) -> tuple[str, ...]:
        return transfers.settle(self._host, job_id, transfer_id, checkpoint)

    @override
    def revoke(self, job_id: str, transfer_id: str) -> None:
        transfers.revoke(self._host, job_id, transfer_id)

    @override
    def logs(self, job_id: str, generation: int, offset: int, limit: int) -> bytes:
        return supervise.logs(self._host, job_id, generation, offset, limit)

    @override
    def teardown(self, job_id: str) -> None:
        teardown.teardown(self._host, job_id)

    @override
    def close(self) -> None:
        self._host.close()
