"""The walk of threshold policies along a trace, compiled by numba. Import it only where a sweep begins to compute.

Time is counted in whole microseconds from the start of the run, as `timedelta` does, so that whether a poll comes
before the end of something is decided as exactly as in a simulation. A *stretch* is a run of polls that no threshold of
the grid tells apart: policies are walked from stretch to stretch, from pause to pause.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from gacli.sweep.columns import DURATION_S, EMISSIONS_G, ENERGY_J, FINISHED, PAUSED_S, PAUSES

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

_NEVER: Final = 2**62

_Function = TypeVar("_Function", bound=Callable[..., object])


class Grid(NamedTuple):
    """The intensity in g/kWh, `step_us` apart, and its integral up to each reading, in g/kWh·s.

    offset_us: from the first reading's start to the start of the run.
    """

    intensity: Floats
    before: Floats
    step_us: int
    offset_us: int


class Times(NamedTuple):
    """A job's times in microseconds. startup_us: until it trains; resume_us: from the decision until it trains again.

    save_every_us: 0 for no periodic saves. limit_us: when the run is given up. budget_us: how long the policy may leave
    the job without training; loss_us: the least of it that a pause takes.
    """

    work_us: int
    save_us: int
    save_every_us: int
    startup_us: int
    resume_us: int
    poll_us: int
    limit_us: int
    budget_us: int
    loss_us: int


class Rates(NamedTuple):
    """Power of the whole job in W, PUE not included; paused_w: while it is paused. pue: of its site."""

    busy_w: float
    idle_w: float
    paused_w: float
    pue: float


class Polls(NamedTuple):
    """What is in force at each poll before the limit. stretch: in which it lies. first: each stretch's first poll, and
    the number of polls.

    Integrals of the intensity: asked: until the poll; saved: until a save is done that begins then; resumed: until the
    job trains that is resumed then.
    """

    stretch: Indices
    first: Indices
    asked: Floats
    saved: Floats
    resumed: Floats


def _compiled(function: _Function) -> _Function:
    """Machine code that lets other threads run meanwhile, kept for the next time where there is a place for it."""
    try:
        return cast("_Function", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # neither this folder nor the user's own can be written to
        return cast("_Function", numba.njit(nogil=True)(function))


@_compiled
def _ceiled(span_us: int, poll_us: int) -> int:
    """The number of the first poll at or after the end of a span."""
    return -(-span_us // poll_us)


@_compiled
def integral_at(grid: Grid, at_us: int) -> float:
    """The integral of the intensity from the first reading's start until `at_us`; the last reading is held."""
    since_us = at_us + grid.offset_us
    index = min(since_us // grid.step_us, len(grid.intensity) - 1)
    integral: float = grid.before[index] + grid.intensity[index] * ((since_us - index * grid.step_us) * 1e-6)
    return integral


@_compiled
def integrate(grid: Grid, times: Times, polls: Polls) -> None:
    """Fill in the integrals."""
    for poll in range(len(polls.saved)):
        at_us = poll * times.poll_us
        polls.asked[poll] = integral_at(grid, at_us)
        polls.saved[poll] = integral_at(grid, at_us + times.save_us)
        polls.resumed[poll] = integral_at(grid, at_us + times.resume_us)


@_compiled
def find_above(ranks: Indices, threshold: int, into: Indices) -> None:
    """By stretch: the first from it on that ranks above the threshold; the number of stretches when none does."""
    found = len(ranks)
    into[found] = found
    for stretch in range(len(ranks) - 1, -1, -1):
        if ranks[stretch] > threshold:
            found = stretch
        into[stretch] = found


@_compiled
def find_not_above(ranks: Indices, threshold: int, into: Indices) -> None:
    """By stretch: the first from it on that does not rank above the threshold; the number of stretches if none."""
    found = len(ranks)
    into[found] = found
    for stretch in range(len(ranks) - 1, -1, -1):
        if ranks[stretch] <= threshold:
            found = stretch
        into[stretch] = found


@_compiled
def _decided(polls: Polls, leads_to: Indices, poll: int) -> int:
    """The first poll from `poll` on in a stretch that `leads_to` leads to; the number of polls when there is none."""
    last = len(polls.saved)
    if poll >= last:
        return last
    stretch = polls.stretch[poll]
    found = leads_to[stretch]
    return poll if found == stretch else polls.first[found]


@_compiled
def _stopped(times: Times, made_us: int, trains_us: int, at_us: int) -> tuple[int, int]:
    """What has been trained, and when it is saved, of a job with `made_us` behind it that trains from `trains_us` on
    and is to pause at `at_us`. A periodic save that is on its way then serves for the pause."""
    span_us = at_us - trains_us
    every_us = times.save_every_us
    if every_us == 0:
        return made_us + span_us, at_us + times.save_us
    until_us = every_us - made_us % every_us
    if span_us < until_us:
        return made_us + span_us, at_us + times.save_us
    cycles = (span_us - until_us) // (every_us + times.save_us)
    saves_us = trains_us + until_us + cycles * (every_us + times.save_us)
    made_us += until_us + cycles * every_us
    if at_us < saves_us + times.save_us:
        return made_us, saves_us + times.save_us
    return made_us + at_us - saves_us - times.save_us, at_us + times.save_us


@_compiled
def _work_ends(times: Times, made_us: int, trains_us: int) -> int:
    """When the work is done that goes on at `trains_us`, undisturbed but for the periodic saves."""
    end_us = trains_us + times.work_us - made_us
    if times.save_every_us == 0:
        return end_us
    # A save that falls on the end of the work is the last one.
    saves = (times.work_us - 1) // times.save_every_us - made_us // times.save_every_us
    return end_us + saves * times.save_us


@_compiled
def walk(
    grid: Grid, times: Times, rates: Rates, polls: Polls, above: Indices, not_above: Indices, into: Floats
) -> None:
    """One policy: pauses at the first poll that `above` leads to, resumes at the first that `not_above` leads to.

    into: one row of `columns.COLUMNS`. At the same instant what ends comes first, then the limit, then a decision.
    """
    last = len(polls.saved)
    made_us = 0
    # Since when it trains, and the integral of the intensity until then; at first the machine boots and starts it.
    trains_us = min(times.startup_us, times.limit_us)
    trains = integral_at(grid, trains_us)
    idle, idle_us = trains - integral_at(grid, 0), trains_us
    busy = held = 0.0
    busy_us = paused_us = end_us = pauses = finished = 0
    poll = _ceiled(trains_us, times.poll_us)
    while True:
        done_us = _work_ends(times, made_us, trains_us) + times.save_us
        pause = _decided(polls, above, poll)
        pause_us = pause * times.poll_us
        saved_us = _NEVER
        if pause < last and pause_us < done_us - times.save_us:
            stopped_us, ends_us = _stopped(times, made_us, trains_us, pause_us)
            if pause_us - stopped_us + times.loss_us <= times.budget_us:
                made_us, saved_us = stopped_us, ends_us
        if saved_us > times.limit_us:
            # No pause comes about any more. It may have been decided, and then the work is not done before the limit.
            finished = 1 if saved_us == _NEVER and done_us <= times.limit_us else 0
            end_us = done_us if finished else times.limit_us
            busy += integral_at(grid, end_us) - trains
            busy_us += end_us - trains_us
            break
        saved = polls.saved[pause] if saved_us == pause_us + times.save_us else integral_at(grid, saved_us)
        pauses += 1
        busy += saved - trains
        busy_us += saved_us - trains_us
        poll = max(_ceiled(saved_us, times.poll_us), pause + 1)
        # Where it has to go on, for at the next poll the budget could not be kept.
        due = max((times.budget_us - times.poll_us - times.resume_us + made_us) // times.poll_us + 1, poll)
        resume = min(_decided(polls, not_above, poll), due)
        if resume >= last or resume * times.poll_us + times.resume_us > times.limit_us:
            # It is given up while it is paused, or while it is being resumed.
            end_us = times.limit_us
            resumed_us = min(resume * times.poll_us, end_us) if resume < last else end_us
            resumed = integral_at(grid, resumed_us)
            held += resumed - saved
            paused_us += resumed_us - saved_us
            idle += integral_at(grid, end_us) - resumed
            idle_us += end_us - resumed_us
            break
        resume_us = resume * times.poll_us
        paused_us += resume_us - saved_us
        held += polls.asked[resume] - saved
        trains_us = resume_us + times.resume_us
        trains = polls.resumed[resume]
        idle += trains - polls.asked[resume]
        idle_us += times.resume_us
        poll = max(_ceiled(trains_us, times.poll_us), resume + 1)
    into[EMISSIONS_G] = (busy * rates.busy_w + idle * rates.idle_w + held * rates.paused_w) * rates.pue / 3.6e6
    into[ENERGY_J] = (busy_us * rates.busy_w + idle_us * rates.idle_w + paused_us * rates.paused_w) * 1e-6
    into[DURATION_S] = end_us * 1e-6
    into[PAUSES] = pauses
    into[PAUSED_S] = paused_us * 1e-6
    into[FINISHED] = finished


@_compiled
def walk_all(
    grid: Grid, times: Times, rates: Rates, polls: Polls, ranks: Indices, first: int, last: int, into: Floats
) -> None:
    """All policies that resume at thresholds `first` to `last`, the latter not included, and pause at one as high.

    ranks: by stretch, how many thresholds of the grid lie below its intensity. into: a row of COLUMNS a policy, by
    threshold to pause, then to resume. As many tables are kept as there are thresholds to resume.
    """
    thresholds = last - first
    not_above = np.empty((thresholds, len(ranks) + 1), np.int32)
    for resume in range(thresholds):
        find_not_above(ranks, first + resume, not_above[resume])
    above = np.empty(len(ranks) + 1, np.int32)
    row = 0
    pause = first
    while row < len(into):
        find_above(ranks, pause, above)
        for resume in range(min(pause + 1, last) - first):
            walk(grid, times, rates, polls, above, not_above[resume], into[row])
            row += 1
        pause += 1
