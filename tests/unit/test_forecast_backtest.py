"""The back-test: which days it takes, what it counts, and that a forecast never sees its own outcome."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from support.synthetic_grid import HOUR, START, intensities

from gacli.errors import CarbonUnavailable
from gacli.forecast.arrays import Floats
from gacli.forecast.backtest import BUILT_IN, HORIZONS_H, METHODS, BacktestResult, backtest

DAY = timedelta(days=1)


def over_days(values: Floats, first: int, last: int, *, start: datetime = START) -> BacktestResult:
    """The days [first, last) after START."""
    return backtest(values, start, test_from=START + first * DAY, test_to=START + last * DAY)


def test_a_grid_that_repeats_itself_is_forecast_without_error() -> None:
    values = np.tile(np.linspace(100, 400, 24), 40)
    result = over_days(values, 20, 30)

    assert result.origins == 10
    assert (result.first, result.last) == (START + 20 * DAY, START + 29 * DAY)
    assert set(result.mape_percent) == set(METHODS)
    for method in ("profile + decay", "seasonal-naive"):
        np.testing.assert_allclose(result.mape_percent[method], 0, atol=1e-6)
    # With less than four weeks before it, the model is not quite sure of the daily course yet.
    np.testing.assert_allclose(result.mape_percent[BUILT_IN], 0, atol=0.2)
    np.testing.assert_allclose(over_days(values, 28, 30).mape_percent[BUILT_IN], 0, atol=1e-6)
    assert result.mape_percent["persistence"][0] == pytest.approx(300)
    assert result.coverage90_percent == (100,) * len(HORIZONS_H)


@pytest.mark.parametrize(
    ("first", "last", "origins"),
    [(0, 60, 43), (13, 15, 1), (14, 15, 1), (50, 400, 7), (56, 60, 1), (-100, 20, 6)],
)
def test_days_need_a_past_and_a_future(first: int, last: int, origins: int) -> None:
    assert over_days(intensities(60 * 24), first, last).origins == origins


@pytest.mark.parametrize(("first", "last"), [(57, 60), (0, 14), (20, 20), (100, 200)])
def test_no_day_to_test(first: int, last: int) -> None:
    with pytest.raises(CarbonUnavailable, match=r"values of 14 days before and 96 hours after.*2024-03-01T00:00:00"):
        over_days(intensities(60 * 24), first, last)


def test_origins_are_midnights_whenever_the_values_start() -> None:
    values = intensities(30 * 24)
    result = over_days(values[5:], 20, 22, start=START + 5 * HOUR)

    assert result.origins == 2
    assert result.first == START + 20 * DAY


def test_outcomes_change_no_forecast() -> None:
    values = intensities(40 * 24)
    lower = values.copy()
    lower[30 * 24 :] = 1e-6
    found, other = (over_days(series, 30, 31) for series in (values, lower))

    # Against next to nothing the error is the forecast itself, so the forecast of the first hour follows from it.
    for method in METHODS:
        forecast = other.mape_percent[method][0] / 100 * 1e-6 + 1e-6
        assert abs(forecast / values[720] - 1) * 100 == pytest.approx(found.mape_percent[method][0], rel=1e-4)


def test_hours_without_an_outcome_do_not_count() -> None:
    values = intensities(40 * 24)
    holed = values.copy()
    holed[30 * 24 + 1 : 30 * 24 + 6] = np.nan
    found, other = (over_days(series, 30, 31) for series in (values, holed))

    # Of the first six hours only the first is left.
    assert other.mape_percent[BUILT_IN][0] == pytest.approx(found.mape_percent[BUILT_IN][0])
    assert other.mape_percent[BUILT_IN][1] == pytest.approx(found.mape_percent[BUILT_IN][0])
    assert all(np.isfinite(other.coverage90_percent))


def test_an_outcome_of_zero_has_no_percentage_but_is_covered_or_not() -> None:
    values = np.full(30 * 24, 50.0)
    values[20 * 24 : 20 * 24 + 1] = 0.0
    result = over_days(values, 20, 21)

    assert np.isnan(result.mape_percent[BUILT_IN][0])
    assert result.mape_percent[BUILT_IN][1] == pytest.approx(0, abs=1e-6)
    assert result.coverage90_percent[0] == 0
    assert result.coverage90_percent[1] == pytest.approx(500 / 6)


def test_days_after_a_day_without_values_are_left_out() -> None:
    values = intensities(40 * 24)
    values[20 * 24 : 21 * 24] = np.nan

    assert over_days(values, 20, 23).origins == 2


def test_the_model_beats_the_baselines_where_there_is_something_to_learn() -> None:
    result = over_days(intensities(160 * 24), 100, 150)
    ahead = HORIZONS_H.index(24)
    of_methods = {method: errors[ahead] for method, errors in result.mape_percent.items()}

    assert min(of_methods, key=lambda method: of_methods[method]) == BUILT_IN
    assert of_methods[BUILT_IN] < 0.8 * of_methods["seasonal-naive"] < of_methods["persistence"]
    assert 80 < result.coverage90_percent[-1] < 97


@pytest.mark.parametrize(
    ("start", "test_from", "message"),
    [
        (START.replace(tzinfo=None), START, "aware"),
        (START, START.replace(tzinfo=None), "aware"),
        (START + timedelta(minutes=30), START, "full hour"),
    ],
)
def test_instants_that_cannot_be_meant(start: datetime, test_from: datetime, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        backtest(intensities(30 * 24), start, test_from=test_from, test_to=START + 20 * DAY)
