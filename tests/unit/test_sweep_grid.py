"""What a sweep tries: every policy of every case once, each on the readings of its own run."""

from __future__ import annotations

from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gacli.config.sweep import Series, Sweep, load_sweep
from gacli.config.sweep_model import ThresholdsConfig
from gacli.core.carbon import Scope, Signal
from gacli.errors import ConfigError
from gacli.sweep.grid import Plan
from gacli.sweep.threshold import never_pausing_s

DATA = Path(__file__).parents[1] / "data" / "sweep"


@pytest.fixture
def small() -> Sweep:
    return load_sweep(DATA / "small.yaml")


def a_year(year: int, step_s: float = 3600.0) -> Series:
    """Each reading tells its own number."""
    first, last = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    count = int((last - first).total_seconds() / step_s)
    return Series(
        start=first,
        step_s=step_s,
        intensity_g_per_kwh=array("d", (number / 10 for number in range(count))),
        signal=Signal.AVERAGE,
        scope=Scope.LIFECYCLE,
        source="made up",
    )


def test_every_policy_of_every_case_is_in_one_chunk(small: Sweep) -> None:
    plan = Plan(replace(small, thresholds=ThresholdsConfig(count=300)))
    assert plan.policies == 2 * 2 * 3 * 300 * 301 // 2
    assert [chunk.number for chunk in plan.chunks] == list(range(len(plan.chunks)))
    assert len(plan.chunks) > len(plan.keys) == 12
    for key in plan.keys:
        pairs = np.concatenate([plan.chunk_policies(chunk) for chunk in plan.chunks if chunk.key is key])
        assert len(pairs) == len(np.unique(pairs, axis=0)) == 300 * 301 // 2
        assert (pairs[:, 1] <= pairs[:, 0]).all()


def test_thresholds_reach_from_the_lowest_to_the_highest_intensity_of_the_zone(small: Sweep) -> None:
    plan = Plan(small)
    windy, sunny = (plan.thresholds(site) for site in small.sites)
    assert len(windy) == len(sunny) == 12
    seen = small.series["XX-SUN"].intensity_g_per_kwh
    assert (sunny[0], sunny[-1]) == (min(seen), 250.0)
    assert windy[-1] > sunny[-1]


def test_thresholds_by_step_include_the_last(small: Sweep) -> None:
    spread = ThresholdsConfig.model_validate({"from": 0.1, "to": 0.7, "step": 0.1})
    plan = Plan(replace(small, thresholds=spread))
    assert plan.thresholds(small.sites[0]) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])


def test_a_case_sees_its_own_run(small: Sweep) -> None:
    plan = Plan(small)
    key = plan.keys[1]
    case = plan.case(key)
    assert key.start == datetime(2024, 1, 2, 6, 30, tzinfo=UTC)
    assert case.offset_s == 1800
    series = small.series["XX-WIND"].intensity_g_per_kwh
    assert case.intensity_g_per_kwh[0] == series[30]
    assert case.limit_s == pytest.approx(3 * never_pausing_s(key.job.job, 300.0))
    assert (case.busy_w, case.idle_w, case.pue) == (8 * 700, 8 * 60, 1.2)


@pytest.mark.parametrize("year", [2023, 2024])
def test_a_repeated_year_begins_again_with_its_first_reading(small: Sweep, year: int) -> None:
    start = datetime(year, 12, 31, 22, 30, tzinfo=UTC)
    series = a_year(year)
    sweep = replace(small, repeat_year=True, starts=(start,), series=dict.fromkeys(small.series, series))
    case = Plan(sweep).case(Plan(sweep).keys[0])
    last = len(series.intensity_g_per_kwh) - 1
    assert case.offset_s == 1800
    assert list(case.intensity_g_per_kwh[:4] * 10) == pytest.approx([last - 1, last, 0, 1])


def test_a_repeated_year_of_another_one_is_refused(small: Sweep) -> None:
    sweep = replace(
        small,
        repeat_year=True,
        starts=(datetime(2025, 1, 1, tzinfo=UTC),),
        series=dict.fromkeys(small.series, a_year(2024)),
    )
    with pytest.raises(ConfigError, match="expected the whole of 2025"):
        Plan(sweep)


def test_far_too_many_policies_are_refused(small: Sweep) -> None:
    starts = tuple(datetime(2024, 1, 1, tzinfo=UTC) + number * timedelta(minutes=1) for number in range(2000))
    with pytest.raises(ConfigError, match="policies in all, expected at most"):
        Plan(replace(small, starts=starts, thresholds=ThresholdsConfig(count=200)))


def test_results_are_of_a_file_and_its_traces(small: Sweep) -> None:
    plan = Plan(small)
    other = {zone: replace(series, start=series.start - timedelta(hours=1)) for zone, series in small.series.items()}
    assert plan.digest == Plan(load_sweep(DATA / "small.yaml")).digest
    assert plan.digest != Plan(replace(small, series=other)).digest
