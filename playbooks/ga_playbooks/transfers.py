"""A checkpoint straight from one machine to another: what the controller asks of either. See ga_playbooks.agent."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict

from ga_playbooks.agent.manifests import manifest_problem
from ga_playbooks.ask import HASHING_TIMEOUT_S, NotPrepared, ask
from ga_playbooks.layout import JobFolder
from ga_playbooks.messages import AdmitAnswer, Done, OfferAnswer, PushingAnswer, SettleAnswer
from gacli.core.job import Checkpoint
from gacli.errors import CheckpointInvalid, DiskFull, TransferUnreachable
from gacli.ports.host import Host, PeerAddress
from gacli.ports.machine import Offer, OnStep, StepProgress

ASK_EVERY_S = 0.5
"""How long the agent waits with its word on a copy that goes on; the end of one is told at once."""

STARTS = 3
"""A pusher that is killed is started again, but not for ever."""


def offer(host: Host, job_id: str, transfer_id: str, checkpoint: Checkpoint) -> Offer:
    """See Machine.offer."""
    arguments = ["offer", checkpoint.name, "--transfer", transfer_id]
    what = f"offering checkpoint {checkpoint.name}"
    answer = ask(host, JobFolder(job_id), *arguments, expect=OfferAnswer, what=what)
    if manifest_problem(answer.manifest) or answer.manifest["sha256"] != checkpoint.sha256:
        raise CheckpointInvalid(
            f"{host.label}: expected checkpoint {checkpoint.name} with digest {checkpoint.sha256[:12]}, "
            f"found {str(answer.manifest.get('sha256'))[:12]}",
            hint="The script has replaced it since it was listed; list the checkpoints again.",
        )
    return Offer(public_key=answer.public_key, manifest=answer.manifest)


def admit(host: Host, job_id: str, transfer_id: str, checkpoint: Checkpoint, offer: Offer) -> PeerAddress | None:
    """See Machine.admit."""
    address = host.peer_address()
    if address is None:
        raise TransferUnreachable(f"{host.label}: no other machine can reach it: the way there leads through this one")
    arguments = ["admit", checkpoint.name, "--transfer", transfer_id]
    answer = ask(
        host,
        JobFolder(job_id),
        *arguments,
        expect=AdmitAnswer,
        stdin={"manifest": dict(offer.manifest), "public_key": offer.public_key},
        timeout_s=HASHING_TIMEOUT_S,
        what=f"making ready for checkpoint {checkpoint.name}",
    )
    return None if answer.present else address


def push(
    host: Host,
    job_id: str,
    transfer_id: str,
    checkpoint: Checkpoint,
    peer: PeerAddress,
    on_step: OnStep,
    again: Sequence[str],
) -> None:
    """See Machine.push."""
    job, what = JobFolder(job_id), f"copying checkpoint {checkpoint.name}"
    request = {"peer": asdict(peer), "again": list(again)}
    for _ in range(STARTS):
        try:
            ask(host, job, "push", checkpoint.name, "--transfer", transfer_id, expect=Done, stdin=request, what=what)
        except DiskFull as error:
            raise TransferUnreachable(error.message) from error  # of the source, where it takes next to nothing
        if _followed(host, job, transfer_id, on_step, what):
            return
    raise TransferUnreachable(f"{host.label}: {what}: what copies was killed {STARTS} times")


def settle(host: Host, job_id: str, transfer_id: str, checkpoint: Checkpoint) -> tuple[str, ...]:
    """See Machine.settle."""
    answer = ask(
        host,
        JobFolder(job_id),
        "settle",
        checkpoint.name,
        "--transfer",
        transfer_id,
        expect=SettleAnswer,
        timeout_s=HASHING_TIMEOUT_S,
        what=f"verifying checkpoint {checkpoint.name}",
    )
    return tuple(answer.bad)


def revoke(host: Host, job_id: str, transfer_id: str) -> None:
    """See Machine.revoke."""
    with contextlib.suppress(NotPrepared):
        ask(
            host,
            JobFolder(job_id),
            "revoke",
            "--transfer",
            transfer_id,
            expect=Done,
            what="ending the copy between machines",
        )


def _followed(host: Host, job: JobFolder, transfer_id: str, on_step: OnStep, what: str) -> bool:
    """Until the copy has ended; False when whoever made it was killed."""
    arguments = ["--transfer", transfer_id, "--wait-s", str(ASK_EVERY_S)]
    while True:
        answer = ask(host, job, "pushing", *arguments, expect=PushingAnswer, what=what)
        if answer.total_bytes:
            done, total = float(answer.done_bytes), float(answer.total_bytes)
            on_step(StepProgress(what="copying checkpoint", done=done, total=total, unit="bytes", rate=answer.rate))
        if answer.state != "running":
            return answer.state == "done"
