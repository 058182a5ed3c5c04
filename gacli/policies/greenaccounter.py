"""Policy `greenaccounter`: absolute thresholds per site, the largest gap below its own threshold wins.

After GreenAccounter (SoftwareX, 2026, doi:10.1016/j.softx.2026.102550); docs/policies.md says what differs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH
from gacli.core.decision import Action, Decision
from gacli.core.snapshot import Snapshot
from gacli.policies.placing import cleanest
from gacli.policies.present import Present, Unusable, contender, holder
from gacli.policies.wording import duration, intensity


@dataclass(frozen=True, kw_only=True, slots=True)
class GreenAccounter:
    """Leaves a site whose intensity exceeds its threshold for the one farthest below its own.

    thresholds: site name → g/kWh, above 0 and at most MAX_INTENSITY_G_PER_KWH. A site without a threshold is neither
    left nor chosen. PUE, power and the cost of the move play no part. at_epoch_end: decide only at the first poll after
    an epoch has ended, as published; where it is not known when that was, at every poll.
    """

    thresholds: Mapping[str, float]
    at_epoch_end: bool = False
    name: ClassVar[str] = "greenaccounter"

    def __post_init__(self) -> None:
        if not self.thresholds:
            raise ValueError("thresholds must be given for at least one site, in g/kWh, found none")
        for site, threshold in self.thresholds.items():
            if not (math.isfinite(threshold) and 0 < threshold <= MAX_INTENSITY_G_PER_KWH):
                raise ValueError(
                    f"thresholds must be above 0 and at most {MAX_INTENSITY_G_PER_KWH:g} g/kWh, "
                    f"found {threshold} for site {site}"
                )

    def decide(self, snapshot: Snapshot) -> Decision:
        """MOVE to the site with the largest positive gap once the current site is above its threshold."""
        if snapshot.current is None:
            return cleanest(snapshot, policy=self.name)
        here = holder(snapshot)
        if isinstance(here, Unusable):
            return self._stay(snapshot, here.because)
        limit = self.thresholds.get(here.name)
        if limit is None:
            return self._stay(snapshot, f"{here.name} has no threshold")
        if self._within_epoch(snapshot):
            return self._stay(snapshot, f"the last epoch ended {duration(snapshot.since_epoch_s or 0.0)} ago")
        now = intensity(here.view.site, here.reading)
        numbers = {"current_g_per_kwh": here.reading.intensity_g_per_kwh, "current_threshold_g_per_kwh": limit}
        if here.reading.intensity_g_per_kwh <= limit:
            return self._stay(snapshot, f"{now} is within its threshold of {limit:g} g/kWh", numbers)
        return self._leave(snapshot, here, f"{now} is above its threshold of {limit:g} g/kWh", numbers)

    def _leave(self, snapshot: Snapshot, here: Present, why: str, numbers: Mapping[str, float]) -> Decision:
        others = [view for view in snapshot.sites if view.site.name in self.thresholds and view is not here.view]
        known = [contender(view, here, snapshot) for view in others]
        best = max((site for site in known if isinstance(site, Present)), key=self._gap_g_per_kwh, default=None)
        if best is None:
            excluded = "; ".join(site.because for site in known if isinstance(site, Unusable))
            excluded = excluded or "none has a threshold"
            return self._stay(snapshot, f"{why}, but no other site can be compared ({excluded})", numbers)
        gap = self._gap_g_per_kwh(best)
        limit = self.thresholds[best.name]
        numbers = {
            **numbers,
            "target_g_per_kwh": best.reading.intensity_g_per_kwh,
            "target_threshold_g_per_kwh": limit,
            "gap_g_per_kwh": gap,
        }
        there = f"{intensity(best.view.site, best.reading)} against its threshold of {limit:g} g/kWh"
        if gap <= 0:
            return self._stay(snapshot, f"{why}, but no other site is below its own; best other: {there}", numbers)
        return Decision(
            at=snapshot.now,
            policy=self.name,
            action=Action.MOVE,
            target=best.name,
            reason=f"{why}; {there} has the largest gap, {gap:.0f} g/kWh{self._unknown_epoch(snapshot)}",
            numbers=numbers,
        )

    def _within_epoch(self, snapshot: Snapshot) -> bool:
        return self.at_epoch_end and snapshot.since_epoch_s is not None and snapshot.since_epoch_s > snapshot.poll_s

    def _unknown_epoch(self, snapshot: Snapshot) -> str:
        unknown = self.at_epoch_end and snapshot.since_epoch_s is None
        return " (decided at a poll: when an epoch ends is not known)" if unknown else ""

    def _gap_g_per_kwh(self, site: Present) -> float:
        return self.thresholds[site.name] - site.reading.intensity_g_per_kwh

    def _stay(self, snapshot: Snapshot, reason: str, numbers: Mapping[str, float] | None = None) -> Decision:
        return Decision(
            at=snapshot.now,
            policy=self.name,
            action=Action.STAY,
            reason=f"{reason}{self._unknown_epoch(snapshot)}",
            numbers=dict(numbers or {}),
        )
