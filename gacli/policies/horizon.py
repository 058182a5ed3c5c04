"""From prospects to the planner's terms: slots, rates and times. Needs NumPy: imported by a policy when it plans."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from gacli.core.plan_terms import Floats, Options, Outlook, Task, Times
from gacli.core.planning import weigh
from gacli.core.snapshot import MoveCost, Snapshot
from gacli.policies.deadlines import resumption_s
from gacli.policies.prospects import Prospect

# Slots are no shorter than this share of what is planned: finer ones cost time and bring little.
_FINEST_SLOTS = 96
# A limit of which more moves than this are left is not felt by a plan of a few days.
_FELT_MOVES = 4


def options(
    snapshot: Snapshot,
    prospects: Sequence[Prospect],
    *,
    slack_s: float,
    may_pause: bool,
    moves_left: int,
    horizon_s: float,
    caution: float,
) -> Options:
    """What each first action leads to. prospects: the place where the job trains or is paused first.

    slack_s: time that may be lost, >= 0, inf without a limit. caution: 0: what comes is taken as expected, 1: as the
    upper end of its 50 % interval. horizon_s: how far ahead is planned at most. `snapshot.remaining_s` must be known.
    """
    assert snapshot.remaining_s is not None
    work_s = snapshot.remaining_s + snapshot.saves_left_s
    ends = (prospect.forecast.end for prospect in prospects)
    reach_s = min(horizon_s, min((end - snapshot.now).total_seconds() for end in ends))
    edges_s = _edges_s(snapshot, prospects[0], min(reach_s, work_s + slack_s), math.ceil(horizon_s / 3600.0))
    slack_s = min(slack_s, max(float(edges_s[-1]), work_s))
    share = work_s / (work_s + slack_s) if may_pause else 1.0
    outlook = _outlook(snapshot, prospects, edges_s, caution, share)
    task = Task(
        work_s=work_s,
        slack_s=slack_s,
        place=0,
        paused=snapshot.current is None,
        moves_left=moves_left if moves_left <= _FELT_MOVES else None,
        may_pause=may_pause,
        poll_s=snapshot.poll_s,
    )
    return weigh(outlook, _times(snapshot, prospects), task)


def _edges_s(snapshot: Snapshot, first: Prospect, span_s: float, most_slots: int) -> Floats:
    """Slots begin at polls: where the forecast's periods do, or equal parts of them, or every so many of them.

    Where no poll falls there: at the next one.
    """
    step_s, poll_s = first.forecast.step_s, snapshot.poll_s
    if span_s / most_slots > step_s:
        slot_s = step_s * math.ceil(span_s / most_slots / step_s)
    else:
        slot_s = step_s / max(1, math.floor(step_s / max(span_s / _FINEST_SLOTS, poll_s)))
    slot_s = poll_s * max(1, round(slot_s / poll_s))
    phase_s = (first.forecast.points[0].at - snapshot.now).total_seconds() % slot_s
    # Polls are a little late where they are real.
    begin_s = poll_s * math.ceil((phase_s - 1.0) / poll_s) or slot_s
    slots = 1 + max(math.ceil((span_s - begin_s) / slot_s - 1e-9), 0)
    return np.concatenate([[0.0], begin_s + slot_s * np.arange(slots)])


def _expected(prospect: Prospect, now: datetime, caution: float) -> tuple[Floats, Floats]:
    """From which seconds on which intensity is expected: the reading's until its period ends, then the forecast's."""
    reading, forecast = prospect.now.reading, prospect.forecast
    expected: Floats = np.array([point.intensity_g_per_kwh for point in forecast.points], float)
    if caution:
        highest = np.array([point.high50_g_per_kwh for point in forecast.points], float)
        expected += caution * (highest - expected)
    first_s = (forecast.points[0].at - now).total_seconds()
    at_s: Floats = first_s + forecast.step_s * np.arange(len(expected), dtype=float)
    known_s = max((reading.at + timedelta(seconds=reading.period_s) - now).total_seconds(), 0.0)
    begun = int(np.searchsorted(at_s, known_s, "right"))
    if begun:
        at_s = np.concatenate([[0.0, known_s], at_s[begun:]])
        expected = np.concatenate([[reading.intensity_g_per_kwh], expected[begun - 1 :]])
    else:
        at_s = np.concatenate([[0.0], at_s])
        expected = np.concatenate([[reading.intensity_g_per_kwh], expected])
    return at_s, expected


def _outlook(
    snapshot: Snapshot, prospects: Sequence[Prospect], edges_s: Floats, caution: float, share: float
) -> Outlook:
    """share: of the time to come that the work takes. Behind the horizon it is done as in the cleanest share of it."""
    expected = [_expected(prospect, snapshot.now, caution) for prospect in prospects]
    end_s = edges_s[-1]
    changes_s = np.unique(np.concatenate([at_s[at_s < end_s] for at_s, _ in expected]))
    intensity = np.stack([values[np.searchsorted(at_s, changes_s, "right") - 1] for at_s, values in expected])
    sites = [prospect.view.site for prospect in prospects]
    busy = np.array([site.facility_rate_g_per_s(site.power.busy_w, 1.0) for site in sites])[:, None] * intensity
    idle = np.array([site.facility_rate_g_per_s(site.power.idle_w, 1.0) for site in sites])[:, None] * intensity
    paused = np.array([site.facility_rate_g_per_s(snapshot.paused_power_w, 1.0) for site in sites])[:, None] * intensity
    return Outlook(
        edges_s=edges_s,
        changes_s=changes_s,
        busy_g_per_s=busy,
        idle_g_per_s=idle,
        paused_g_per_s=paused,
        tail_g_per_s=_cleanest_mean(busy, np.diff(changes_s, append=end_s), share),
    )


def _cleanest_mean(rate: Floats, lengths_s: Floats, share: float) -> Floats:
    """Each site's mean rate over the cleanest share of the time, but at least a second. rate: [site, change]."""
    order = np.argsort(rate, axis=1)
    share_s = max(share * float(lengths_s.sum()), 1.0)
    lengths_s = lengths_s[order]
    used_s = np.clip(share_s - (lengths_s.cumsum(axis=1) - lengths_s), 0.0, lengths_s)
    mean: Floats = (np.take_along_axis(rate, order, axis=1) * used_s).sum(axis=1) / used_s.sum(axis=1)
    return mean


def _times(snapshot: Snapshot, prospects: Sequence[Prospect]) -> Times:
    """What coming back to the first site would take is not known while the job is there: as much as at the slowest.

    A job that is paused where its last checkpoint lies has nothing to copy.
    """
    others = [prospect.view.move for prospect in prospects[1:] if prospect.view.move is not None]
    slowest = MoveCost(
        boot_s=max((cost.boot_s for cost in others), default=0.0),
        downtime_s=max((cost.downtime_s for cost in others), default=0.0),
        overhead_g=0.0,
    )
    costs = [slowest, *(prospect.view.move or slowest for prospect in prospects[1:])]
    boot_s = np.array([cost.boot_s for cost in costs])
    downtime_s = np.array([cost.downtime_s for cost in costs])
    if snapshot.current is None:
        here = prospects[0].view.move or slowest
        # Where nothing says how long its next checkpoint takes: as long as loading the last one.
        save_s = here.downtime_s if snapshot.save_s is None else snapshot.save_s
        resume_s = boot_s + np.minimum(downtime_s, here.downtime_s)
        resume_s[0] = resumption_s(here)
        return Times(
            boot_s=boot_s,
            downtime_s=downtime_s + save_s,
            resume_s=resume_s,
            resume_elsewhere_s=boot_s + downtime_s,
            save_s=save_s,
        )
    save_s = 0.0 if snapshot.pause is None else snapshot.pause.save_s
    elsewhere_s = boot_s + np.maximum(downtime_s - save_s, 0.0)
    resume_s = elsewhere_s.copy()
    if snapshot.pause is not None:
        resume_s = np.maximum(np.minimum(elsewhere_s, snapshot.pause.resume_s), boot_s)
        resume_s[0] = snapshot.pause.resume_s
    return Times(boot_s=boot_s, downtime_s=downtime_s, resume_s=resume_s, resume_elsewhere_s=elsewhere_s, save_s=save_s)
