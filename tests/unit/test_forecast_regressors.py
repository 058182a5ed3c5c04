"""What the model looks at, each computed a second way; and that it cannot see what is to come."""

from __future__ import annotations

import numpy as np
import pytest
from support.synthetic_grid import intensities

from gacli.forecast.arrays import DAY, Floats, by_day
from gacli.forecast.gaps import completed, mean_day
from gacli.forecast.regressors import NAMES, WINDOW, outcomes, profile, regressors

AHEAD = 5
DAYS = 40


def test_days_end_where_the_series_ends() -> None:
    np.testing.assert_array_equal(by_day(np.arange(50.0)), np.arange(2.0, 50.0).reshape(2, 24))


@pytest.mark.parametrize("lead", [0, 5, 23, 24, 40, 71, 96, 119])
def test_each_regressor_is_what_its_name_says(lead: int) -> None:
    hours = np.log(intensities(DAYS * DAY))
    origin = len(hours)
    found = regressors(by_day(hours), AHEAD)[-1, lead]

    def same_hour(days: int) -> Floats:
        """The values at the lead's hour of the day on the newest days."""
        return hours[origin - days * DAY + lead % DAY : origin : DAY]

    base = same_hour(7).mean()
    off = np.array(
        [hours[hour] - hours[origin - 7 * DAY + (hour - origin) % DAY : origin : DAY].mean() for hour in range(-24, 0)]
    )
    weeks = [hours[origin + lead - week * 168] for week in range(1, 5)]
    expected = {
        "last 1 h": off[-1],
        "last 2 h": off[-2],
        "last 6 h": off[-6:].mean(),
        "last day": off.mean(),
        "same hour": off[lead % DAY],
        "28 days": same_hour(28).mean() - base,
        "28-day level": hours[-28 * DAY :].mean() - hours[-7 * DAY :].mean(),
        "week ago": weeks[0] - base,
        "weekday": np.mean(weeks) - base,
    }
    np.testing.assert_allclose(found, [expected[name] for name in NAMES], atol=1e-12)
    assert profile(by_day(hours))[-1, lead % DAY] == pytest.approx(base)


def test_outcomes_are_the_hours_after_the_origin() -> None:
    hours = np.arange(float(DAYS * DAY))
    found = outcomes(by_day(hours), AHEAD)

    assert found.shape == (DAYS - WINDOW + 1, AHEAD * DAY)
    np.testing.assert_array_equal(found[0], np.arange(28 * DAY, 33 * DAY))
    assert np.isnan(found[-1]).all()
    np.testing.assert_array_equal(np.isfinite(found[-3]), np.arange(120) < 48)


def test_a_constant_added_changes_no_regressor() -> None:
    days = by_day(np.log(intensities(DAYS * DAY)))
    np.testing.assert_allclose(regressors(days + 3.0, AHEAD), regressors(days, AHEAD), atol=1e-12)


def test_no_regressor_sees_what_comes_after_its_origin() -> None:
    days = by_day(np.log(intensities(DAYS * DAY)))
    other = days.copy()
    other[35:] += 1.0
    before = slice(0, 35 - WINDOW + 1)

    np.testing.assert_array_equal(regressors(other, AHEAD)[before], regressors(days, AHEAD)[before])
    assert not np.allclose(regressors(other, AHEAD)[before.stop], regressors(days, AHEAD)[before.stop])


def test_gaps_are_filled_by_what_is_expected_moved_to_the_level_around() -> None:
    expected = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    hours = np.array([np.nan, 12.0, np.nan, 18.0, np.nan])

    # Differences 10 and 14: 12 between, 14 after; before, their sum over two hours and a whole day.
    np.testing.assert_allclose(completed(hours, expected), [1 + 24 / 26, 12, 15, 18, 19])


def test_a_whole_past_is_left_as_it_is() -> None:
    hours = np.array([3.0, 1.0])
    np.testing.assert_array_equal(completed(hours, np.zeros(2)), hours)


def test_the_mean_day_is_drawn_to_the_mean() -> None:
    hours = np.full(72, np.nan)
    hours[24:48] = 10.0
    hours[30] = hours[54] = 34.0
    mean = (24 * 10.0 + 24.0 + 34.0) / 25

    found = mean_day(hours)

    assert found[6] == found[30] == pytest.approx((2 * 34 + mean) / 3)
    assert found[0] == pytest.approx((10 + mean) / 2)
