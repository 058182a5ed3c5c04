"""The planner against a search through every plan, and what holds for all of its answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from gacli.core.plan_terms import Options, Outlook, Task, Times
from gacli.core.planning import weigh

SLOT_S = 3600.0
# Every level of lost time that the planner may choose for these slacks is a part of this, so that nothing is rounded.
GRAIN_S = 450.0
some = settings(max_examples=250, deadline=None)


@dataclass(frozen=True, kw_only=True)
class Case:
    outlook: Outlook
    times: Times
    task: Task


class Search:
    """All plans, one after the other, with the emissions of each reckoned second by second."""

    def __init__(self, case: Case) -> None:
        self._outlook, self._times, self._task = case.outlook, case.times, case.task
        self._edges = case.outlook.edges_s
        self._sites = range(len(case.outlook.busy_g_per_s))

    def options(self) -> Options:
        task = self._task
        moves = math.inf if task.moves_left is None else float(task.moves_left)
        ways = self._ways(0, task.place, task.paused, task.work_s, 0.0, moves)
        return Options(
            stay_g=ways.get("wait" if task.paused else "train", math.inf),
            pause_g=ways.get("pause", math.inf),
            move_g=tuple(ways.get(site, math.inf) for site in self._sites),
        )

    def _least(self, slot: int, place: int, paused: bool, work_s: float, lost_s: float, moves: float) -> float:
        if lost_s > self._task.slack_s + 1e-6:
            return math.inf
        if work_s <= 1e-6:
            return 0.0
        if slot == len(self._edges) - 1:
            return self._tail(place, paused, work_s, lost_s, moves)
        return min(self._ways(slot, place, paused, work_s, lost_s, moves).values())

    def _tail(self, place: int, paused: bool, work_s: float, lost_s: float, moves: float) -> float:
        rates, idle, times = self._outlook.tail_g_per_s, self._outlook.idle_g_per_s[:, -1], self._times
        if paused:
            late = lost_s + times.resume_s[place] > self._task.slack_s + 1e-6
            return math.inf if late else float(work_s * rates[place] + idle[place] * times.resume_s[place])
        ways = [work_s * rates[place]]
        for site in self._sites:
            in_time = lost_s + times.downtime_s[site] <= self._task.slack_s + 1e-6
            if site != place and moves > 0 and in_time:
                move_g = idle[site] * (times.boot_s[site] + times.downtime_s[site])
                ways.append(work_s * rates[site] + move_g + idle[place] * times.downtime_s[site])
        return float(min(ways))

    def _ways(
        self, slot: int, place: int, paused: bool, work_s: float, lost_s: float, moves: float
    ) -> dict[str | int, float]:
        begin, end = float(self._edges[slot]), float(self._edges[slot + 1])
        ways: dict[str | int, float] = {}
        if paused:
            held_g = self._grams(self._outlook.paused_g_per_s, place, begin, end)
            ways["wait"] = min(
                held_g + self._least(slot + 1, place, True, work_s, lost_s + end - begin, moves),
                self._waited_out(slot, place, work_s, lost_s, moves),
            )
            for site in self._sites:
                left = moves if site == place else moves - 1
                spans = self._times.resume_s if site == place else self._times.resume_elsewhere_s
                ready = begin + float(spans[site])
                until = self._until(slot, ready)
                if left < 0 or until is None:
                    continue
                trained_s = min(work_s, self._edges[until] - ready)
                ways[site] = (
                    self._grams(self._outlook.idle_g_per_s, site, begin, ready)
                    + self._grams(self._outlook.busy_g_per_s, site, ready, ready + trained_s)
                    + self._least(until, site, False, work_s - trained_s, lost_s + ready - begin, left)
                )
            return ways
        trained_s = min(work_s, end - begin)
        ways["train"] = self._grams(self._outlook.busy_g_per_s, place, begin, begin + trained_s) + self._least(
            slot + 1, place, False, work_s - trained_s, lost_s, moves
        )
        saved = begin + self._times.save_s
        until = self._until(slot, saved)
        if self._task.may_pause and until is not None:
            end = float(self._edges[until])
            ways["pause"] = (
                self._grams(self._outlook.busy_g_per_s, place, begin, saved)
                + self._grams(self._outlook.paused_g_per_s, place, saved, end)
                + self._least(until, place, True, work_s, lost_s + end - begin, moves)
            )
        for site in self._sites:
            boot_s, downtime_s = float(self._times.boot_s[site]), float(self._times.downtime_s[site])
            booted, arrived = begin + boot_s, begin + boot_s + downtime_s
            until = self._until(slot, arrived)
            if site == place or moves < 1 or work_s <= boot_s or until is None:
                continue
            trained_s = min(work_s - boot_s, self._edges[until] - arrived)
            ways[site] = (
                self._grams(self._outlook.busy_g_per_s, place, begin, booted + self._times.save_s)
                + self._grams(self._outlook.idle_g_per_s, place, booted + self._times.save_s, arrived)
                + self._grams(self._outlook.idle_g_per_s, site, begin, arrived)
                + self._grams(self._outlook.busy_g_per_s, site, arrived, arrived + trained_s)
                + self._least(until, site, False, work_s - boot_s - trained_s, lost_s + downtime_s, moves - 1)
            )
        return ways

    def _until(self, slot: int, instant_s: float) -> int | None:
        """The first slot that begins when it is done; None: that lies behind the horizon."""
        return next((at for at in range(slot + 1, len(self._edges)) if self._edges[at] >= instant_s - 1e-6), None)

    def _waited_out(self, slot: int, place: int, work_s: float, lost_s: float, moves: float) -> float:
        """Resumed within the slot, at the last poll at which there is time for it."""
        begin, end = float(self._edges[slot]), float(self._edges[slot + 1])
        resume_s, poll_s = float(self._times.resume_s[place]), self._task.poll_s
        resumed = begin + math.floor((self._task.slack_s - lost_s - resume_s) / poll_s) * poll_s
        ready = resumed + resume_s
        if resumed <= begin or ready >= end:
            return math.inf
        trained_s = min(work_s, end - ready)
        return (
            self._grams(self._outlook.paused_g_per_s, place, begin, resumed)
            + self._grams(self._outlook.idle_g_per_s, place, resumed, ready)
            + self._grams(self._outlook.busy_g_per_s, place, ready, ready + trained_s)
            + self._least(slot + 1, place, False, work_s - trained_s, lost_s + ready - begin, moves)
        )

    def _grams(self, rates: np.ndarray[tuple[int, int], np.dtype[np.float64]], site: int, a: float, b: float) -> float:
        changes = self._outlook.changes_s
        parts = zip(changes, [*changes[1:], math.inf], rates[site], strict=True)
        return sum(max(0.0, min(b, float(high)) - max(a, float(low))) * float(rate) for low, high, rate in parts)


def _drawn_times(draw: st.DrawFn, sites: int) -> Times:
    def spans(most: int, least: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return GRAIN_S * np.array([draw(st.integers(least, most)) for _ in range(sites)], float)

    # Also longer than a slot.
    save = draw(st.integers(0, 1) | st.integers(0, 10))
    return Times(
        boot_s=spans(draw(st.sampled_from([1, 12]))),
        downtime_s=spans(draw(st.sampled_from([2, 12])), max(save, 1)) if save <= 2 else spans(save + 2, save),
        resume_s=spans(draw(st.sampled_from([2, 20]))),
        resume_elsewhere_s=spans(draw(st.sampled_from([2, 20])), 1),
        save_s=GRAIN_S * save,
    )


@st.composite
def _cases(draw: st.DrawFn) -> Case:
    sites, slots = draw(st.integers(1, 3)), draw(st.integers(2, 5))
    first_s = draw(st.sampled_from([SLOT_S, SLOT_S / 2]))
    edges_s = np.concatenate([[0.0], first_s + SLOT_S * np.arange(slots)])
    changes = draw(st.none() | st.sets(st.integers(1, 8 * slots), max_size=6))
    changes_s = edges_s[:-1] if changes is None else np.array([GRAIN_S * eighth for eighth in (0, *sorted(changes))])
    busy = np.array([[draw(st.integers(0, 500)) for _ in changes_s] for _ in range(sites)], float) / 1000
    place = draw(st.integers(0, sites - 1))
    slack_s = draw(st.sampled_from([0.0, 0.5, 1.0, 1.09, 2.0, 3.0]))
    return Case(
        outlook=Outlook(
            edges_s=edges_s,
            changes_s=changes_s,
            busy_g_per_s=busy,
            idle_g_per_s=busy * 0.25,
            paused_g_per_s=busy * draw(st.sampled_from([0.0, 0.125])),
            tail_g_per_s=np.array([draw(st.integers(0, 500)) for _ in range(sites)], float) / 1000,
        ),
        times=_drawn_times(draw, sites),
        task=Task(
            work_s=GRAIN_S * draw(st.integers(1, 45)),
            slack_s=min(slack_s, slots - 1) * SLOT_S,
            place=place,
            paused=draw(st.booleans()),
            moves_left=draw(st.sampled_from([None, 0, 1, 2])),
            may_pause=draw(st.sampled_from([True, True, False])),
            poll_s=draw(st.sampled_from([GRAIN_S, SLOT_S])),
        ),
    )


@some
@given(_cases())
def test_no_plan_is_better_than_the_planner_s(case: Case) -> None:
    found, expected = weigh(case.outlook, case.times, case.task), Search(case).options()
    event(f"plans: {math.isfinite(min(expected.stay_g, expected.pause_g, *expected.move_g))}")
    assert found.stay_g == pytest.approx(expected.stay_g, rel=1e-9, abs=1e-9)
    assert found.pause_g == pytest.approx(expected.pause_g, rel=1e-9, abs=1e-9)
    assert found.move_g == pytest.approx(expected.move_g, rel=1e-9, abs=1e-9)


def _day(busy: list[list[float]], task: Task, *, paused_share: float = 0.0) -> Options:
    """Hourly slots; a move or a resumption takes 6 min, a save 3."""
    rates = np.array(busy) / 3600
    sites = len(busy)
    return weigh(
        Outlook(
            edges_s=SLOT_S * np.arange(rates.shape[1] + 1),
            changes_s=SLOT_S * np.arange(rates.shape[1], dtype=float),
            busy_g_per_s=rates,
            idle_g_per_s=rates * 0.1,
            paused_g_per_s=rates * paused_share,
            tail_g_per_s=rates.mean(axis=1),
        ),
        Times(
            boot_s=np.full(sites, 120.0),
            downtime_s=np.full(sites, 360.0),
            resume_s=np.full(sites, 360.0),
            resume_elsewhere_s=np.full(sites, 480.0),
            save_s=180.0,
        ),
        task,
    )


TASK = Task(work_s=4 * SLOT_S, slack_s=5 * SLOT_S, place=0, paused=False)


def test_a_dirty_evening_is_slept_through() -> None:
    options = _day([[900, 900, 900, 100, 100, 100, 100, 100, 100, 100]], TASK)
    # Save 45 g, resume 1 g, four hours at 100 g.
    assert options.pause_g == pytest.approx(446)
    assert options.pause_g < options.stay_g


def test_no_time_to_lose_is_no_time_to_pause() -> None:
    options = _day([[900, 900, 900, 100, 100, 100, 100, 100, 100, 100]], replace(TASK, slack_s=0.0))
    assert options.pause_g == math.inf
    assert options.stay_g == pytest.approx(2800)


def test_a_machine_that_is_kept_makes_pauses_dear() -> None:
    hours = [[500.0, 500, 500, 400, 400, 400, 400, 400, 400, 400]]
    kept, given_back = _day(hours, TASK, paused_share=0.5), _day(hours, TASK)
    assert given_back.pause_g < given_back.stay_g
    assert kept.pause_g > kept.stay_g


def test_the_only_move_that_is_left_is_kept_for_the_cleanest_site() -> None:
    hours = [[500.0] * 8, [300.0] * 8, [900.0, 900, 10, 10, 10, 10, 10, 10]]
    free = _day(hours, replace(TASK, slack_s=SLOT_S, may_pause=False))
    one = _day(hours, replace(TASK, slack_s=SLOT_S, may_pause=False, moves_left=1))
    assert min(free.move_g) == free.move_g[1] < free.stay_g
    assert one.stay_g < min(one.move_g)


def test_what_lies_behind_the_horizon_is_done_at_the_tail_s_rate() -> None:
    options = _day([[100.0, 100.0]], replace(TASK, slack_s=0.0))
    assert options.stay_g == pytest.approx(2 * 100 + 2 * 100)
