"""Policy `clairvoyant`: the plan of `forecast` with the truth for a forecast. The bound; only in simulations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gacli.core.decision import Foresight
from gacli.policies.planner import Planner


@dataclass(frozen=True, kw_only=True, slots=True)
class Clairvoyant(Planner):
    """Knows all that comes within its horizon; the least that can be emitted, but for what the planner rounds.

    Live nobody can tell it the truth: it then has no forecast and does what `hysteresis` would.
    """

    budget_percent: float = 200.0
    horizon_s: float = 336 * 3600.0
    name: ClassVar[str] = "clairvoyant"
    foresight: ClassVar[Foresight] = Foresight.PERFECT
