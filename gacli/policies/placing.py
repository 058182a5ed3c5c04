"""Where a job that no machine holds should run."""

from __future__ import annotations

from collections import Counter

from gacli.core.decision import Action, Decision
from gacli.core.snapshot import SiteView, Snapshot
from gacli.policies.present import Present, present
from gacli.policies.wording import intensity


def cleanest(snapshot: Snapshot, *, policy: str = "cleanest") -> Decision:
    """MOVE to the available site where the job would emit least per second now: intensity × PUE × busy power.

    Only sites with a fresh reading are compared, and only those that share the most frequent signal (average or
    marginal); ties go by the fleet's order. Without any fresh reading the fleet's first available site is taken, since
    a job that waits for data would never start; without an available site the answer is STAY.
    """
    available = [view for view in snapshot.sites if view.available]
    if not available:
        why = "; ".join(f"{view.site.name}: {view.unavailable_because or 'no reason given'}" for view in snapshot.sites)
        return _decision(snapshot, policy, f"no site is available ({why or 'the fleet is empty'})", None)
    known = [
        site
        for view in available
        if isinstance(site := present(view, snapshot.now, snapshot.max_reading_age_s), Present)
    ]
    if not known:
        return _decision(
            snapshot,
            policy,
            f"{available[0].site.name} is the first of {len(available)} available; none has a fresh carbon reading",
            available[0],
        )
    signal = Counter(site.reading.signal for site in known).most_common(1)[0][0]
    ranked = sorted((site for site in known if site.reading.signal is signal), key=lambda site: site.rate_g_per_s)
    best, *others = ranked
    reason = f"{intensity(best.view.site, best.reading)} ({signal}) is the cleanest of {len(available)} available"
    if others:
        reason += f"; next {intensity(others[0].view.site, others[0].reading)}"
    if len(ranked) < len(available):
        reason += f"; {len(available) - len(ranked)} not comparable"
    return _decision(
        snapshot,
        policy,
        reason,
        best.view,
        target_g_per_kwh=best.reading.intensity_g_per_kwh,
        target_g_per_h=best.rate_g_per_s * 3600,
    )


def _decision(snapshot: Snapshot, policy: str, reason: str, target: SiteView | None, **numbers: float) -> Decision:
    return Decision(
        at=snapshot.now,
        policy=policy,
        action=Action.STAY if target is None else Action.MOVE,
        target=None if target is None else target.site.name,
        reason=reason,
        numbers=numbers,
    )
