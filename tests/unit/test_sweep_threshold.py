"""Threshold policies worked out by hand, and what always holds of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra `sweep` is not installed")

from gacli.simulate.scenario import SimulatedJob
from gacli.sweep.columns import COLUMNS, PAUSES
from gacli.sweep.threshold import ThresholdCase, evaluate, never_pausing, never_pausing_s, policies

BY_HAND: Any = json.loads((Path(__file__).parents[1] / "data" / "sweep" / "by_hand.json").read_text())
JOB = SimulatedJob(name="job", work_s=7200.0, save_s=600.0, restart_s=300.0)


def case_of(**given: Any) -> ThresholdCase:
    settings = {"boot_s": 0.0, "hold_paused": True, "limit_s": 21_600.0, "budget_percent": None, "job": JOB} | given
    return ThresholdCase(
        poll_s=3600.0,
        busy_w=1000.0,
        idle_w=100.0,
        pue=1.5,
        intensity_g_per_kwh=np.array(BY_HAND["intensity_g_per_kwh"], dtype=float),
        step_s=3600.0,
        **settings,
    )


@pytest.mark.parametrize("name", BY_HAND["cases"])
def test_worked_out_by_hand(name: str) -> None:
    expected = BY_HAND["cases"][name]
    case = case_of(**{key: expected[key] for key in ("boot_s", "hold_paused", "limit_s", "budget_percent")})
    (row,) = evaluate(case, np.array([200.0]), 0, 1)
    assert dict(zip(COLUMNS, row, strict=True)) == pytest.approx({name: expected[name] for name in COLUMNS}, rel=1e-12)


def test_a_threshold_that_is_met_does_not_pause_and_does_resume() -> None:
    case = case_of(limit_s=21_600.0)
    at_300, at_100 = evaluate(case, np.array([100.0, 300.0]), 0, 2)[[2, 0]]
    assert at_300[PAUSES] == 0
    assert at_100[PAUSES] == 1


def test_the_grid_in_parts_is_the_grid() -> None:
    case, thresholds = case_of(), np.array([50.0, 100.0, 150.0, 250.0, 300.0])
    whole = dict(zip(map(tuple, policies(5, 0, 5).tolist()), evaluate(case, thresholds, 0, 5).tolist(), strict=True))
    parts = {
        tuple(pair): row
        for first, last in ((0, 2), (2, 5))
        for pair, row in zip(
            policies(5, first, last).tolist(), evaluate(case, thresholds, first, last).tolist(), strict=True
        )
    }
    assert parts == whole
    assert len(whole) == 15
    assert all(resume <= pause for pause, resume in whole)


def test_never_pausing_takes_as_long_as_is_said() -> None:
    job = SimulatedJob(name="job", work_s=7200.0, save_s=600.0, save_every_s=1800.0, restart_s=300.0)
    # Saves after 1800, 3600 and 5400 s, and the last one.
    assert never_pausing_s(job, 60.0) == 60 + 300 + 7200 + 4 * 600
    case = case_of(job=job, boot_s=60.0)
    assert never_pausing(case)[COLUMNS.index("duration_s")] == never_pausing_s(job, 60.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param({"limit_s": 21_601.0}, "within the 21600.0 s that are known", id="longer than the readings"),
        pytest.param({"limit_s": math.inf}, "found inf", id="no limit"),
        pytest.param({"offset_s": 3600.0}, "below 3600.0", id="the first reading is not in force"),
    ],
)
def test_what_the_readings_do_not_cover_is_refused(given: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        case_of(**given)
