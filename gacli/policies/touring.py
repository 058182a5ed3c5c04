"""What the policies have in common that move by the clock, not by carbon: when, and where they could go."""

from __future__ import annotations

import math

from gacli.core.decision import Action, Decision
from gacli.core.snapshot import Snapshot
from gacli.policies.present import Present, Unusable, contender, holder
from gacli.policies.wording import duration


def destinations(snapshot: Snapshot, dwell_s: float) -> list[Present] | str:
    """Where a job that trains may go after its dwell, in the fleet's order, or why it stays.

    Only sites that could be compared with the present one: the rules that keep bad data from causing a move hold for
    policies that look at no intensity, too, so that they differ from the others by nothing but their choice.
    """
    here = holder(snapshot)
    if isinstance(here, Unusable):
        return here.because
    if snapshot.held_since is None:
        return "it is not known since when the job is here"
    held_s = (snapshot.now - snapshot.held_since).total_seconds()
    if held_s < dwell_s:
        return f"here for {duration(held_s)} of {duration(dwell_s)} dwell"
    others = [contender(view, here, snapshot) for view in snapshot.sites if view is not here.view]
    known = [there for there in others if isinstance(there, Present)]
    if known:
        return known
    excluded = "; ".join(other.because for other in others if isinstance(other, Unusable))
    return f"no other site to go to ({excluded or 'the fleet has one site'})"


def answer(snapshot: Snapshot, policy: str, target: str | None, reason: str) -> Decision:
    """MOVE to `target`, STAY without one."""
    return Decision(
        at=snapshot.now,
        policy=policy,
        action=Action.STAY if target is None else Action.MOVE,
        target=target,
        reason=reason,
    )


def require_dwell(dwell_s: float) -> None:
    """ValueError unless the dwell is finite and at least 0."""
    if not (math.isfinite(dwell_s) and dwell_s >= 0):
        raise ValueError(f"dwell_s must be finite and at least 0, found {dwell_s}")
