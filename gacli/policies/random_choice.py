"""Policy `random`: another site every so often, drawn by lot. What any policy has to beat."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gacli.core.decision import Decision
from gacli.core.snapshot import Snapshot
from gacli.policies.touring import answer, destinations, require_dwell


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomChoice:
    """Moves to any other site after each dwell; the same seed at the same instant draws the same lot.

    seed: of the draw. dwell_s: time at a site, >= 0, on the job's clock.
    """

    seed: int = 0
    dwell_s: float = 6 * 3600.0
    name: ClassVar[str] = "random"

    def __post_init__(self) -> None:
        require_dwell(self.dwell_s)

    def decide(self, snapshot: Snapshot) -> Decision:
        """MOVE to one of the other sites once the dwell is over; a job that nobody holds goes to any that is free."""
        if snapshot.current is None:
            free = [view.site.name for view in snapshot.sites if view.available]
            if not free:
                return answer(snapshot, self.name, None, "no site is available")
            return self._drawn(snapshot, free)
        others = destinations(snapshot, self.dwell_s)
        if isinstance(others, str):
            return answer(snapshot, self.name, None, others)
        return self._drawn(snapshot, [there.name for there in others])

    def _drawn(self, snapshot: Snapshot, names: Sequence[str]) -> Decision:
        # A digest and no generator: the draw depends on seed and instant alone, whatever was asked before.
        digest = hashlib.sha256(f"{self.seed} {snapshot.now.timestamp():.6f}".encode()).digest()
        target = names[int.from_bytes(digest[:8]) % len(names)]
        return answer(snapshot, self.name, target, f"{target} was drawn from {len(names)} (seed {self.seed})")
