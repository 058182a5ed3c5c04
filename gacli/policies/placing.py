"""Where a job that no machine holds should run."""

from __future__ import annotations

from collections import Counter

from gacli.core.decision import Action, Decision
from gacli.core.snapshot import SiteView, Snapshot
from gacli.policies.present import Present, present, unlike_kinds
from gacli.policies.wording import intensity


def cleanest(snapshot: Snapshot, *, policy: str = "cleanest") -> Decision:
    """MOVE to the available site where the job would emit least per second now: intensity × PUE × busy power.

    Only sites with a fresh reading are compared, and only those that share the most frequent kind (average or
    marginal, life cycle or direct); ties go by the fleet's order. Where all that is known stands in for something
    better, those of the most frequent source are compared: a start has to be made somewhere. Without any fresh reading
    the fleet's first available site is taken, since a job that waits for data would never start; without an available
    site the answer is STAY.
    """
    available = [view for view in snapshot.sites if view.available]
    if not available:
        why = "; ".join(f"{view.site.name}: {view.unavailable_because or 'no reason given'}" for view in snapshot.sites)
        return _decision(snapshot, policy, f"no site is available ({why or 'the fleet is empty'})", None)
    known = _known(available, snapshot) or _of_one_source(_known(available, snapshot, stand_ins=True))
    if not known:
        return _decision(
            snapshot,
            policy,
            f"{available[0].site.name} is the first of {len(available)} available; none has a fresh carbon reading",
            available[0],
        )
    kind = Counter((site.reading.signal, site.reading.scope) for site in known).most_common(1)[0][0]
    like = next(site.reading for site in known if (site.reading.signal, site.reading.scope) == kind)
    ranked = sorted(
        (site for site in known if unlike_kinds(site.reading, like) is None), key=lambda site: site.rate_g_per_s
    )
    best, *others = ranked
    reason = f"{intensity(best.view.site, best.reading)} ({kind[0]}) is the cleanest of {len(available)} available"
    if best.reading.stand_in:
        reason += f" ({best.reading.stand_in})"
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


def _known(views: list[SiteView], snapshot: Snapshot, *, stand_ins: bool = False) -> list[Present]:
    found = (present(view, snapshot.now, snapshot.max_reading_age_s, stand_ins=stand_ins) for view in views)
    return [site for site in found if isinstance(site, Present)]


def _of_one_source(known: list[Present]) -> list[Present]:
    """Levels of different sources say nothing of each other."""
    most = [source for source, _ in Counter(site.reading.source for site in known).most_common(1)]
    return [site for site in known if site.reading.source in most]


def _decision(snapshot: Snapshot, policy: str, reason: str, target: SiteView | None, **numbers: float) -> Decision:
    return Decision(
        at=snapshot.now,
        policy=policy,
        action=Action.STAY if target is None else Action.MOVE,
        target=None if target is None else target.site.name,
        reason=reason,
        numbers=numbers,
    )
