"""The placement's state machine: how a job gets from an optional source to an optional target."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class PlacementState(StrEnum):
    """How far a placement is; a state is entered once its fact holds, its -ING states once their intent is recorded.

        move    PLANNED → TARGET_REQUESTED → TARGET_READY → STOPPING → STOPPED → COPYING → VERIFIED
                        → STARTING → CONFIRMED → RELEASING_SOURCE → FINISHED
        start   PLANNED → TARGET_REQUESTED → TARGET_READY → STARTING → CONFIRMED → FINISHED
        resume  PLANNED → TARGET_REQUESTED → TARGET_READY → COPYING → VERIFIED → STARTING → CONFIRMED → FINISHED
        restart PLANNED → TARGET_READY → STARTING → CONFIRMED → FINISHED
        pause   PLANNED → STOPPING → STOPPED → COPYING → VERIFIED → RELEASING_SOURCE → FINISHED

        PLANNED, TARGET_REQUESTED, TARGET_READY                → ABANDONED
        STOPPED, COPYING, VERIFIED, STARTING                   → FAILED

    A restart starts a crashed trainer again on the instance that is held, from the checkpoint that lies there.
    A resume is a start whose checkpoint is stored at the controller (after a pause, or when the source was lost).
    A move whose trainer turns out complete when it has stopped goes on as a pause does; its target is dropped.
    STOPPING has no way out but STOPPED: whoever has been asked to stop is waited for, since unreachable is not dead.
    CONFIRMED and RELEASING_SOURCE have none but forward: the source is no longer needed, whatever befalls the target.

    ABANDONED: the target is dropped, the source has not noticed. FAILED: the target is lost after the source stopped;
    the job is placed anew, from its newest verified checkpoint.
    """

    PLANNED = "planned"
    TARGET_REQUESTED = "target_requested"
    TARGET_READY = "target_ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    COPYING = "copying"
    VERIFIED = "verified"
    STARTING = "starting"
    CONFIRMED = "confirmed"
    RELEASING_SOURCE = "releasing_source"
    FINISHED = "finished"
    ABANDONED = "abandoned"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """True when nothing more will happen to the placement."""
        return not _NEXT[self]


_S = PlacementState
_NEXT: Final[Mapping[PlacementState, frozenset[PlacementState]]] = MappingProxyType(
    {
        _S.PLANNED: frozenset({_S.TARGET_REQUESTED, _S.TARGET_READY, _S.STOPPING, _S.ABANDONED}),
        _S.TARGET_REQUESTED: frozenset({_S.TARGET_READY, _S.ABANDONED}),
        _S.TARGET_READY: frozenset({_S.STOPPING, _S.COPYING, _S.STARTING, _S.ABANDONED}),
        _S.STOPPING: frozenset({_S.STOPPED}),
        _S.STOPPED: frozenset({_S.COPYING, _S.FAILED}),
        _S.COPYING: frozenset({_S.VERIFIED, _S.FAILED}),
        _S.VERIFIED: frozenset({_S.STARTING, _S.RELEASING_SOURCE, _S.FAILED}),
        _S.STARTING: frozenset({_S.CONFIRMED, _S.FAILED}),
        _S.CONFIRMED: frozenset({_S.RELEASING_SOURCE, _S.FINISHED}),
        _S.RELEASING_SOURCE: frozenset({_S.FINISHED}),
        _S.FINISHED: frozenset(),
        _S.ABANDONED: frozenset(),
        _S.FAILED: frozenset(),
    }
)

_TARGET_STEPS = (_S.TARGET_REQUESTED, _S.TARGET_READY)
_SOURCE_STEPS = (_S.STOPPING, _S.STOPPED)
_COPY_STEPS = (_S.COPYING, _S.VERIFIED)
_START_STEPS = (_S.STARTING, _S.CONFIRMED)


def next_states(state: PlacementState) -> frozenset[PlacementState]:
    """The states that may follow; empty for a final one."""
    return _NEXT[state]


def check_transition(old: PlacementState, new: PlacementState) -> None:
    """ValueError when `new` may not follow `old`. Staying in a state is no transition and not allowed either."""
    if new not in _NEXT[old]:
        allowed = ", ".join(sorted(_NEXT[old])) or "nothing: it is final"
        raise ValueError(f"a placement cannot go from {old} to {new}; allowed after {old}: {allowed}")


def path(*, has_source: bool, has_target: bool, has_stored_checkpoint: bool) -> tuple[PlacementState, ...]:
    """The states that a placement passes through when nothing fails, PLANNED to FINISHED.

    has_source: a machine holds the job now. has_target: it shall run on one afterwards. has_stored_checkpoint: the
    controller holds one (it matters only without a source, whose own newer checkpoint is copied otherwise).
    ValueError without source and target.
    """
    if not (has_source or has_target):
        raise ValueError("a placement needs a source, a target, or both")
    return (
        _S.PLANNED,
        *(_TARGET_STEPS if has_target else ()),
        *(_SOURCE_STEPS if has_source else ()),
        *(_COPY_STEPS if has_source or has_stored_checkpoint else ()),
        *(_START_STEPS if has_target else ()),
        *((_S.RELEASING_SOURCE,) if has_source else ()),
        _S.FINISHED,
    )
