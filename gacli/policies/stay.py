"""Policy `stay`: never move. The baseline of every saving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gacli.core.decision import Action, Decision
from gacli.core.snapshot import Snapshot
from gacli.policies.placing import cleanest


@dataclass(frozen=True, kw_only=True, slots=True)
class Stay:
    """Keeps the job where it is; a job that no machine holds is placed at the cleanest site."""

    name: ClassVar[str] = "stay"

    def decide(self, snapshot: Snapshot) -> Decision:
        """STAY, or the placement of a job that nobody holds."""
        if snapshot.current is None:
            return cleanest(snapshot, policy=self.name)
        return Decision(at=snapshot.now, policy=self.name, action=Action.STAY, reason="the policy is to stay")
