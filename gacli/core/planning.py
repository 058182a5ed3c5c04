"""What to do next with a job, given the intensities to come: a dynamic programme over time, time lost, and place.

NumPy is needed here, so whoever plans imports this module when it plans.

Time is cut into slots, at whose beginnings the job may be moved, paused or resumed; whatever takes longer than a slot
goes on through the next ones. A state is the slot, the place (each site, and paused at each site), the time lost so far
(in levels: time in which no step was made), and where moves are limited, how many are left. The work that remains
follows from slot and lost time, exactly; and since no more than the slack may be lost, no plan misses its deadline.
Times that lie between two levels, such as a move's downtime of four minutes where a level is an hour, cost their share
of the next level (linear interpolation).

Complexity: O(slots × layers × sites² × levels) time, where layers is 1 without a limit on moves and otherwise the moves
left plus one; 7 ms for 7 sites, 96 slots, 96 levels, no limit on moves, and 14 ms with four moves left.
"""

from __future__ import annotations

import math

import numpy as np

from gacli.core.plan_emissions import FORBIDDEN_G, TOLERANCE_S, ActionEmissions, Ends, apart
from gacli.core.plan_terms import Floats, Indices, Options, Outlook, Task, Times

# Levels of lost time that are told apart, where slots are not longer than a level.
_LEVELS = 96


def weigh(outlook: Outlook, times: Times, task: Task) -> Options:
    """What each first action leads to, if everything after it is done as well as can be."""
    return _Programme(outlook, times, task).options()


class _Later:
    """Values when actions are done, between two levels by linear interpolation; beyond the last: forbidden.

    place: of which place, [row]. lost_s: the time lost until then, [row, level]. ends: [slot, row].
    """

    def __init__(self, place: Indices, lost_s: Floats, ends: Indices, grid_s: Floats) -> None:
        levels = len(grid_s)
        at = np.interp(lost_s, grid_s, np.arange(levels))
        at[lost_s > grid_s[-1] + TOLERANCE_S] = levels
        low = np.floor(at + 1e-9)
        self._share = np.clip(at - low, 0.0, None)
        self._share[self._share < 1e-6] = 0.0
        # One level beyond the last stands for all that must not be.
        rows = place[:, None] * (levels + 1)
        self._low: Indices = (rows + low).astype(np.intp)
        self._high: Indices = (rows + np.minimum(low + 1, levels)).astype(np.intp)
        self._slots_on = ends - np.arange(len(ends))[:, None] - 1
        self._most_on = self._slots_on.max(axis=1)

    def of(self, slot: int, values_g: Floats) -> Floats:
        """values_g: [layer, edge, place, level + 1], the last level forbidden → [layer, row, level]."""
        low_at, high_at = self._low, self._high
        most_on = int(self._most_on[slot])
        ahead = values_g[:, slot + 1 : slot + 2 + most_on]
        if most_on:
            on = (self._slots_on[slot] * ahead[0, 0].size)[:, None]
            low_at, high_at = low_at + on, high_at + on
        flat = ahead.reshape(len(values_g), -1)
        low: Floats = flat.take(low_at, axis=1)
        high: Floats = flat.take(high_at, axis=1)
        high -= low
        high *= self._share
        low += high
        return low


class _Programme:
    """Places are the sites, then the sites again for a job that is paused there.

    What comes of an action is looked up in rows, one for each site: of a job that is brought there by a move, that is
    resumed there from another site (both use up a move), that is resumed there, that waits there until time is up, that
    waits there all through the slot, that is paused there.
    """

    def __init__(self, outlook: Outlook, times: Times, task: Task) -> None:
        self._outlook, self._times, self._task = outlook, times, task
        self._sites, self._slots = len(outlook.busy_g_per_s), len(outlook.edges_s) - 1
        self._layers = 1 if task.moves_left is None else task.moves_left + 1
        # More than the whole horizon cannot be lost within it.
        slack_s = min(task.slack_s, float(outlook.edges_s[-1]))
        self._lost_s = _levels_s(slack_s, float(outlook.edges_s[-1] - outlook.edges_s[-2]))
        self._grams = ActionEmissions(outlook, times, task, self._lost_s)
        self._over = self._grams.work_s <= TOLERANCE_S
        self._apart = apart(self._sites)
        self._moved_g = np.concatenate([self._grams.move_g, self._grams.elsewhere_g], axis=1)
        self._resumed_g = np.concatenate([self._grams.resume_g, self._grams.waited_g], axis=1)
        self._after_first = self._rows(0)
        self._after = self._rows(min(1, self._slots - 1))

    def options(self) -> Options:
        """Backwards from the last slot; the first slot's actions are kept apart."""
        values_g = np.full((self._layers, self._slots + 1, 2 * self._sites, len(self._lost_s) + 1), FORBIDDEN_G)
        self._fill_last(values_g[:, -1, :, :-1])
        for slot in range(self._slots - 1, 0, -1):
            train_g, pause_g, wait_g, enter_g, bring_g, resume_g = self._actions(slot, values_g)
            values = values_g[:, slot, :, :-1]
            training, paused = values[:, : self._sites], values[:, self._sites :]
            np.minimum(train_g, pause_g, out=training)
            np.minimum(wait_g, resume_g, out=paused)
            if self._sites > 1:
                moves_g = enter_g[:, None] + self._grams.leave_g[slot]
                np.minimum(training, moves_g.min(axis=2), out=training)
                np.minimum(paused, (bring_g[:, None] + self._apart).min(axis=2), out=paused)
            values[:, :, self._over[slot]] = 0.0
        train_g, pause_g, wait_g, enter_g, bring_g, resume_g = self._actions(0, values_g)
        top, place = self._layers - 1, self._task.place
        if self._task.paused:
            first_g = bring_g[top, :, 0].copy()
            first_g[place] = resume_g[top, place, 0]
            return _options(wait_g[top, place, 0], FORBIDDEN_G, first_g)
        first_g = enter_g[top, :, 0] + self._grams.leave_g[0, place, :, 0]
        return _options(train_g[top, place, 0], pause_g[top, place, 0], first_g)

    def _rows(self, slot: int) -> tuple[_Later, _Later]:
        """What uses up a move, and what does not; of the first slot, or of all others."""
        times, grams, lost_s, sites = self._times, self._grams, self._lost_s, self._sites
        edges_s, at, none = self._outlook.edges_s, np.arange(sites), np.zeros((sites, len(lost_s)))

        def until_s(ends: Ends) -> Floats:
            """What passes until then is lost as a whole, [site, 1]."""
            spent_s: Floats = (edges_s[ends.edge[slot]] - edges_s[slot])[:, None]
            return spent_s

        moved = [times.downtime_s[:, None], times.resume_elsewhere_s[:, None]]
        kept = [
            times.resume_s[:, None],
            times.resume_s[:, None] + grams.wait_s,
            until_s(grams.next_ends),
            until_s(grams.pause_ends),
        ]
        moved_ends = (grams.move_ends, grams.elsewhere_ends)
        kept_ends = (grams.resume_ends, grams.next_ends, grams.next_ends, grams.pause_ends)
        return (
            _Later(np.concatenate([at, at]), _stacked(moved, none + lost_s), _edges(moved_ends), lost_s),
            _Later(
                np.concatenate([at, at, at + sites, at + sites]),
                _stacked(kept, none + lost_s),
                _edges(kept_ends),
                lost_s,
            ),
        )

    def _actions(self, slot: int, values_g: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """[layer, site, level], from the slot's beginning on: training on, pausing, waiting; being moved there, without
        what it takes to leave; being resumed there from elsewhere; being resumed where it was paused.
        """
        sites, grams = self._sites, self._grams
        after_move, after = self._after if slot else self._after_first
        moved_g = self._with_one_move_less(after_move.of(slot, values_g))
        moved_g += self._moved_g[slot]
        kept_g = after.of(slot, values_g)
        train_g = values_g[:, slot + 1, :sites, :-1] + grams.train_g[slot]
        resumed_g = kept_g[:, : 2 * sites]
        resumed_g += self._resumed_g[slot]
        wait_g = np.minimum(kept_g[:, 2 * sites : 3 * sites] + grams.wait_g[slot], resumed_g[:, sites:])
        pause_g = kept_g[:, 3 * sites :] + grams.pause_g[slot]
        return train_g, pause_g, wait_g, moved_g[:, :sites], moved_g[:, sites:], resumed_g[:, :sites]

    def _fill_last(self, values_g: Floats) -> None:
        """What is left at the horizon's end is done at the tail's rates, after one more move where that is better."""
        times, tail_g_per_s = self._times, self._outlook.tail_g_per_s
        idle = self._outlook.idle_g_per_s[:, -1]
        work_s = np.maximum(self._grams.work_s[-1], 0.0)
        there_g = work_s * tail_g_per_s[:, None]
        move_g = idle * (times.boot_s + times.downtime_s) + idle[:, None] * times.downtime_s
        slow = self._lost_s + times.downtime_s[:, None] > self._task.slack_s + TOLERANCE_S
        moved_g = (np.where(slow, FORBIDDEN_G, there_g) + move_g[:, :, None] + self._apart).min(axis=1)
        late = self._lost_s + times.resume_s[:, None] > self._task.slack_s + TOLERANCE_S
        values_g[:, : self._sites] = np.minimum(there_g, moved_g)
        values_g[:, self._sites :] = np.where(late, FORBIDDEN_G, there_g + (idle * times.resume_s)[:, None])
        if self._task.moves_left is not None:
            values_g[0, : self._sites] = there_g
        values_g[:, :, self._over[-1]] = 0.0

    def _with_one_move_less(self, later_g: Floats) -> Floats:
        if self._task.moves_left is None:
            return later_g
        return np.concatenate([np.full_like(later_g[:1], FORBIDDEN_G), later_g[:-1]])


def _stacked(spans_s: list[Floats], lost_s: Floats) -> Floats:
    return np.concatenate([lost_s + span_s for span_s in spans_s])


def _edges(ends: tuple[Ends, ...]) -> Indices:
    return np.concatenate([each.edge for each in ends], axis=1)


def _levels_s(slack_s: float, slot_s: float) -> Floats:
    """The levels of lost time, from none on to all of the slack.

    A slot is a whole number of levels, so that waiting is exact, unless the slack is shorter than a slot.
    """
    if slack_s < TOLERANCE_S:
        return np.zeros(1)
    if slack_s < slot_s:
        return np.linspace(0.0, slack_s, _LEVELS + 1)
    level_s = slot_s / max(1, math.floor(_LEVELS * slot_s / slack_s))
    levels_s = np.array([level_s * level for level in range(math.floor(slack_s / level_s + 1e-9) + 1)])
    return levels_s if slack_s - levels_s[-1] < 1.0 else np.concatenate([levels_s, [slack_s]])


def _options(stay_g: float, pause_g: float, move_g: Floats) -> Options:
    return Options(stay_g=_known(stay_g), pause_g=_known(pause_g), move_g=tuple(_known(value) for value in move_g))


def _known(emissions_g: float) -> float:
    # A share of what is forbidden is forbidden, too; shares are at least 1e-6.
    return float(emissions_g) if emissions_g < 1e-9 * FORBIDDEN_G else math.inf
