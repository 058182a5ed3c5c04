"""All threshold policies of one job at one site from one start: what they share, and what becomes of each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from gacli.simulate.progress import microseconds
from gacli.simulate.scenario import SimulatedJob
from gacli.sweep.columns import COLUMNS

if TYPE_CHECKING:
    from gacli.sweep import kernel

# Instants are added to each other below this, so that no sum leaves 64 bits: 36,500 years.
_LONGEST_US: Final = 1 << 60


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ThresholdCase:
    """A job that is paused and resumed at one site, from one start, as `pause-resume` decides without a deadline.

    boot_s, poll_s, hold_paused, limit_s: as of a `Scenario`. busy_w, idle_w: of all that the job holds.
    budget_percent: the policy's; None: there is none.

    intensity_g_per_kwh: of readings `step_s` apart, the first of which is in force at the start, and began `offset_s`
    before it; they cover the run up to its limit. ValueError when they do not, or the limit is not finite.
    """

    job: SimulatedJob
    boot_s: float = 0.0
    poll_s: float
    hold_paused: bool
    limit_s: float
    busy_w: float
    idle_w: float
    pue: float
    budget_percent: float | None = None
    intensity_g_per_kwh: NDArray[np.float64]
    step_s: float
    offset_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.offset_s < self.step_s:
            raise ValueError(f"offset_s must be at least 0 and below {self.step_s}, found {self.offset_s}")
        known_s = len(self.intensity_g_per_kwh) * self.step_s - self.offset_s
        if not 0 < microseconds(self.limit_s) <= microseconds(known_s):
            raise ValueError(f"limit_s must be above 0 and within the {known_s} s that are known, found {self.limit_s}")


def never_pausing_s(job: SimulatedJob, boot_s: float) -> float:
    """How long the job takes that is never paused: boot, restart, work, periodic saves and the last one."""
    # A save that falls on the end of the work is the last one.
    saves = (microseconds(job.work_s) - 1) // max(microseconds(job.save_every_s), 1)
    return boot_s + job.restart_s + job.work_s + (saves + 1) * job.save_s


def evaluate(
    case: ThresholdCase, thresholds_g_per_kwh: NDArray[np.float64], first: int, last: int
) -> NDArray[np.float64]:
    """What becomes of the policies that resume at thresholds `first` to `last` (the latter not included).

    thresholds_g_per_kwh: ascending. Each row is one policy, each column one of `COLUMNS`; a policy pauses at any
    threshold that is not below the one where it resumes. The rows are ordered by the threshold to pause, then by that
    to resume, as `policies` counts them.
    """
    from gacli.sweep import kernel

    times = _times(case)
    polls, ranks, grid = _in_force(case, times, thresholds_g_per_kwh)
    results = np.empty((len(policies(len(thresholds_g_per_kwh), first, last)), len(COLUMNS)))
    kernel.walk_all(grid, times, _rates(case), polls, ranks, first, last, results)
    return results


def never_pausing(case: ThresholdCase) -> NDArray[np.float64]:
    """What becomes of the job that is never paused: one value a column of `COLUMNS`."""
    row: NDArray[np.float64] = evaluate(case, np.array([math.inf]), 0, 1)[0]
    return row


def policies(thresholds: int, first: int, last: int) -> NDArray[np.int32]:
    """The policies of `evaluate`, in its order: the indices of the thresholds to pause and to resume at."""
    pause, resume = np.meshgrid(
        np.arange(first, thresholds, dtype=np.int32), np.arange(first, last, dtype=np.int32), indexing="ij"
    )
    above = resume <= pause
    return np.column_stack([pause[above], resume[above]])


def _times(case: ThresholdCase) -> kernel.Times:
    from gacli.sweep.kernel import Times

    job = case.job
    poll_us, save_us = max(microseconds(case.poll_s), 1), microseconds(job.save_s)
    boot_us, restart_us = microseconds(case.boot_s), microseconds(job.restart_s)
    resume_us = restart_us if case.hold_paused else boot_us + restart_us
    every_us = microseconds(job.save_every_s)
    budget_us = _LONGEST_US if case.budget_percent is None else microseconds(job.work_s * case.budget_percent / 100)
    return Times(
        work_us=microseconds(job.work_s),
        save_us=save_us,
        save_every_us=0 if every_us >= _LONGEST_US else max(every_us, 1),
        startup_us=boot_us + restart_us,
        resume_us=resume_us,
        poll_us=poll_us,
        limit_us=microseconds(case.limit_s),
        budget_us=min(budget_us, _LONGEST_US),
        loss_us=max(-(-save_us // poll_us), 1) * poll_us + resume_us,
    )


def _rates(case: ThresholdCase) -> kernel.Rates:
    from gacli.sweep.kernel import Rates

    return Rates(
        busy_w=float(case.busy_w),
        idle_w=float(case.idle_w),
        paused_w=float(case.idle_w) if case.hold_paused else 0.0,
        pue=float(case.pue),
    )


def _in_force(
    case: ThresholdCase, times: kernel.Times, thresholds_g_per_kwh: NDArray[np.float64]
) -> tuple[kernel.Polls, NDArray[np.int32], kernel.Grid]:
    """What each poll before the limit sees, the rank of each stretch of polls, and the intensity itself."""
    from gacli.sweep import kernel

    intensity = np.ascontiguousarray(case.intensity_g_per_kwh, dtype=np.float64)
    before = np.concatenate([[0.0], np.cumsum(intensity) * case.step_s])[:-1]
    grid = kernel.Grid(
        intensity=intensity,
        before=before,
        step_us=microseconds(case.step_s),
        offset_us=microseconds(case.offset_s),
    )
    count = -(-times.limit_us // times.poll_us)
    seen = (np.arange(count) * times.poll_us + grid.offset_us) // grid.step_us
    rank_at_poll = np.searchsorted(thresholds_g_per_kwh, intensity[seen], side="left").astype(np.int32)
    begins = np.concatenate([[True], rank_at_poll[1:] != rank_at_poll[:-1]])
    first = np.flatnonzero(begins)
    polls = kernel.Polls(
        stretch=(np.cumsum(begins) - 1).astype(np.int32),
        first=np.append(first, count).astype(np.int32),
        asked=np.empty(count),
        saved=np.empty(count),
        resumed=np.empty(count),
    )
    kernel.integrate(grid, times, polls)
    return polls, rank_at_poll[first], grid
