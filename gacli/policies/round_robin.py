"""Policy `round-robin`: one site after the other, in the fleet's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gacli.core.decision import Decision
from gacli.core.snapshot import Snapshot
from gacli.policies.touring import answer, destinations, require_dwell


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundRobin:
    """Moves to the next site of the fleet after each dwell. dwell_s: time at a site, >= 0, on the job's clock."""

    dwell_s: float = 6 * 3600.0
    name: ClassVar[str] = "round-robin"

    def __post_init__(self) -> None:
        require_dwell(self.dwell_s)

    def decide(self, snapshot: Snapshot) -> Decision:
        """MOVE to the next site once the dwell is over; a job that nobody holds goes to the next that is free.

        Sites that cannot take the job or cannot be compared are passed over. Without a last site the first is next.
        """
        if snapshot.current is None:
            candidates = [view.site.name for view in snapshot.sites if view.available]
        else:
            others = destinations(snapshot, self.dwell_s)
            if isinstance(others, str):
                return answer(snapshot, self.name, None, others)
            candidates = [there.name for there in others]
        if not candidates:
            return answer(snapshot, self.name, None, "no site is available")
        order = [view.site.name for view in snapshot.sites]
        last = snapshot.current if snapshot.current is not None else snapshot.paused_at
        at = order.index(last) if last in order else -1
        target = min(candidates, key=lambda name: (order.index(name) - at - 1) % len(order))
        return answer(snapshot, self.name, target, f"{target} is next in the fleet")
