"""The compiled walk against the simulator: the same policy, the same trace, the same grams."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.sweeps import row_of, scenario_of

pytest.importorskip("numba", reason="the extra `sweep` is not installed")

from gacli.policies.pause_resume import PauseResume
from gacli.policies.stay import Stay
from gacli.simulate.run import simulate
from gacli.simulate.scenario import SimulatedJob
from gacli.sweep.columns import COLUMNS, FINISHED, PAUSES
from gacli.sweep.threshold import ThresholdCase, evaluate, never_pausing, never_pausing_s, policies

TOLERANCE = 1e-9


def milliseconds(least: int, most: int) -> st.SearchStrategy[float]:
    return st.integers(least, most).map(lambda value: value / 1000)


@st.composite
def cases(draw: st.DrawFn) -> ThresholdCase:
    """A few hours on a trace of a few levels, so that thresholds, polls and ends meet often."""
    step_s = draw(st.sampled_from([300.0, 900.0, 3600.0]))
    level = st.one_of(st.sampled_from([0.0, 100.0, 200.0, 300.0]), st.floats(0, 400))
    intensity = np.array(draw(st.lists(level, min_size=4, max_size=60)))
    offset_s = draw(st.one_of(st.just(0.0), milliseconds(0, int(step_s * 1000) - 1)))
    known_s = len(intensity) * step_s - offset_s
    work_s = draw(st.one_of(st.integers(1, 20).map(lambda n: n * 600.0), milliseconds(1, int(known_s * 1000))))
    idle_w = draw(st.floats(0, 500))
    save = st.one_of(st.sampled_from([0.0, 148.8, 300.0, 600.0]), milliseconds(0, 2_000_000))
    return ThresholdCase(
        job=SimulatedJob(
            name="job",
            work_s=work_s,
            save_s=draw(save),
            save_every_s=draw(
                st.one_of(st.just(math.inf), st.sampled_from([600.0, 1800.0]), milliseconds(60_000, 10**7))
            ),
            restart_s=draw(save),
        ),
        boot_s=draw(save),
        poll_s=draw(st.sampled_from([60.0, 300.0, 451.7, 3600.0])),
        hold_paused=draw(st.booleans()),
        limit_s=draw(st.one_of(st.just(known_s), milliseconds(1, int(known_s * 1000)))),
        busy_w=idle_w + draw(st.floats(0, 1000)),
        idle_w=idle_w,
        pue=draw(st.floats(1, 2)),
        budget_percent=draw(st.sampled_from([0.0, 13.7, 100.0, 250.0, 1e6])),
        intensity_g_per_kwh=intensity,
        step_s=step_s,
        offset_s=offset_s,
    )


@st.composite
def thresholds(draw: st.DrawFn) -> NDArray[np.float64]:
    level = st.one_of(st.sampled_from([0.0, 100.0, 200.0, 300.0]), st.floats(0, 400))
    return np.array(sorted(draw(st.sets(level, min_size=1, max_size=4))))


@settings(max_examples=100, deadline=None)
@given(case=cases(), levels=thresholds())
def test_every_policy_ends_as_in_the_simulator(case: ThresholdCase, levels: NDArray[np.float64]) -> None:
    results = evaluate(case, levels, 0, len(levels))
    scenario = scenario_of(case)
    for (pause, resume), row in zip(policies(len(levels), 0, len(levels)), results, strict=True):
        policy = PauseResume(
            pause_above_g_per_kwh=float(levels[pause]),
            resume_below_g_per_kwh=float(levels[resume]),
            budget_percent=case.budget_percent or 0.0,
        )
        expected = row_of(simulate(scenario, policy), case.limit_s)
        assert row == pytest.approx(expected, rel=TOLERANCE, abs=1e-12), dict(zip(COLUMNS, expected, strict=True))


@settings(max_examples=30, deadline=None)
@given(case=cases())
def test_a_job_that_never_pauses_ends_as_one_that_stays(case: ThresholdCase) -> None:
    row = never_pausing(case)
    assert row == pytest.approx(row_of(simulate(scenario_of(case), Stay()), case.limit_s), rel=TOLERANCE, abs=1e-12)
    assert row[PAUSES] == 0
    assert bool(row[FINISHED]) == (round(never_pausing_s(case.job, case.boot_s) * 1e6) <= round(case.limit_s * 1e6))
