"""Takes a checkpoint straight from one machine to another, step by step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from gacli.core.job import Checkpoint
from gacli.errors import (
    AuthenticationFailed,
    CheckpointInvalid,
    DiskFull,
    GaError,
    HostKeyChanged,
    HostUnreachable,
    PeerKeyChanged,
    TransferUnreachable,
)
from gacli.ports.machine import Machine, OnStep

T = TypeVar("T")

# A copy that arrives damaged this often, from a source that is sound, had better go another way.
_ATTEMPTS = 3

# What says that the controller does not reach a machine, and nothing about the machine's own ways.
_NO_ANSWER = (HostUnreachable, HostKeyChanged, AuthenticationFailed)


class TargetFailed(GaError):
    """The target cannot take the checkpoint, on whatever way. error: what it said."""

    def __init__(self, error: GaError) -> None:
        super().__init__(error.message, hint=error.hint)
        self.error = error


@dataclass(frozen=True, kw_only=True, slots=True)
class Detour:
    """There is no straight way. suspicious: somebody else than the target may have answered the source."""

    because: str
    suspicious: bool = False


def move(
    source: Machine, target: Machine, job_id: str, transfer_id: str, checkpoint: Checkpoint, on_step: OnStep
) -> Detour | None:
    """Blocks until the target holds the checkpoint, verified (None), or there is no way from here to there.

    May be repeated, also by another process after a crash: it goes on where it was. Raises TargetFailed, and
    CheckpointInvalid when the source's own is damaged. When the source does not answer it raises what that says, and
    the copy goes on meanwhile; in every other case neither machine keeps a key.
    """
    try:
        detour = _moved(source, target, job_id, transfer_id, checkpoint, on_step)
    except _NO_ANSWER:
        raise
    except (TargetFailed, CheckpointInvalid):
        _revoke(target, source, job_id, transfer_id)
        raise
    except GaError as error:
        detour = Detour(because=error.message, suspicious=isinstance(error, PeerKeyChanged))
    if detour is None:
        # The target has forgotten the key already; the other half is good for nothing any more.
        with suppress(GaError):
            source.revoke(job_id, transfer_id)
        return None
    _revoke(target, source, job_id, transfer_id)
    return detour


def _moved(
    source: Machine, target: Machine, job_id: str, transfer_id: str, checkpoint: Checkpoint, on_step: OnStep
) -> Detour | None:
    offer = source.offer(job_id, transfer_id, checkpoint)
    peer = _at_target(lambda: target.admit(job_id, transfer_id, checkpoint, offer))
    if peer is None:
        return None
    bad: tuple[str, ...] = ()
    for _ in range(_ATTEMPTS):
        try:
            source.push(job_id, transfer_id, checkpoint, peer, on_step, bad)
        except DiskFull as error:
            raise TargetFailed(error) from error
        bad = _at_target(lambda: target.settle(job_id, transfer_id, checkpoint))
        if not bad:
            return None
    return Detour(because=f"{', '.join(bad[:3])} arrived damaged {_ATTEMPTS} times")


def _at_target(call: Callable[[], T]) -> T:
    try:
        return call()
    except TransferUnreachable:
        raise
    except GaError as error:
        raise TargetFailed(error) from error


def _revoke(target: Machine, source: Machine, job_id: str, transfer_id: str) -> None:
    """The target's half first. One that cannot be asked forgets its keys with its next trainer, or with the job."""
    for machine in (target, source):
        with suppress(GaError):
            machine.revoke(job_id, transfer_id)
