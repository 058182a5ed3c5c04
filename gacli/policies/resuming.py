"""When and where a paused job goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gacli.core.decision import Action, Decision
from gacli.core.snapshot import SiteView, Snapshot
from gacli.policies.deadlines import deadline_slack_s, fits, resumption_s
from gacli.policies.placing import cleanest
from gacli.policies.present import Present, Unusable, contender, observed, present
from gacli.policies.wording import duration


def home(snapshot: Snapshot) -> SiteView | None:
    """The site where the job was paused, when it can go on there; else the one where a start would be made."""
    available = {view.site.name: view for view in snapshot.sites if view.available}
    if snapshot.paused_at in available:
        return available[snapshot.paused_at]
    target = cleanest(snapshot).target
    return None if target is None else available[target]


def due(snapshot: Snapshot, slack_s: float, sites: Sequence[SiteView]) -> str:
    """Why the job has to go on now: waiting for the next poll would take more than may be lost; empty if it would not.

    sites: where it may go on, at least one.
    """
    quickest_s = min(time_s(snapshot, view) for view in sites)
    if fits(snapshot.poll_s + quickest_s, slack_s):
        return ""
    return f"no more time may be lost ({duration(max(slack_s, 0.0))} left, {duration(quickest_s)} to resume)"


def blind(snapshot: Snapshot, site: SiteView) -> str:
    """Why a paused job waits no longer for news: nothing sound is known of the site; empty while something is.

    A reading counts until it is stale, also while another source stands in for its own. Where there is none at all the
    wait begins with the pause. So a source that fails for a short while does not end a pause, and one that is gone ends
    it after `max_reading_age_s`.
    """
    sound = [reading for reading in observed(site.readings, snapshot.now) if not reading.stand_in]
    if sound:
        newest = sound[-1]
        if not newest.is_stale(snapshot.now, snapshot.max_reading_age_s):
            return ""
        return f"nothing is known of {site.site.name} since {newest.at:%Y-%m-%d %H:%M}Z"
    paused_s = 0.0 if snapshot.paused_since is None else (snapshot.now - snapshot.paused_since).total_seconds()
    if paused_s <= snapshot.max_reading_age_s:
        return ""
    return f"nothing was known of {site.site.name} for {duration(paused_s)}"


def comparable(snapshot: Snapshot, at: SiteView) -> list[Present] | Unusable:
    """The sites where the job can go on and whose readings are fresh and of one kind with those of `at`, itself first.

    Why there are none where `at` itself has no sound reading.
    """
    here = present(at, snapshot.now, snapshot.max_reading_age_s)
    if isinstance(here, Unusable):
        return here
    others = [contender(view, here, snapshot) for view in snapshot.sites if view is not at]
    return [here, *(there for there in others if isinstance(there, Present))]


def candidates(snapshot: Snapshot, at: SiteView) -> list[SiteView]:
    """Where a job that was paused at `at` may go on: there, and at the sites that can be compared with it."""
    sites = comparable(snapshot, at)
    return [at] if isinstance(sites, Unusable) else [there.view for there in sites]


def resume_in_time(snapshot: Snapshot, policy: str, at: SiteView, slack_s: float, why: str) -> Decision:
    """MOVE of a job that was paused at `at`, to the cleanest of its candidates that is reached in time.

    Where none is, any site at which the deadline can still be met is better than none, whatever is known of it; and
    where there is no such site the job goes on at the candidate that is quickest.
    """
    views = candidates(snapshot, at)
    in_time = [view for view in views if fits(time_s(snapshot, view), slack_s)]
    if not in_time:
        deadline_s = deadline_slack_s(snapshot)
        in_time = [view for view in snapshot.sites if view.available and fits(time_s(snapshot, view), deadline_s)]
        if snapshot.deadline is None or not in_time or any(view in in_time for view in views):
            quickest = min(views, key=lambda view: time_s(snapshot, view))
            return resume(snapshot, policy, quickest, why)
    if at in in_time and len(views) == 1:
        return resume(snapshot, policy, at, why)
    target = cleanest(replace(snapshot, sites=tuple(in_time))).target
    return resume(snapshot, policy, next(view for view in in_time if view.site.name == target), why)


def time_s(snapshot: Snapshot, site: SiteView) -> float:
    """How long the resumption takes at a site; where that is not known, as long as at the slowest."""
    if site.move is not None:
        return resumption_s(site.move)
    return max((resumption_s(view.move) for view in snapshot.sites if view.move is not None), default=0.0)


def resume(
    snapshot: Snapshot, policy: str, target: SiteView, why: str, numbers: dict[str, float] | None = None
) -> Decision:
    """MOVE of a paused job."""
    return Decision(
        at=snapshot.now,
        policy=policy,
        action=Action.MOVE,
        target=target.site.name,
        reason=f"resumes at {target.site.name}: {why}",
        numbers=numbers or {},
    )


def still(snapshot: Snapshot, policy: str, why: str, numbers: dict[str, float] | None = None) -> Decision:
    """STAY of a paused job."""
    return Decision(
        at=snapshot.now, policy=policy, action=Action.STAY, reason=f"stays paused: {why}", numbers=numbers or {}
    )
