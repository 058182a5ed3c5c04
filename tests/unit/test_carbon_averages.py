"""Readings of any period as means over equal spans."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.grids import HOUR, NOW, THIS_HOUR, Hourly

from gacli.carbon.averages import averages
from gacli.core.carbon import Reading


def reading(begin_h: float, lasts_h: float, value: float) -> Reading:
    some = Hourly().reading("DE", NOW)
    return replace(some, at=THIS_HOUR + begin_h * HOUR, period_s=lasts_h * 3600, intensity_g_per_kwh=value)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([reading(0, 1, 100), reading(1, 1, 200)], [100, 200, None], id="hours"),
        pytest.param([reading(n / 4, 0.25, 100 * n) for n in range(4)], [150, None, None], id="quarters"),
        pytest.param([reading(0, 0.25, 100), reading(0.25, 0.75, 200)], [175, None, None], id="weighted by time"),
        pytest.param([reading(-1000, 8760, 42)], [42, 42, 42], id="one that spans all"),
        pytest.param([reading(0.5, 1, 100), reading(1.5, 1, 300)], [100, 200, 300], id="off the hour"),
        pytest.param([reading(-1, 1, 100), reading(3, 1, 300)], [None, None, None], id="outside"),
        pytest.param([], [None, None, None], id="nothing"),
    ],
)
def test_three_hours(readings: list[Reading], expected: list[float | None]) -> None:
    assert averages(readings, THIS_HOUR, HOUR, 3) == expected


@given(
    values=st.lists(st.floats(0, 2000), min_size=1, max_size=30),
    minutes=st.sampled_from([5, 15, 30, 60]),
    offset_min=st.integers(-120, 120),
    step_min=st.sampled_from([10, 60, 1440]),
)
def test_no_mean_lies_outside_of_what_it_is_the_mean_of(
    values: list[float], minutes: int, offset_min: int, step_min: int
) -> None:
    readings = [reading((offset_min + n * minutes) / 60, minutes / 60, value) for n, value in enumerate(values)]
    found = [mean for mean in averages(readings, THIS_HOUR, timedelta(minutes=step_min), 20) if mean is not None]
    assert all(min(values) - 1e-6 <= mean <= max(values) + 1e-6 for mean in found)
