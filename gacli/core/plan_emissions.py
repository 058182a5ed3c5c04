"""What each action of a plan emits, from the slot in which it is taken until the job can be acted on again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gacli.core.plan_terms import Floats, Indices, Outlook, Task, Times

# Stands for what cannot be done: finite, since it is multiplied by shares, some of which are 0.
FORBIDDEN_G: Final = 1e30
TOLERANCE_S: Final = 1e-6


class _Integral:
    """Grams of each site from now to any instant."""

    def __init__(self, changes_s: Floats, rate_g_per_s: Floats) -> None:
        self._changes_s, self._rate = changes_s, rate_g_per_s
        self._at_changes = np.zeros(rate_g_per_s.shape)
        np.cumsum(rate_g_per_s[:, :-1] * np.diff(changes_s), axis=1, out=self._at_changes[:, 1:])

    def of_all(self, instants_s: Floats) -> Floats:
        """[site, *instants]"""
        change = self._change(instants_s)
        result: Floats = self._at_changes[:, change] + self._rate[:, change] * (instants_s - self._changes_s[change])
        return result

    def of(self, sites: Indices, instants_s: Floats) -> Floats:
        """Each instant of its own site; shapes are broadcast."""
        change = self._change(instants_s)
        since_s = instants_s - self._changes_s[change]
        result: Floats = self._at_changes[sites, change] + self._rate[sites, change] * since_s
        return result

    def _change(self, instants_s: Floats) -> Indices:
        found: Indices = np.searchsorted(self._changes_s, instants_s, "right") - 1
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Ends:
    """At which edge the job can be acted on again: the first at or after all is done.

    edge: [slot, site]. beyond: whether that would be after the last one; edge is the last then.
    """

    edge: Indices
    beyond: NDArray[np.bool_]


class ActionEmissions:
    """Grams of each action in each slot: [slot, row, level], with 1 level where that makes no difference.

    lost_s: time lost before the slot, by level. A level's work is what then remains. Rows are sites: where the job is
    moved to (without what leaving its site emits, leave_g: [slot, source, target, 1]), resumed from another site,
    resumed where it was paused, resumed there after waiting `wait_s` ([site, level]); where it trains on, is paused, or
    waits, which takes up slots as a whole. *_ends: when they are done.
    """

    def __init__(self, outlook: Outlook, times: Times, task: Task, lost_s: Floats) -> None:
        self._edges_s, self._times = outlook.edges_s, times
        self._begin_s = outlook.edges_s[:-1, None]
        self._sites = np.arange(len(outlook.busy_g_per_s))
        self.work_s = task.work_s - outlook.edges_s[:, None] + lost_s
        self._busy = _Integral(outlook.changes_s, outlook.busy_g_per_s)
        self._idle = _Integral(outlook.changes_s, outlook.idle_g_per_s)
        self._paused = _Integral(outlook.changes_s, outlook.paused_g_per_s)
        self.next_ends = self._ends(np.zeros(len(self._sites)))
        self._count_training()
        self._count_moves()
        self._count_pauses(task, lost_s)

    def _count_training(self) -> None:
        self.train_g = self._trained_g(np.zeros(len(self._sites)), np.zeros(len(self._sites)), self.next_ends)

    def _count_moves(self) -> None:
        times, busy, idle = self._times, self._busy, self._idle
        booted_s = self._begin_s + times.boot_s
        saved_s = booted_s + np.minimum(times.save_s, times.downtime_s)
        arrived_s = booted_s + times.downtime_s
        begin_g = busy.of_all(self._begin_s)
        # [source, slot, target]: the source trains on, saves, and idles.
        leave_g = busy.of_all(saved_s) - begin_g + idle.of_all(arrived_s) - idle.of_all(saved_s)
        self.leave_g = np.moveaxis(leave_g, 0, 1)[:, :, :, None] + apart(len(self._sites))
        lag_s = times.boot_s + times.downtime_s
        self.move_ends = self._ends(lag_s)
        self.move_g = self._begun_g(lag_s, times.boot_s, self.move_ends)
        self.move_g[self.work_s[:-1, None, :] <= times.boot_s[:, None]] = FORBIDDEN_G

    def _count_pauses(self, task: Task, lost_s: Floats) -> None:
        times, none_s = self._times, np.zeros(len(self._sites))
        self.elsewhere_ends, self.resume_ends = self._ends(times.resume_elsewhere_s), self._ends(times.resume_s)
        self.elsewhere_g = self._begun_g(times.resume_elsewhere_s, none_s, self.elsewhere_ends)
        self.resume_g = self._begun_g(times.resume_s, none_s, self.resume_ends)

        # How long a paused job can wait until there is just time to resume it, in whole polls.
        left_s = lost_s[-1] - lost_s - times.resume_s[:, None]
        self.wait_s = np.maximum(np.floor((left_s + TOLERANCE_S) / task.poll_s), 0.0) * task.poll_s
        self.waited_g = self._waited_g()
        at_edges = self._paused.of_all(self._edges_s)
        self.wait_g = np.diff(at_edges, axis=1).T[:, :, None]
        self.pause_ends = self._ends(none_s + times.save_s)
        saved_s = self._begin_s + none_s + times.save_s
        pause_g = self._busy.of(self._sites, saved_s) - self._busy.of(self._sites, self._begin_s)
        pause_g += self._paused.of(self._sites, self._edges_s[self.pause_ends.edge])
        pause_g -= self._paused.of(self._sites, saved_s)
        self.pause_g = pause_g[:, :, None] + _forbidden(self.pause_ends)
        if not task.may_pause:
            self.pause_g[:] = FORBIDDEN_G

    def _ends(self, lag_s: Floats) -> Ends:
        """lag_s: by site, from the slot's beginning."""
        slots = len(self._begin_s)
        edge = np.searchsorted(self._edges_s, self._begin_s + lag_s - TOLERANCE_S, "left")
        edge = np.maximum(edge, np.arange(slots)[:, None] + 1)
        return Ends(edge=np.minimum(edge, slots), beyond=edge > slots)

    def _begun_g(self, lag_s: Floats, done_s: Floats, ends: Ends) -> Floats:
        """Of a machine that idles for `lag_s` from the slot's beginning on and then trains; see `_trained_g`."""
        idled_g = self._idle.of(self._sites, self._begin_s + lag_s) - self._idle.of(self._sites, self._begin_s)
        begun_g = self._trained_g(lag_s, done_s, ends)
        begun_g += idled_g[:, :, None] + _forbidden(ends)
        return begun_g

    def _trained_g(self, lag_s: Floats, done_s: Floats, ends: Ends) -> Floats:
        """Of training from `lag_s` after the slot's beginning until an action's end or the work's, [slot, site, level].

        done_s: by site, how much of the work is done before.
        """
        from_s, end_s = self._begin_s + lag_s, self._edges_s[ends.edge]
        from_g = self._busy.of(self._sites, from_s)
        whole_g = np.where(ends.beyond, 0.0, self._busy.of(self._sites, end_s) - from_g)
        work_s = self.work_s[:-1, None, :] - done_s[:, None]
        result: Floats = np.where(work_s > 0, whole_g[:, :, None], 0.0)
        partly = (work_s > 0) & (work_s < (end_s - from_s)[:, :, None])
        slot, site, _ = np.nonzero(partly)
        result[partly] = self._busy.of(site, from_s[slot, site] + work_s[partly]) - from_g[slot, site]
        return result

    def _waited_g(self) -> Floats:
        """Waiting within the slot, as long as there is time for, and going on to its end."""
        begin_s, end_s = self._edges_s[:-1, None, None], self._edges_s[1:, None, None]
        resumed_s = begin_s + self.wait_s
        ready_s = resumed_s + self._times.resume_s[:, None]
        result: Floats = np.full(ready_s.shape, FORBIDDEN_G)
        within = (self.wait_s > 0) & (ready_s < end_s)
        slot, site, level = np.nonzero(within)
        resumed_s, ready_s = resumed_s[within], ready_s[within]
        done_s = np.minimum(ready_s + np.maximum(self.work_s[slot, level], 0.0), end_s[slot, 0, 0])
        result[within] = (
            self._paused.of(site, resumed_s)
            - self._paused.of(site, begin_s[slot, 0, 0])
            + self._idle.of(site, ready_s)
            - self._idle.of(site, resumed_s)
            + self._busy.of(site, done_s)
            - self._busy.of(site, ready_s)
        )
        return result


def apart(sites: int) -> Floats:
    """Nothing goes from a site to itself: [source, target, 1]."""
    result: Floats = np.where(np.eye(sites, dtype=bool), FORBIDDEN_G, 0.0)[:, :, None]
    return result


def _forbidden(ends: Ends) -> Floats:
    """[slot, site, 1]"""
    result: Floats = np.where(ends.beyond, FORBIDDEN_G, 0.0)[:, :, None]
    return result
