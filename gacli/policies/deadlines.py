"""How much time a job can lose and still end when it has to: what pauses and moves may use."""

from __future__ import annotations

import math

from gacli.core.snapshot import MoveCost, PauseCost, Snapshot
from gacli.policies.wording import duration

# Instants are exact to the microsecond: what is late by less is on time.
_TOLERANCE_S = 5e-7


def deadline_slack_s(snapshot: Snapshot) -> float:
    """Seconds without training that the deadline still allows; negative when it cannot be kept any more.

    slack = deadline − now − remaining_s − saves_left_s. inf without a deadline; −inf when there is one and the time
    that remains is not known, so that nothing is put at risk.
    """
    if snapshot.deadline is None:
        return math.inf
    if snapshot.remaining_s is None:
        return -math.inf
    left_s = (snapshot.deadline - snapshot.now).total_seconds()
    return left_s - snapshot.remaining_s - snapshot.saves_left_s


def overhead_s(snapshot: Snapshot) -> float | None:
    """Seconds since the job's start in which no step was made; None when the job's length or start are not known."""
    if snapshot.started_at is None or snapshot.total_s is None or snapshot.remaining_s is None:
        return None
    elapsed_s = (snapshot.now - snapshot.started_at).total_seconds()
    return elapsed_s - (snapshot.total_s - snapshot.remaining_s)


def budget_slack_s(snapshot: Snapshot, budget_percent: float) -> float:
    """Seconds without training that the budget still allows; negative when it is used up.

    slack = total_s × budget_percent / 100 − overhead. Where the overhead is not known, a deadline has to do as the only
    limit (inf), and without one nothing may be spent (−inf).
    """
    spent_s = overhead_s(snapshot)
    if spent_s is None or snapshot.total_s is None:
        return -math.inf if snapshot.deadline is None else math.inf
    return snapshot.total_s * budget_percent / 100.0 - spent_s


def pause_slack_s(snapshot: Snapshot, budget_percent: float) -> float:
    """Seconds without training that both the deadline and the budget still allow."""
    return min(deadline_slack_s(snapshot), budget_slack_s(snapshot, budget_percent))


def pause_loss_s(snapshot: Snapshot, pause: PauseCost) -> float:
    """The least that a pause costs: its checkpoint, up to the first poll after it, and the resumption decided then."""
    polls = max(math.ceil((pause.save_s - _TOLERANCE_S) / snapshot.poll_s), 1)
    return polls * snapshot.poll_s + pause.resume_s


def resumption_s(cost: MoveCost) -> float:
    """From the decision to resume a paused job at a site until its next step."""
    return cost.boot_s + cost.downtime_s


def fits(loss_s: float, slack_s: float) -> bool:
    """Whether so much may be lost."""
    return loss_s <= slack_s + _TOLERANCE_S


def lack(loss_s: float, slack_s: float) -> str:
    """Half a sentence for a loss that does not fit."""
    if slack_s == -math.inf:
        return "how much time the job may lose is not known"
    return f"that takes {duration(loss_s)} of the {duration(max(slack_s, 0.0))} that may be lost"


def require_budget(budget_percent: float) -> None:
    """ValueError unless the budget is a finite percentage of at least 0."""
    if not (math.isfinite(budget_percent) and budget_percent >= 0):
        raise ValueError(f"budget_percent must be finite and at least 0, found {budget_percent}")
