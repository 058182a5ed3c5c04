"""What `forecast` and `clairvoyant` have in common: at every poll a plan to the end; its first step is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from gacli.core.decision import Action, Decision, Foresight
from gacli.core.snapshot import Snapshot
from gacli.policies.deadlines import (
    deadline_slack_s,
    fits,
    lack,
    pause_loss_s,
    pause_slack_s,
    require_budget,
)
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.placing import cleanest
from gacli.policies.present import Present, Unusable, contender, holder
from gacli.policies.prospects import Prospect, prospect
from gacli.policies.resuming import blind, candidates, comparable, due, home, resume, resume_in_time, still, time_s
from gacli.policies.wording import grams

if TYPE_CHECKING:
    from gacli.core.plan_terms import Options

# A plan looks at least so far ahead, or to the latest end of the job: with less, present intensities say as much.
_LEAST_REACH_S = 6 * 3600.0
# What rounding can make of nothing is no reason to move or to pause.
_LEAST_GAIN = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Planner:
    """Takes the first step of the plan that emits least: stay, move, pause, resume.

    budget_percent: time without training up to which pauses are allowed, in percent of the whole training, >= 0.
    max_moves: moves of the job in all, >= 0; resuming at another site is one. horizon_s: how far ahead is planned at
    most, on the job's clock, at least an hour.
    """

    budget_percent: float = 100.0
    max_moves: int = 50
    horizon_s: float = 96 * 3600.0
    name: ClassVar[str] = "planner"
    foresight: ClassVar[Foresight] = Foresight.FORECAST

    def __post_init__(self) -> None:
        require_budget(self.budget_percent)
        if self.max_moves < 0:
            raise ValueError(f"max_moves must be at least 0, found {self.max_moves}")
        if not (math.isfinite(self.horizon_s) and self.horizon_s >= 3600):
            raise ValueError(f"horizon_s must be finite and at least 3600, found {self.horizon_s}")

    def decide(self, snapshot: Snapshot) -> Decision:
        """MOVE, PAUSE or STAY, whichever begins the plan that emits least; a deadline is never put at risk.

        Without what a plan rests on a job that trains is moved as `hysteresis` would, and a paused one goes on.
        """
        if snapshot.current is not None:
            return self._training(snapshot)
        if snapshot.paused_since is None:
            return cleanest(snapshot, policy=self.name)
        return self._paused(snapshot)

    def doubt(self) -> float:
        """How far what comes is taken to err to the dirty side: 0 not at all, 1 to the end of the 50 % interval."""
        return 0.0

    def _training(self, snapshot: Snapshot) -> Decision:
        here = holder(snapshot)
        if isinstance(here, Unusable):
            return self._stay(snapshot, here.because)
        others = [contender(view, here, snapshot) for view in snapshot.sites if view is not here.view]
        deadline_s = deadline_slack_s(snapshot)
        slack_s = pause_slack_s(snapshot, self.budget_percent)
        may_pause = snapshot.pause is not None and fits(pause_loss_s(snapshot, snapshot.pause), slack_s)
        slack_s = max(slack_s if may_pause else deadline_s, 0.0)
        sites = self._prospects(snapshot, here, [there for there in others if isinstance(there, Present)], slack_s)
        if isinstance(sites, Unusable):
            return self._without_plan(snapshot, sites.because)
        if len(sites) == 1 and not may_pause:
            return self._stay(snapshot, "there is nowhere else to go, and no time to pause")
        options = self._options(snapshot, sites, slack_s, may_pause=may_pause)
        moves = {
            there.name: planned_g
            for there, planned_g in zip(sites, options.move_g, strict=True)
            if math.isfinite(planned_g) and there.view.move is not None and fits(there.view.move.downtime_s, deadline_s)
        }
        return self._best(snapshot, options, moves)

    def _best(self, snapshot: Snapshot, options: Options, moves: dict[str, float]) -> Decision:
        target = min(moves, key=lambda name: moves[name], default=None)
        move_g = math.inf if target is None else moves[target]
        least_g = min(move_g, options.pause_g)
        numbers = {
            name: value
            for name, value in {
                "planned_stay_g": options.stay_g,
                "planned_move_g": move_g,
                "planned_pause_g": options.pause_g,
            }.items()
            if math.isfinite(value)
        }
        if not least_g < options.stay_g * (1 - _LEAST_GAIN):
            return self._stay(snapshot, _balance("going on", options.stay_g, "acting", least_g), numbers)
        if target is not None and move_g <= options.pause_g:
            reason = _balance(f"moving to {target}", move_g, "going on", options.stay_g)
            return Decision(
                at=snapshot.now, policy=self.name, action=Action.MOVE, target=target, reason=reason, numbers=numbers
            )
        reason = _balance("pausing", options.pause_g, "going on", options.stay_g)
        return Decision(at=snapshot.now, policy=self.name, action=Action.PAUSE, reason=reason, numbers=numbers)

    def _paused(self, snapshot: Snapshot) -> Decision:
        site = home(snapshot)
        if site is None:
            return still(snapshot, self.name, "no site is available")
        slack_s = pause_slack_s(snapshot, self.budget_percent)
        if why := blind(snapshot, site):
            return resume_in_time(snapshot, self.name, site, slack_s, why)
        late = due(snapshot, slack_s, candidates(snapshot, site))
        known = comparable(snapshot, site)
        if late and isinstance(known, Unusable):
            return resume_in_time(snapshot, self.name, site, slack_s, late)
        if isinstance(known, Unusable):
            return still(snapshot, self.name, known.because)
        left_s = max(slack_s, 0.0)
        sites = self._prospects(snapshot, known[0], known[1:], left_s)
        if isinstance(sites, Unusable):
            why = late or f"there is nothing to wait by, {sites.because}"
            return resume_in_time(snapshot, self.name, site, slack_s, why)
        options = self._options(snapshot, sites, left_s, may_pause=True)
        moves = {
            there.name: planned_g
            for there, planned_g in zip(sites, options.move_g, strict=True)
            if math.isfinite(planned_g) and fits(time_s(snapshot, there.view), slack_s)
        }
        if not moves:
            return resume_in_time(snapshot, self.name, site, slack_s, late or "no plan that waits is in time")
        target = min(moves, key=lambda name: moves[name])
        if late:
            # There may be no time to move on from there: what is to come counts, not what is cleanest now.
            return resume(snapshot, self.name, snapshot.view(target), late, {"planned_resume_g": moves[target]})
        numbers = {"planned_resume_g": moves[target]}
        if math.isfinite(options.stay_g):
            numbers["planned_wait_g"] = options.stay_g
        if options.stay_g < moves[target] * (1 - _LEAST_GAIN):
            return still(snapshot, self.name, _balance("waiting", options.stay_g, "going on", moves[target]), numbers)
        why = _balance("going on", moves[target], "waiting", options.stay_g)
        return resume(snapshot, self.name, snapshot.view(target), why, numbers)

    def _prospects(
        self, snapshot: Snapshot, here: Present, others: Sequence[Present], slack_s: float
    ) -> list[Prospect] | Unusable:
        """The place of the job first, then all others that a plan may use, or why there can be none."""
        if snapshot.remaining_s is None:
            return Unusable(because="the time that remains is not known")
        work_s = snapshot.remaining_s + snapshot.saves_left_s
        if work_s <= 0:
            return Unusable(because="nothing remains to be done")
        reach_s = min(_LEAST_REACH_S, work_s + slack_s)
        first = prospect(here, snapshot.now, reach_s)
        if isinstance(first, Unusable):
            return first
        known = [prospect(there, snapshot.now, reach_s) for there in others if there.view.move is not None]
        return [first, *(there for there in known if isinstance(there, Prospect))]

    def _options(self, snapshot: Snapshot, sites: Sequence[Prospect], slack_s: float, *, may_pause: bool) -> Options:
        # Loaded here alone, for it needs NumPy: `ga` imports every policy.
        from gacli.policies.horizon import options

        return options(
            snapshot,
            sites,
            slack_s=slack_s,
            may_pause=may_pause,
            moves_left=max(self.max_moves - snapshot.moves, 0),
            horizon_s=self.horizon_s,
            caution=self.doubt(),
        )

    def _without_plan(self, snapshot: Snapshot, why: str) -> Decision:
        """As `hysteresis` would, within the deadline and the limit on moves."""
        moving = replace(Hysteresis().decide(snapshot), policy=self.name)
        reason = f"no plan, {why}; as hysteresis: {moving.reason}"
        if moving.action is Action.MOVE:
            loss_s, slack_s = moving.numbers["downtime_s"], deadline_slack_s(snapshot)
            if not fits(loss_s, slack_s):
                return self._stay(snapshot, f"{reason}; but {lack(loss_s, slack_s)}", dict(moving.numbers))
            if snapshot.moves >= self.max_moves:
                return self._stay(snapshot, f"{reason}; but it has moved {snapshot.moves} times", dict(moving.numbers))
        return replace(moving, reason=reason)

    def _stay(self, snapshot: Snapshot, reason: str, numbers: dict[str, float] | None = None) -> Decision:
        return Decision(at=snapshot.now, policy=self.name, action=Action.STAY, reason=reason, numbers=numbers or {})


def _balance(done: str, done_g: float, other: str, other_g: float) -> str:
    if not math.isfinite(other_g):
        return f"{done} is to emit {grams(done_g)}; {other} is not possible"
    return f"{done} is to emit {grams(done_g)}, {other} {grams(other_g)}"
