"""Policy `greedy-carbon`: always where it is cleanest now, whatever the moves cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gacli.core.decision import Action, Decision
from gacli.core.snapshot import Snapshot
from gacli.policies.placing import cleanest
from gacli.policies.present import Present, Unusable, contender, holder
from gacli.policies.wording import intensity


@dataclass(frozen=True, kw_only=True, slots=True)
class GreedyCarbon:
    """Moves to the site with the lowest emissions per second, by no margin and after no dwell. Never waits."""

    name: ClassVar[str] = "greedy-carbon"

    def decide(self, snapshot: Snapshot) -> Decision:
        """MOVE to the cleanest site unless the job is there; ties go to the present site, then by the fleet's order."""
        if snapshot.current is None:
            return cleanest(snapshot, policy=self.name)
        here = holder(snapshot)
        if isinstance(here, Unusable):
            return Decision(at=snapshot.now, policy=self.name, action=Action.STAY, reason=here.because)
        others = [contender(view, here, snapshot) for view in snapshot.sites if view is not here.view]
        known = [here, *(there for there in others if isinstance(there, Present))]
        best = min(known, key=lambda site: site.rate_g_per_s)
        now = intensity(here.view.site, here.reading)
        numbers = {
            "current_g_per_kwh": here.reading.intensity_g_per_kwh,
            "target_g_per_kwh": best.reading.intensity_g_per_kwh,
        }
        if best is here:
            reason = f"{now} is the cleanest of {len(known)} that can be compared"
            return Decision(at=snapshot.now, policy=self.name, action=Action.STAY, reason=reason, numbers=numbers)
        return Decision(
            at=snapshot.now,
            policy=self.name,
            action=Action.MOVE,
            target=best.name,
            reason=f"{intensity(best.view.site, best.reading)} is the cleanest of {len(known)}; {now}",
            numbers=numbers,
        )
