"""From readings of any period to hours."""

from __future__ import annotations

from datetime import timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic_grid import HOUR, START, readings

from gacli.core.carbon import Quality
from gacli.forecast.series import hourly

NAN = float("nan")
YEAR = timedelta(days=365)


@pytest.mark.parametrize(
    ("values", "period_s", "expected"),
    [
        ([100, 200, 300], 3600, [100, 200, 300]),
        ([100, 200, 300, 500], 1800, [150, 400]),
        ([100, 100, 100, 500] * 2, 900, [200, 200]),
        ([120] * 12 + [240] * 12, 300, [120, 240]),
        ([100, 400], 7200, [100, 100, 400, 400]),
        # Of an hour without half of its readings nothing is known; with half of them their mean is taken.
        ([100, 100, 100, 100, 900, NAN, NAN, NAN, 300, 300, 300, 300], 900, [100, NAN, 300]),
        ([100, 100, 100, 100, NAN, NAN, 700, 900, 300, 300, 300, 300], 900, [100, 800, 300]),
        ([100, NAN, NAN, 400], 3600, [100, NAN, NAN, 400]),
    ],
)
def test_an_hour_is_the_mean_of_its_readings(values: list[float], period_s: float, expected: list[float]) -> None:
    hours = hourly(readings(values, period_s=period_s), now=START + timedelta(days=1), reach=YEAR)

    assert hours is not None
    assert hours.start == START
    np.testing.assert_allclose(hours.intensity_g_per_kwh, expected)


def test_readings_that_start_between_full_hours_are_shared_out() -> None:
    hours = hourly(
        readings([100, 200, 300], start=START + timedelta(minutes=15)), now=START + timedelta(days=1), reach=YEAR
    )

    assert hours is not None
    assert hours.start == START
    # The fourth hour is covered by a quarter only.
    np.testing.assert_allclose(hours.intensity_g_per_kwh, [100, 0.25 * 100 + 0.75 * 200, 0.25 * 200 + 0.75 * 300])


@pytest.mark.parametrize(
    ("minutes", "known"),
    [(0, 2), (1, 3), (59, 3), (60, 3), (61, 4)],
    ids=["on the hour", "just begun", "nearly over", "over", "the next has begun"],
)
def test_what_has_not_begun_is_not_known(minutes: int, known: int) -> None:
    hours = hourly(readings(range(100, 110)), now=START + 2 * HOUR + timedelta(minutes=minutes), reach=YEAR)

    assert hours is not None
    np.testing.assert_allclose(hours.intensity_g_per_kwh, range(100, 100 + known))
    assert hours.end == START + known * HOUR
    assert hours.latest.intensity_g_per_kwh == 100 + known - 1


def test_a_long_reading_says_nothing_of_hours_to_come() -> None:
    hours = hourly(readings([100], period_s=86400), now=START + timedelta(hours=5, minutes=10), reach=YEAR)

    assert hours is not None
    assert hours.end == START + 6 * HOUR


@pytest.mark.parametrize("quality", [Quality.FORECAST, Quality.TYPICAL, Quality.STATIC])
def test_expectations_are_not_the_past(quality: Quality) -> None:
    assert hourly(readings([100, 200], quality=quality), now=START + timedelta(days=1), reach=YEAR) is None


def test_only_the_reach_counts() -> None:
    hours = hourly(readings(range(100)), now=START + 100 * HOUR, reach=timedelta(hours=10))

    assert hours is not None
    np.testing.assert_allclose(hours.intensity_g_per_kwh, range(90, 100))


@pytest.mark.parametrize("values", [[], [NAN, NAN]])
def test_nothing_is_known_of_no_readings(values: list[float]) -> None:
    assert hourly(readings(values), now=START + timedelta(days=1), reach=YEAR) is None


def test_a_few_minutes_are_not_an_hour() -> None:
    assert hourly(readings([100, 100], period_s=300), now=START + timedelta(days=1), reach=YEAR) is None


def test_the_renewable_share_has_gaps_of_its_own() -> None:
    shares = [40.0, NAN, 60.0]
    given_readings = readings([100, 200, 300], renewable_percent=shares)
    hours = hourly(given_readings, now=START + timedelta(days=1), reach=YEAR)
    without = hourly(readings([100, 200, 300]), now=START + timedelta(days=1), reach=YEAR)

    assert hours is not None
    assert without is not None
    np.testing.assert_allclose(hours.renewable_percent, shares)
    assert np.isnan(without.renewable_percent).all()


@given(
    values=st.lists(st.floats(0, 2000), min_size=1, max_size=8),
    per_hour=st.sampled_from([1, 2, 4, 6, 12]),
    offset_h=st.integers(-12, 14),
)
def test_finer_readings_and_other_time_zones_give_the_same_hours(
    values: list[float], per_hour: int, offset_h: int
) -> None:
    local = START.astimezone(timezone(timedelta(hours=offset_h)))
    fine = readings(np.repeat(values, per_hour), start=local, period_s=3600 / per_hour)
    hours = hourly(fine, now=local + timedelta(days=1), reach=YEAR)

    assert hours is not None
    assert hours.start == START
    assert hours.start.utcoffset() == timedelta(0)
    np.testing.assert_allclose(hours.intensity_g_per_kwh, values, atol=1e-9)
