"""An open placement as the few stages that people think in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gacli.core.placement import PlacementState, path
from gacli.store import Store
from gacli.store.placements import PlacementRecord, Purpose

_S = PlacementState
# Name (`boot` includes the set-up), the state in which the stage begins, and the one that ends it.
_STAGES = (
    ("boot", _S.TARGET_REQUESTED, _S.TARGET_READY),
    ("checkpoint", _S.STOPPING, _S.STOPPED),
    ("copy", _S.COPYING, _S.VERIFIED),
    ("start", _S.STARTING, _S.CONFIRMED),
    ("release", _S.RELEASING_SOURCE, _S.FINISHED),
)


class Reached(StrEnum):
    DONE = "done"
    NOW = "now"
    LATER = "later"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """real_s: how long it took, or has taken so far; None before it began."""

    name: str
    reached: Reached
    real_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Underway:
    """The open placement. source and target are sites, None for a start and for a pause or an end."""

    purpose: Purpose
    source: str | None
    target: str | None
    reason: str
    stages: tuple[Stage, ...]


def underway(store: Store, record: PlacementRecord, now: datetime, scale: float) -> Underway:
    """scale: seconds of the job's clock per real second."""
    ahead = _ahead(record)
    stages = []
    for name, begin, end in _STAGES:
        began, ended = record.times.get(begin.value), record.times.get(end.value)
        if began is None and begin not in ahead:
            continue
        reached = Reached.LATER if began is None else Reached.NOW if ended is None else Reached.DONE
        spent_s = None if began is None else ((ended or now) - began).total_seconds() / scale
        stages.append(Stage(name=name, reached=reached, real_s=spent_s))
    return Underway(
        purpose=record.purpose,
        source=None if record.source_instance is None else store.instances.get(record.source_instance).site,
        target=record.target_site,
        reason=record.reason,
        stages=tuple(stages),
    )


def _ahead(record: PlacementRecord) -> frozenset[PlacementState]:
    """The states that it is to pass through when nothing fails."""
    has_source, has_target = record.source_instance is not None, record.target_site is not None
    if not (has_source or has_target):
        return frozenset()
    states = path(has_source=has_source, has_target=has_target, has_stored_checkpoint=record.checkpoint is not None)
    # A restart is on a machine that is there already.
    return frozenset(states) - ({_S.TARGET_REQUESTED} if record.purpose is Purpose.RESTART else set())
