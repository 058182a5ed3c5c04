"""Policy `forecast`: plans days ahead on the forecast and its intervals, and takes the plan's first step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from gacli.core.decision import Foresight
from gacli.policies.planner import Planner


@dataclass(frozen=True, kw_only=True, slots=True)
class ForecastPlan(Planner):
    """Receding horizon: at every poll all sites and hours ahead are weighed anew, with what moves and pauses cost.

    caution: how far a forecast is taken to err to the dirty side, 0 (not at all) to 1 (to the end of its 50 %
    interval), so that what is uncertain has to promise more. The other parameters are those of `Planner`.
    """

    caution: float = 0.25
    name: ClassVar[str] = "forecast"
    foresight: ClassVar[Foresight] = Foresight.FORECAST

    @override
    def __post_init__(self) -> None:
        # Without arguments `super` would look for the class that `slots=True` has replaced.
        Planner.__post_init__(self)
        if not (math.isfinite(self.caution) and 0 <= self.caution <= 1):
            raise ValueError(f"caution must be at least 0 and at most 1, found {self.caution}")

    @override
    def doubt(self) -> float:
        """The caution."""
        return self.caution
