"""Policy `move-or-pause`: go to a cleaner site when that pays, else wait while every site is dirty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from gacli.core.decision import Action, Decision
from gacli.core.snapshot import Snapshot
from gacli.policies.deadlines import deadline_slack_s, fits, lack, pause_slack_s, require_budget
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.pausing import pause_in_time
from gacli.policies.placing import cleanest
from gacli.policies.present import Present, Unusable, contender, holder
from gacli.policies.resuming import blind, candidates, comparable, due, home, resume, resume_in_time, still, time_s
from gacli.policies.thresholds import require_thresholds
from gacli.policies.wording import intensity


@dataclass(frozen=True, kw_only=True, slots=True)
class MoveOrPause(Hysteresis):
    """Moves by the tests of `hysteresis`; pauses when no site within reach is at or below a threshold.

    pause_above_g_per_kwh, resume_below_g_per_kwh: of the grid, without PUE, 0 <= resume_below <= pause_above.
    budget_percent: time without training up to which pauses are allowed, in percent of the whole training, >= 0.
    """

    pause_above_g_per_kwh: float
    resume_below_g_per_kwh: float
    budget_percent: float = 200.0
    name: ClassVar[str] = "move-or-pause"

    @override
    def __post_init__(self) -> None:
        # Without arguments `super` would look for the class that `slots=True` has replaced.
        Hysteresis.__post_init__(self)
        require_thresholds(self.pause_above_g_per_kwh, self.resume_below_g_per_kwh)
        require_budget(self.budget_percent)

    @override
    def decide(self, snapshot: Snapshot) -> Decision:
        """MOVE as `hysteresis` would if the deadline allows it, else PAUSE if every site is dirty, else STAY.

        A paused job is resumed at the cleanest site at or below resume_below, or when no more time may be lost.
        """
        if snapshot.current is not None:
            return self._training(snapshot)
        if snapshot.paused_since is None:
            return cleanest(snapshot, policy=self.name)
        return self._paused(snapshot)

    def _training(self, snapshot: Snapshot) -> Decision:
        moving = Hysteresis.decide(self, snapshot)
        if moving.action is Action.MOVE:
            loss_s, slack_s = moving.numbers["downtime_s"], deadline_slack_s(snapshot)
            if fits(loss_s, slack_s):
                return moving
            return self._stay(snapshot, f"{moving.reason}; but {lack(loss_s, slack_s)}", moving.numbers)
        here = holder(snapshot)
        if isinstance(here, Unusable):
            return moving
        others = [contender(view, here, snapshot) for view in snapshot.sites if view is not here.view]
        reached = [here, *(there for there in others if isinstance(there, Present))]
        best = min(reached, key=lambda site: site.reading.intensity_g_per_kwh)
        limit = f"{self.pause_above_g_per_kwh:g} g/kWh"
        if best.reading.intensity_g_per_kwh <= self.pause_above_g_per_kwh:
            return moving
        why = f"all {len(reached)} sites within reach are above {limit}, {intensity(best.view.site, best.reading)}"
        numbers = {
            **moving.numbers,
            "current_g_per_kwh": here.reading.intensity_g_per_kwh,
            "lowest_g_per_kwh": best.reading.intensity_g_per_kwh,
            "pause_above_g_per_kwh": self.pause_above_g_per_kwh,
        }
        return pause_in_time(snapshot, self.name, why, numbers, budget_percent=self.budget_percent)

    def _paused(self, snapshot: Snapshot) -> Decision:
        site = home(snapshot)
        if site is None:
            return still(snapshot, self.name, "no site is available")
        slack_s = pause_slack_s(snapshot, self.budget_percent)
        if why := due(snapshot, slack_s, candidates(snapshot, site)) or blind(snapshot, site):
            return resume_in_time(snapshot, self.name, site, slack_s, why)
        sites = comparable(snapshot, site)
        if isinstance(sites, Unusable):
            return still(snapshot, self.name, sites.because)
        known = [there for there in sites if fits(time_s(snapshot, there.view), slack_s)]
        limit = f"{self.resume_below_g_per_kwh:g} g/kWh"
        clean = [there for there in known if there.reading.intensity_g_per_kwh <= self.resume_below_g_per_kwh]
        if not clean:
            lowest = min(known, key=lambda there: there.reading.intensity_g_per_kwh)
            why = (
                f"all {len(known)} sites within reach are above {limit}, {intensity(lowest.view.site, lowest.reading)}"
            )
            return still(snapshot, self.name, why, {"lowest_g_per_kwh": lowest.reading.intensity_g_per_kwh})
        best = min(clean, key=lambda there: there.rate_g_per_s)
        numbers = {
            "target_g_per_kwh": best.reading.intensity_g_per_kwh,
            "resume_below_g_per_kwh": self.resume_below_g_per_kwh,
        }
        why = f"{intensity(best.view.site, best.reading)} is at or below {limit}"
        return resume(snapshot, self.name, best.view, why, numbers)
