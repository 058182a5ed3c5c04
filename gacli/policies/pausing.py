"""Whether a job that should be paused can be."""

from __future__ import annotations

from collections.abc import Mapping

from gacli.core.decision import Action, Decision
from gacli.core.snapshot import Snapshot
from gacli.policies.deadlines import fits, lack, pause_loss_s, pause_slack_s


def pause_in_time(
    snapshot: Snapshot, policy: str, why: str, numbers: Mapping[str, float], *, budget_percent: float
) -> Decision:
    """PAUSE, or STAY where the pause would cost more time than deadline and budget allow, or nobody knows what."""
    obstacle = _obstacle(snapshot, budget_percent)
    if obstacle:
        reason = f"{why}, but {obstacle}"
        return Decision(at=snapshot.now, policy=policy, action=Action.STAY, reason=reason, numbers=numbers)
    return Decision(at=snapshot.now, policy=policy, action=Action.PAUSE, reason=why, numbers=numbers)


def _obstacle(snapshot: Snapshot, budget_percent: float) -> str:
    if snapshot.pause is None:
        return "what a pause costs is not known"
    loss_s, slack_s = pause_loss_s(snapshot, snapshot.pause), pause_slack_s(snapshot, budget_percent)
    return "" if fits(loss_s, slack_s) else lack(loss_s, slack_s)
