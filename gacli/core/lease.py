"""When a lease proves that a trainer has stopped, on a machine that nobody can ask."""

from __future__ import annotations

# From the end of the grace period, with SIGTERM to all, to SIGKILL: the agent's.
_KILL_AFTER_S = 5.0
# Whoever enforces it looks every 0.1 s, may have to take the place of a dead agent, and is one of many on its machine.
_SLACK_S = 15.0
# By how much two computers' clocks may disagree on a duration; quartz is better by far, and so is a disciplined clock.
_DRIFT = 0.002


def proof_after_s(lease_s: float, grace_s: float) -> float:
    """Real seconds from the last word of a machine until its trainer has surely been stopped.

    When the lease is over the script is asked to save (at once), has the grace period, and is killed then.
    """
    return (lease_s + grace_s + _KILL_AFTER_S + _SLACK_S) * (1 + _DRIFT)
