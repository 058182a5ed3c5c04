"""From prospects to the planner's terms: slots, rates and times. Needs NumPy: imported by a policy when it plans."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from gacli.core.planning import Floats, Options, Outlook, Task, Times, weigh
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
    times = _times(snapshot, prospects)
    # A slot in which nothing could be brought to its end would be filled with the next thing to begin.
    least_s = max(float((times.boot_s + times.downtime_s).max()), float(times.resume_elsewhere_s.max()))
    most_slots = math.ceil(horizon_s / 3600.0)
    edges_s = _edges_s(snapshot, prospects[0], min(reach_s, work_s + slack_s), most_slots, least_s)
    intensity = np.stack([_means(prospect, snapshot.now, edges_s, caution) for prospect in prospects])
    slack_s = min(slack_s, max(float(edges_s[-1]), work_s))
    share = work_s / (work_s + slack_s) if may_pause else 1.0
    outlook = _outlook(snapshot, prospects, edges_s, intensity, share)
    task = Task(
        work_s=work_s,
        slack_s=slack_s,
        place=0,
        paused=snapshot.current is None,
        moves_left=moves_left if moves_left <= _FELT_MOVES else None,
        may_pause=may_pause,
        poll_s=snapshot.poll_s,
    )
    return weigh(outlook, times, task)


def _edges_s(snapshot: Snapshot, first: Prospect, span_s: float, most_slots: int, least_s: float) -> Floats:
    """Slots that end where the forecast's periods do, or at equal parts of them, or at every so many of them.

    least_s: no slot is shorter.
    """
    step_s = first.forecast.step_s
    if max(span_s / most_slots, least_s) > step_s:
        slot_s = step_s * math.ceil(max(span_s / most_slots, least_s) / step_s)
    else:
        finest_s = max(span_s / _FINEST_SLOTS, snapshot.poll_s, least_s)
        slot_s = step_s / max(1, math.floor(step_s / finest_s))
    phase_s = (first.forecast.points[0].at - snapshot.now).total_seconds() % slot_s
    begin_s = phase_s if phase_s > 1.0 else slot_s
    begin_s += slot_s if begin_s < least_s else 0.0
    slots = 1 + max(math.ceil((span_s - begin_s) / slot_s - 1e-9), 0)
    return np.concatenate([[0.0], begin_s + slot_s * np.arange(slots)])


def _means(prospect: Prospect, now: datetime, edges_s: Floats, caution: float) -> Floats:
    """The mean intensity of each slot: the reading's until its period ends, then what the forecast says."""
    reading, forecast = prospect.now.reading, prospect.forecast
    expected = np.array([point.intensity_g_per_kwh for point in forecast.points], float)
    if caution:
        highest = np.array([point.high50_g_per_kwh for point in forecast.points], float)
        expected += caution * (highest - expected)
    at_s = (forecast.points[0].at - now).total_seconds() + forecast.step_s * np.arange(len(expected))
    known_s = max((reading.at + timedelta(seconds=reading.period_s) - now).total_seconds(), 0.0)
    begun = int(np.searchsorted(at_s, known_s, "right"))
    if begun:
        at_s = np.concatenate([[0.0, known_s], at_s[begun:]])
        expected = np.concatenate([[reading.intensity_g_per_kwh], expected[begun - 1 :]])
    else:
        at_s = np.concatenate([[0.0], at_s])
        expected = np.concatenate([[reading.intensity_g_per_kwh], expected])
    sums = np.concatenate([[0.0], np.cumsum(np.diff(at_s) * expected[:-1])])
    index = np.searchsorted(at_s, edges_s, "right") - 1
    integral = sums[index] + expected[index] * (edges_s - at_s[index])
    means: Floats = np.diff(integral) / np.diff(edges_s)
    return means


def _outlook(
    snapshot: Snapshot, prospects: Sequence[Prospect], edges_s: Floats, intensity: Floats, share: float
) -> Outlook:
    """share: of the time to come that the work takes. Behind the horizon it is done as in the cleanest share of it."""
    sites = [prospect.view.site for prospect in prospects]
    busy = np.array([site.facility_rate_g_per_s(site.power.busy_w, 1.0) for site in sites])[:, None] * intensity
    idle = np.array([site.facility_rate_g_per_s(site.power.idle_w, 1.0) for site in sites])[:, None] * intensity
    paused = np.array([site.facility_rate_g_per_s(snapshot.paused_power_w, 1.0) for site in sites])[:, None] * intensity
    used = max(math.ceil(share * busy.shape[1]), 1)
    tail = np.sort(busy, axis=1)[:, :used].mean(axis=1)
    return Outlook(edges_s=edges_s, busy_g_per_s=busy, idle_g_per_s=idle, paused_g_per_s=paused, tail_g_per_s=tail)


def _times(snapshot: Snapshot, prospects: Sequence[Prospect]) -> Times:
    """What the first site's costs are as a target is not known while the job is there: those of the slowest other."""
    others = [prospect.view.move for prospect in prospects[1:] if prospect.view.move is not None]
    slowest = MoveCost(
        boot_s=max((cost.boot_s for cost in others), default=0.0),
        downtime_s=max((cost.downtime_s for cost in others), default=0.0),
        overhead_g=0.0,
    )
    here = prospects[0].view.move or slowest
    costs = [here, *(prospect.view.move or slowest for prospect in prospects[1:])]
    boot_s = np.array([cost.boot_s for cost in costs])
    downtime_s = np.array([cost.downtime_s for cost in costs])
    if snapshot.current is None:
        # Where nothing says how long its next checkpoint takes: as long as loading the last one.
        save_s = here.downtime_s if snapshot.save_s is None else snapshot.save_s
        resume_s = np.array([resumption_s(cost) for cost in costs])
        return Times(
            boot_s=boot_s,
            downtime_s=downtime_s + save_s,
            resume_s=resume_s,
            resume_elsewhere_s=resume_s,
            save_s=save_s,
        )
    save_s = 0.0 if snapshot.pause is None else snapshot.pause.save_s
    elsewhere_s = boot_s + np.maximum(downtime_s - save_s, 0.0)
    resume_s = elsewhere_s.copy()
    if snapshot.pause is not None:
        resume_s[0] = snapshot.pause.resume_s
    return Times(boot_s=boot_s, downtime_s=downtime_s, resume_s=resume_s, resume_elsewhere_s=elsewhere_s, save_s=save_s)
