"""Policy `pause-resume`: stop while the grid is dirty, go on when it is clean again, within a budget of time.

After TheGreenEpoch; docs/policies.md says what differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gacli.core.decision import Action, Decision
from gacli.core.snapshot import Snapshot
from gacli.policies.deadlines import overhead_s, pause_slack_s, require_budget
from gacli.policies.pausing import pause_in_time
from gacli.policies.placing import cleanest
from gacli.policies.present import Unusable, holder, present
from gacli.policies.resuming import blind, due, home, resume, still
from gacli.policies.thresholds import require_thresholds
from gacli.policies.wording import intensity


@dataclass(frozen=True, kw_only=True, slots=True)
class PauseResume:
    """Pauses above one intensity and resumes, at the same site, at or below another; never moves.

    pause_above_g_per_kwh: θp. resume_below_g_per_kwh: θr <= θp. Both of the grid, without PUE, 0 to
    MAX_INTENSITY_G_PER_KWH. budget_percent: time without training that is allowed, in percent of the whole training,
    >= 0: a pause that would exceed it is not made, and one ends before it does. A deadline limits pauses likewise.
    """

    pause_above_g_per_kwh: float
    resume_below_g_per_kwh: float
    budget_percent: float = 200.0
    name: ClassVar[str] = "pause-resume"

    def __post_init__(self) -> None:
        require_thresholds(self.pause_above_g_per_kwh, self.resume_below_g_per_kwh)
        require_budget(self.budget_percent)

    def decide(self, snapshot: Snapshot) -> Decision:
        """PAUSE above θp, MOVE (back) at or below θr or when no more time may be lost, else STAY."""
        if snapshot.current is not None:
            return self._training(snapshot)
        if snapshot.paused_since is None:
            return cleanest(snapshot, policy=self.name)
        return self._paused(snapshot)

    def _training(self, snapshot: Snapshot) -> Decision:
        here = holder(snapshot)
        if isinstance(here, Unusable):
            return self._stay(snapshot, here.because)
        now, limit = intensity(here.view.site, here.reading), f"{self.pause_above_g_per_kwh:g} g/kWh"
        numbers = self._numbers(snapshot, here.reading.intensity_g_per_kwh)
        if here.reading.intensity_g_per_kwh <= self.pause_above_g_per_kwh:
            return self._stay(snapshot, f"{now} is not above {limit}", numbers)
        why = f"{now} is above {limit}"
        return pause_in_time(snapshot, self.name, why, numbers, budget_percent=self.budget_percent)

    def _paused(self, snapshot: Snapshot) -> Decision:
        site = home(snapshot)
        if site is None:
            return still(snapshot, self.name, "no site is available")
        slack_s = pause_slack_s(snapshot, self.budget_percent)
        if why := due(snapshot, slack_s, [site]) or blind(snapshot, site):
            return resume(snapshot, self.name, site, why)
        known = present(site, snapshot.now, snapshot.max_reading_age_s)
        if isinstance(known, Unusable):
            return still(snapshot, self.name, known.because)
        now, limit = intensity(site.site, known.reading), f"{self.resume_below_g_per_kwh:g} g/kWh"
        numbers = self._numbers(snapshot, known.reading.intensity_g_per_kwh)
        if known.reading.intensity_g_per_kwh > self.resume_below_g_per_kwh:
            return still(snapshot, self.name, f"{now} is above {limit}", numbers)
        return resume(snapshot, self.name, site, f"{now} is at or below {limit}", numbers)

    def _numbers(self, snapshot: Snapshot, current_g_per_kwh: float) -> dict[str, float]:
        numbers = {
            "current_g_per_kwh": current_g_per_kwh,
            "pause_above_g_per_kwh": self.pause_above_g_per_kwh,
            "resume_below_g_per_kwh": self.resume_below_g_per_kwh,
        }
        spent_s = overhead_s(snapshot)
        return numbers if spent_s is None else numbers | {"overhead_s": spent_s}

    def _stay(self, snapshot: Snapshot, reason: str, numbers: dict[str, float] | None = None) -> Decision:
        return Decision(at=snapshot.now, policy=self.name, action=Action.STAY, reason=reason, numbers=numbers or {})
