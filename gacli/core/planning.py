"""What to do next with a job, given the intensities to come: a dynamic programme over time, time lost, and place.

NumPy is needed here, so whoever plans imports this module when it plans.

Time is cut into slots, at whose beginnings the job may be moved, paused or resumed. A state is the slot, the place
(each site, and paused at each site), the time lost so far (in levels: time in which no step was made), and where moves
are limited, how many are left. The work that remains follows from slot and lost time, exactly; and since no more than
the slack may be lost, no plan misses its deadline. Times that lie between two levels, such as a move's downtime of four
minutes where a level is an hour, cost their share of the next level (linear interpolation).

Complexity: O(slots × layers × sites² × levels) time, where layers is 1 without a limit on moves and otherwise the moves
left plus one; 7 ms for 7 sites, 96 slots, 96 levels, no limit on moves, and 18 ms with four moves left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# Levels of lost time that are told apart, where slots are not longer than a level.
_LEVELS = 96
# Stands for what cannot be done: finite, since it is multiplied by shares, some of which are 0.
_FORBIDDEN_G = 1e30
_TOLERANCE_S = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What a machine emits at each site in each slot.

    edges_s: ascending, from 0 (now), one more than slots; all slots but the first are as long as each other.
    busy_g_per_s, idle_g_per_s, paused_g_per_s: [site, slot] in gCO2eq/s, PUE included, of a machine that trains, that
    idles, and that is kept for a paused job (0 when none is). tail_g_per_s: by site, of training after the last slot.
    """

    edges_s: Floats
    busy_g_per_s: Floats
    idle_g_per_s: Floats
    paused_g_per_s: Floats
    tail_g_per_s: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """What moves and pauses take, in s. By site, as a target: boot_s, downtime_s, resume_s, resume_elsewhere_s.

    boot_s: the target idles while the source trains. downtime_s: then no step is made; source and target idle, but the
    source is busy for save_s. save_s: of a pause's checkpoint, too. resume_s: from a paused job's resumption to its
    next step where it was paused, resume_elsewhere_s: at another site; the target idles.
    """

    boot_s: Floats
    downtime_s: Floats
    resume_s: Floats
    resume_elsewhere_s: Floats
    save_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """The job. work_s: at full load, > 0. slack_s: how much time it may lose, >= 0 and finite.

    place: the site that trains it, or where it is paused. moves_left: None: as many as it takes. poll_s: within a slot,
    a pause can end so many seconds after its beginning, or a multiple of that, when there is no time for all of it.
    """

    work_s: float
    slack_s: float
    place: int
    paused: bool
    moves_left: int | None = None
    may_pause: bool = True
    poll_s: float = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The least emissions in gCO2eq of all that remains, by what is done first; inf for what cannot be done.

    stay_g: go on training, a paused job: wait. move_g: by site; of a paused job: resume there.
    """

    stay_g: float
    pause_g: float
    move_g: tuple[float, ...]


def weigh(outlook: Outlook, times: Times, task: Task) -> Options:
    """What each first action leads to, if everything after it is done as well as can be."""
    return _Programme(outlook, times, task).options()


class _Integral:
    """Grams of each site from now to any instant; the last slot's rate is held."""

    def __init__(self, edges_s: Floats, rate_g_per_s: Floats) -> None:
        self._edges_s, self._rate = edges_s, rate_g_per_s
        self.at_edges = np.zeros((len(rate_g_per_s), len(edges_s)))
        np.cumsum(rate_g_per_s * np.diff(edges_s), axis=1, out=self.at_edges[:, 1:])

    def all_sites(self, instants_s: Floats) -> Floats:
        """[site, *instants]"""
        index = self._slots(instants_s)
        result: Floats = self.at_edges[:, index] + self._rate[:, index] * (instants_s - self._edges_s[index])
        return result

    def own_site(self, instants_s: Floats) -> Floats:
        """instants_s: [slot, site]; each site's own at its own instants, [slot, site]."""
        index, sites = self._slots(instants_s), np.arange(instants_s.shape[1])
        result: Floats = self.at_edges[sites, index] + self._rate[sites, index] * (instants_s - self._edges_s[index])
        return result

    def _slots(self, instants_s: Floats) -> Indices:
        found: Indices = np.searchsorted(self._edges_s, instants_s, "right") - 1
        return np.clip(found, 0, len(self._edges_s) - 2)


class _Later:
    """Values some time after a slot's end, between two levels by linear interpolation; beyond the last: forbidden.

    place, lost: [row, level]: of which place, and how many levels later.
    """

    def __init__(self, place: Indices, lost: Floats, levels: int) -> None:
        at = np.arange(levels) + lost
        low = np.floor(at + 1e-9)
        self._share = np.clip(at - low, 0.0, None)
        self._share[self._share < 1e-6] = 0.0
        # One level beyond the last stands for all that must not be.
        low = np.minimum(low, levels)
        rows = place * (levels + 1)
        self._low: Indices = (rows + low).astype(np.intp)
        self._high: Indices = (rows + np.minimum(low + 1, levels)).astype(np.intp)

    def of(self, values_g: Floats) -> Floats:
        """values_g: [layer, place, level + 1], the last level forbidden → [layer, row, level]."""
        flat = values_g.reshape(len(values_g), -1)
        low: Floats = flat.take(self._low, axis=1)
        high: Floats = flat.take(self._high, axis=1)
        high -= low
        high *= self._share
        low += high
        return low


class _Programme:
    """Places are the sites, then the sites again for a job that is paused there.

    What comes of an action is looked up in rows, one for each site: of a job that is brought there by a move, that is
    resumed there from another site (both use up a move), that is resumed there, that waits there until time is up, that
    is paused there all through the slot.
    """

    def __init__(self, outlook: Outlook, times: Times, task: Task) -> None:
        self._outlook, self._times, self._task = outlook, times, task
        self._sites, self._slots = outlook.busy_g_per_s.shape
        self._layers = 1 if task.moves_left is None else task.moves_left + 1
        self._lengths_s = np.diff(outlook.edges_s)
        # More than the whole horizon cannot be lost within it.
        slack_s = min(task.slack_s, float(outlook.edges_s[-1]))
        self._level_s, self._levels = _levels(slack_s, float(self._lengths_s[-1]))
        self._lost_s = np.arange(self._levels) * self._level_s
        self._work_s = task.work_s - outlook.edges_s[:, None] + self._lost_s
        self._over = self._work_s <= _TOLERANCE_S
        # How long a paused job can wait until there is just time to resume it, in whole polls.
        left_s = self._lost_s[-1] - self._lost_s - times.resume_s[:, None]
        self._wait_s = np.maximum(np.floor((left_s + _TOLERANCE_S) / task.poll_s), 0.0) * task.poll_s
        self._apart = np.where(np.eye(self._sites, dtype=bool), _FORBIDDEN_G, 0.0)[:, :, None]
        self._count_grams()
        self._after = self._rows(float(self._lengths_s[-1]))
        self._after_first = self._rows(float(self._lengths_s[0]))

    def options(self) -> Options:
        """Backwards from the last slot; the first slot's actions are kept apart."""
        values_g = self._last()
        for slot in range(self._slots - 1, 0, -1):
            train_g, pause_g, wait_g, enter_g, bring_g, resume_g = self._actions(slot, values_g)
            training, paused = values_g[:, : self._sites, :-1], values_g[:, self._sites :, :-1]
            np.minimum(train_g, pause_g, out=training)
            np.minimum(wait_g, resume_g, out=paused)
            if self._sites > 1:
                moves_g = enter_g[:, None] + self._leave_g[slot]
                np.minimum(training, moves_g.min(axis=2), out=training)
                np.minimum(paused, (bring_g[:, None] + self._apart).min(axis=2), out=paused)
            values_g[:, :, :-1][:, :, self._over[slot]] = 0.0
        train_g, pause_g, wait_g, enter_g, bring_g, resume_g = self._actions(0, values_g)
        top, place = self._layers - 1, self._task.place
        if self._task.paused:
            first_g = bring_g[top, :, 0].copy()
            first_g[place] = resume_g[top, place, 0]
            return _options(wait_g[top, place, 0], _FORBIDDEN_G, first_g)
        first_g = enter_g[top, :, 0] + self._leave_g[0, place, :, 0]
        return _options(train_g[top, place, 0], pause_g[top, place, 0], first_g)

    def _rows(self, slot_s: float) -> tuple[_Later, _Later]:
        """What uses up a move, and what does not."""
        times, level_s, sites = self._times, self._level_s, self._sites
        at = np.broadcast_to(np.arange(sites)[:, None], (sites, self._levels))
        none = np.zeros((sites, self._levels))
        moved = np.concatenate([times.downtime_s[:, None] + none, times.resume_elsewhere_s[:, None] + none])
        kept = np.concatenate(
            [times.resume_s[:, None] + none, times.resume_s[:, None] + self._wait_s, np.full_like(none, slot_s)]
        )
        return (
            _Later(np.concatenate([at, at]), moved / level_s, self._levels),
            _Later(np.concatenate([at, at, at + sites]), kept / level_s, self._levels),
        )

    def _actions(self, slot: int, later_g: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """[layer, site, level], from the slot's beginning on: training on, pausing, waiting; being moved there, without
        what it takes to leave; being resumed there from elsewhere; being resumed where it was paused.
        """
        sites = self._sites
        after_move, after = self._after if slot else self._after_first
        moved_g = after_move.of(self._with_one_move_less(later_g))
        moved_g += self._moved_g[slot]
        kept_g = after.of(later_g)
        paused_g = kept_g[:, 2 * sites :]
        train_g = later_g[:, :sites, :-1] + self._train_g[slot]
        pause_g = paused_g + self._pause_g[slot]
        resumed_g = kept_g[:, : 2 * sites]
        resumed_g += self._resumed_g[slot]
        paused_g += self._wait_g[slot]
        wait_g = np.minimum(paused_g, resumed_g[:, sites:])
        return train_g, pause_g, wait_g, moved_g[:, :sites], moved_g[:, sites:], resumed_g[:, :sites]

    def _count_grams(self) -> None:
        """Grams of each action within each slot, [slot, row, level] or with 1 level where that makes no difference."""
        outlook, times = self._outlook, self._times
        begin_s = outlook.edges_s[:-1, None]
        busy = _Integral(outlook.edges_s, outlook.busy_g_per_s)
        idle = _Integral(outlook.edges_s, outlook.idle_g_per_s)
        at_begin, at_end = busy.at_edges[:, :-1], busy.at_edges[:, 1:]
        idle_begin = idle.at_edges[:, :-1].T
        lengths_s, work_s = self._lengths_s[:, None, None], self._work_s[:-1, None, :]

        booted_s = begin_s + times.boot_s
        saved_s = booted_s + np.minimum(times.save_s, times.downtime_s)
        arrived_s = booted_s + times.downtime_s
        # [slot, source, target]: the source trains on, saves, and idles.
        leave_g = busy.all_sites(saved_s) - at_begin[:, :, None] + idle.all_sites(arrived_s) - idle.all_sites(saved_s)
        self._leave_g = np.moveaxis(leave_g, 0, 1)[:, :, :, None] + self._apart
        boot_s = times.boot_s[:, None]
        share = _share(work_s - boot_s, lengths_s - boot_s - times.downtime_s[:, None])
        enter_g = (idle.own_site(arrived_s) - idle_begin)[:, :, None] + np.where(work_s <= boot_s, _FORBIDDEN_G, 0.0)
        enter_g += (at_end.T - busy.own_site(arrived_s))[:, :, None] * share

        def resumed_g(resume_s: Floats) -> Floats:
            trains_s = begin_s + resume_s
            share = _share(work_s, lengths_s - resume_s[:, None])
            result: Floats = (idle.own_site(trains_s) - idle_begin)[:, :, None]
            return result + (at_end.T - busy.own_site(trains_s))[:, :, None] * share

        # Waiting within the slot and going on to its end.
        resume_s = times.resume_s[:, None]
        rest_s = lengths_s - self._wait_s - resume_s
        waited_g = (
            outlook.paused_g_per_s.T[:, :, None] * self._wait_s
            + outlook.idle_g_per_s.T[:, :, None] * resume_s
            + outlook.busy_g_per_s.T[:, :, None] * np.minimum(work_s, rest_s)
        )
        waited_g = np.where((self._wait_s > 0) & (rest_s > 0), waited_g, _FORBIDDEN_G)
        self._moved_g = np.concatenate([enter_g, resumed_g(times.resume_elsewhere_s)], axis=1)
        self._resumed_g = np.concatenate([resumed_g(times.resume_s), waited_g], axis=1)
        self._train_g = (outlook.busy_g_per_s * self._lengths_s).T[:, :, None] * _share(work_s, lengths_s)
        self._wait_g = (outlook.paused_g_per_s * self._lengths_s).T[:, :, None]
        pause_g = busy.all_sites(outlook.edges_s[:-1] + times.save_s) - at_begin
        pause_g += outlook.paused_g_per_s * (self._lengths_s - np.minimum(times.save_s, self._lengths_s))
        self._pause_g = pause_g.T[:, :, None] + (0.0 if self._task.may_pause else _FORBIDDEN_G)

    def _last(self) -> Floats:
        """What is left at the horizon's end is done at the tail's rates, after one more move where that is better."""
        times, tail_g_per_s = self._times, self._outlook.tail_g_per_s
        idle = self._outlook.idle_g_per_s[:, -1]
        work_s = np.maximum(self._work_s[-1], 0.0)
        there_g = work_s * tail_g_per_s[:, None]
        move_g = idle * (times.boot_s + times.downtime_s) + idle[:, None] * times.downtime_s
        slow = self._lost_s + times.downtime_s[:, None] > self._task.slack_s + _TOLERANCE_S
        moved_g = (np.where(slow, _FORBIDDEN_G, there_g) + move_g[:, :, None] + self._apart).min(axis=1)
        late = self._lost_s + times.resume_s[:, None] > self._task.slack_s + _TOLERANCE_S
        values_g = np.full((self._layers, 2 * self._sites, self._levels + 1), _FORBIDDEN_G)
        values_g[:, : self._sites, :-1] = np.minimum(there_g, moved_g)
        values_g[:, self._sites :, :-1] = np.where(late, _FORBIDDEN_G, there_g + (idle * times.resume_s)[:, None])
        if self._task.moves_left is not None:
            values_g[0, : self._sites, :-1] = there_g
        values_g[:, :, :-1][:, :, self._over[-1]] = 0.0
        return values_g

    def _with_one_move_less(self, later_g: Floats) -> Floats:
        if self._task.moves_left is None:
            return later_g
        return np.concatenate([np.full_like(later_g[:1], _FORBIDDEN_G), later_g[:-1]])


def _share(work_s: Floats, span_s: Floats) -> Floats:
    """How much of a span of training there is work for, 0..1; 1 where the span is none."""
    result: Floats = np.where(span_s > 0, np.clip(work_s / np.where(span_s > 0, span_s, 1.0), 0.0, 1.0), 1.0)
    return result


def _levels(slack_s: float, slot_s: float) -> tuple[float, int]:
    """How long a level of lost time is, and how many there are, from none lost on.

    A slot is a whole number of levels, so that waiting is exact, unless the slack is shorter than a slot.
    """
    if slack_s < _TOLERANCE_S:
        return slot_s, 1
    if slack_s < slot_s:
        return slack_s / _LEVELS, _LEVELS + 1
    level_s = slot_s / max(1, math.floor(_LEVELS * slot_s / slack_s))
    return level_s, math.floor(slack_s / level_s + 1e-9) + 1


def _options(stay_g: float, pause_g: float, move_g: Floats) -> Options:
    return Options(stay_g=_known(stay_g), pause_g=_known(pause_g), move_g=tuple(_known(value) for value in move_g))


def _known(emissions_g: float) -> float:
    # A share of what is forbidden is forbidden, too; shares are at least 1e-6.
    return float(emissions_g) if emissions_g < 1e-9 * _FORBIDDEN_G else math.inf
