"""Policy `performance-first`: where the job is done soonest, whatever it emits. The baseline of users in a hurry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gacli.core.decision import Action, Decision
from gacli.core.snapshot import Snapshot
from gacli.policies.deadlines import resumption_s
from gacli.policies.placing import cleanest
from gacli.policies.wording import duration


@dataclass(frozen=True, kw_only=True, slots=True)
class PerformanceFirst:
    """Never moves and never waits; a job that no machine holds goes to the site that is ready first."""

    name: ClassVar[str] = "performance-first"

    def decide(self, snapshot: Snapshot) -> Decision:
        """STAY; for a job that nobody holds MOVE to the available site with the shortest boot and restart.

        Ties go by the fleet's order. Training is taken to be as fast everywhere. Where no site's times are known the
        job is placed as by `cleanest`.
        """
        if snapshot.current is not None:
            return Decision(
                at=snapshot.now, policy=self.name, action=Action.STAY, reason="a move or a pause would only cost time"
            )
        times_s = {view.site.name: resumption_s(view.move) for view in snapshot.sites if view.available and view.move}
        if not times_s:
            return cleanest(snapshot, policy=self.name)
        target = min(times_s, key=lambda name: times_s[name])
        return Decision(
            at=snapshot.now,
            policy=self.name,
            action=Action.MOVE,
            target=target,
            reason=f"{target} is ready in {duration(times_s[target])}, as soon as any of {len(times_s)} available",
            numbers={"ready_s": times_s[target]},
        )
