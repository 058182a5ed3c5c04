"""Policy `hysteresis`: move to what is cleaner by enough, for long enough, and only if that is worth the move."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from gacli.core.decision import Action, Decision
from gacli.core.energy import JOULES_PER_KWH
from gacli.core.snapshot import MoveCost, Snapshot
from gacli.policies.placing import cleanest
from gacli.policies.present import Present, Unusable, contender, holder, observed, present, unlike_kinds
from gacli.policies.wording import change, duration, grams, intensity


@dataclass(frozen=True, kw_only=True, slots=True)
class Hysteresis:
    """Moves when another site's emissions per second are lower by both margins, steadily, and the move pays.

    margin_percent: relative margin, 0 <= value < 100. margin_g_per_kwh: absolute margin, >= 0, per kWh of IT energy at
    the current site's power. hold_readings: newest readings of the other site that must each show both margins, >= 1.
    dwell_s: shortest time at a site. horizon_s: longest time for which present intensities are trusted to last, > 0.
    max_downtime_s: longest time without a step that a move may cost. Durations are on the job's clock.
    """

    margin_percent: float = 10.0
    margin_g_per_kwh: float = 20.0
    hold_readings: int = 2
    dwell_s: float = 3600.0
    horizon_s: float = 6 * 3600.0
    max_downtime_s: float = 1800.0
    name: ClassVar[str] = "hysteresis"

    def __post_init__(self) -> None:
        if not 0 <= self.margin_percent < 100:
            raise ValueError(f"margin_percent must be at least 0 and below 100, found {self.margin_percent}")
        if self.hold_readings < 1:
            raise ValueError(f"hold_readings must be at least 1, found {self.hold_readings}")
        for key, value in {
            "margin_g_per_kwh": self.margin_g_per_kwh,
            "dwell_s": self.dwell_s,
            "max_downtime_s": self.max_downtime_s,
        }.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{key} must be finite and at least 0, found {value}")
        if not (math.isfinite(self.horizon_s) and self.horizon_s > 0):
            raise ValueError(f"horizon_s must be finite and above 0, found {self.horizon_s}")

    def decide(self, snapshot: Snapshot) -> Decision:
        """MOVE to the site with the largest net saving among those that pass every test, else STAY."""
        if snapshot.current is None:
            return cleanest(snapshot, policy=self.name)
        here = holder(snapshot)
        if isinstance(here, Unusable):
            return self._stay(snapshot, here.because)
        others = [contender(view, here, snapshot) for view in snapshot.sites if view is not here.view]
        weighed = [self._weigh(snapshot, here, there) for there in others if isinstance(there, Present)]
        if not weighed:
            excluded = "; ".join(other.because for other in others if isinstance(other, Unusable))
            return self._stay(snapshot, f"no other site to compare with ({excluded or 'the fleet has one site'})")
        paying = [option for option in weighed if not option.obstacle]
        if not paying:
            best = max(weighed, key=lambda option: option.numbers["cleaner_percent"])
            return self._stay(snapshot, f"best other: {best.summary}, {best.obstacle}", best.numbers)
        best = max(paying, key=lambda option: option.numbers["net_saved_g"])
        if too_soon := self._dwelling(snapshot):
            return self._stay(snapshot, f"best other: {best.summary}, but {too_soon}", best.numbers)
        return Decision(
            at=snapshot.now,
            policy=self.name,
            action=Action.MOVE,
            target=best.site,
            reason=f"{best.summary} for {self.hold_readings} reading{'s' * (self.hold_readings > 1)}; {best.balance}",
            numbers=best.numbers,
        )

    def _weigh(self, snapshot: Snapshot, here: Present, there: Present) -> _Option:
        lead = _lead(here, there)
        numbers = {
            "current_g_per_kwh": here.reading.intensity_g_per_kwh,
            "target_g_per_kwh": there.reading.intensity_g_per_kwh,
            "cleaner_percent": lead.percent,
            "cleaner_g_per_kwh": lead.g_per_kwh,
            "margin_percent": self.margin_percent,
            "margin_g_per_kwh": self.margin_g_per_kwh,
        }
        obstacle = self._not_steady(snapshot, here, there, lead)
        balance = ""
        cost = there.view.move
        if cost is None:
            obstacle = obstacle or "what the move costs is not known"
        else:
            numbers |= self._value(snapshot, here, there, cost)
            balance = _balance(numbers)
            obstacle = obstacle or self._not_worth(numbers, balance)
        return _Option(
            site=there.name,
            summary=f"{intensity(there.view.site, there.reading)} vs {intensity(here.view.site, here.reading)}: "
            f"{change(-lead.percent)}{_unlike(here, there)}",
            balance=balance,
            obstacle=obstacle,
            numbers=numbers,
        )

    def _not_steady(self, snapshot: Snapshot, here: Present, there: Present, lead: _Lead) -> str:
        """Why the lead is too small or too young; empty when it is neither."""
        if lead.percent < self.margin_percent:
            return f"needs {change(-self.margin_percent)}"
        if lead.g_per_kwh < self.margin_g_per_kwh:
            return f"{-lead.g_per_kwh:.0f} g/kWh, needs {-self.margin_g_per_kwh:.0f} g/kWh".replace("-", "−")
        held = self._held_readings(snapshot, here, there)
        if held < self.hold_readings:
            return f"for {held} of {self.hold_readings} readings"
        return ""

    def _held_readings(self, snapshot: Snapshot, here: Present, there: Present) -> int:
        """How many of the other site's newest readings show both margins without a break; hold_readings at most."""
        held = 0
        instant = snapshot.now
        for reading in reversed(observed(there.view.readings, snapshot.now)):
            # A reading that was already stale when the next one came says nothing about the time between them.
            if held == self.hold_readings or reading.is_stale(instant, snapshot.max_reading_age_s):
                break
            instant = reading.at
            then = present(here.view, instant, snapshot.max_reading_age_s)
            if reading.stand_in or isinstance(then, Unusable) or unlike_kinds(then.reading, reading):
                break
            lead = _lead(then, Present(view=there.view, reading=reading))
            if lead.percent < self.margin_percent or lead.g_per_kwh < self.margin_g_per_kwh:
                break
            held += 1
        return held

    def _value(self, snapshot: Snapshot, here: Present, there: Present, cost: MoveCost) -> dict[str, float]:
        usable_s = self.horizon_s
        if snapshot.remaining_s is not None:
            usable_s = min(usable_s, max(snapshot.remaining_s - cost.boot_s - cost.downtime_s, 0.0))
        saved_g = (here.rate_g_per_s - there.rate_g_per_s) * usable_s
        return {
            "usable_s": usable_s,
            "saved_g": saved_g,
            "overhead_g": cost.overhead_g,
            "net_saved_g": saved_g - cost.overhead_g,
            "boot_s": cost.boot_s,
            "downtime_s": cost.downtime_s,
        }

    def _not_worth(self, numbers: Mapping[str, float], balance: str) -> str:
        if numbers["downtime_s"] > self.max_downtime_s:
            return f"but moving stops it for {duration(numbers['downtime_s'])} (limit {duration(self.max_downtime_s)})"
        if numbers["usable_s"] == 0:
            return f"but it ends before a move is done ({duration(numbers['boot_s'] + numbers['downtime_s'])})"
        if numbers["net_saved_g"] <= 0:
            return f"but a move {balance}"
        return ""

    def _dwelling(self, snapshot: Snapshot) -> str:
        """Why it is too soon to move again; empty when the dwell has passed."""
        if snapshot.held_since is None:
            return "it is not known since when the job is here"
        held_s = (snapshot.now - snapshot.held_since).total_seconds()
        return f"here for {duration(held_s)} of {duration(self.dwell_s)} dwell" if held_s < self.dwell_s else ""

    def _stay(self, snapshot: Snapshot, reason: str, numbers: Mapping[str, float] | None = None) -> Decision:
        return Decision(at=snapshot.now, policy=self.name, action=Action.STAY, reason=reason, numbers=numbers or {})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Option:
    """Another site weighed against the current one. obstacle: why not to move there; empty when the move pays."""

    site: str
    summary: str
    balance: str
    obstacle: str
    numbers: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lead:
    """How much less a job emits at another site; negative when more. g_per_kwh: per kWh used at the current site."""

    percent: float
    g_per_kwh: float


def _lead(here: Present, there: Present) -> _Lead:
    if here.rate_g_per_s == 0:
        return _Lead(percent=0.0, g_per_kwh=0.0)
    less_g_per_s = here.rate_g_per_s - there.rate_g_per_s
    return _Lead(
        percent=100.0 * less_g_per_s / here.rate_g_per_s,
        g_per_kwh=less_g_per_s / here.view.site.power.busy_w * JOULES_PER_KWH,
    )


def _balance(numbers: Mapping[str, float]) -> str:
    return (
        f"saves {grams(numbers['saved_g'])} over {duration(numbers['usable_s'])}, "
        f"costs {grams(numbers['overhead_g'])} and {duration(numbers['downtime_s'])}"
    )


def _unlike(here: Present, there: Present) -> str:
    """A remark for people where the percentage does not follow from the two intensities alone."""
    a, b = here.view.site, there.view.site
    differing = [
        word for word, differs in {"PUE": a.pue != b.pue, "power": a.power.busy_w != b.power.busy_w}.items() if differs
    ]
    return f" with {' and '.join(differing)}" if differing else ""
