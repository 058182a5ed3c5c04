"""The regression and the intervals, each against a second way to compute it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.synthetic_grid import intensities

from gacli.forecast.arrays import DAY, Floats, by_day
from gacli.forecast.baselines import persistence, profile_decay, seasonal_naive
from gacli.forecast.intervals import bounds
from gacli.forecast.model import MAX_LEADS, project
from gacli.forecast.pooled import COEFFICIENTS, ERROR_QUANTILES, LEVELS
from gacli.forecast.regressors import NAMES, WINDOW, profile, regressors
from gacli.forecast.restlessness import restlessness


def log_grid(days: int, seed: int = 1) -> Floats:
    return np.log1p(intensities(days * DAY, seed=seed))


def test_the_pooled_table_fits_the_regressors() -> None:
    assert COEFFICIENTS.shape == (120, len(NAMES))
    assert ERROR_QUANTILES.shape == (120, len(LEVELS))
    assert MAX_LEADS == 120
    assert (np.diff(ERROR_QUANTILES, axis=1) > 0).all()
    assert (ERROR_QUANTILES[:, :2] < 0).all()
    assert (ERROR_QUANTILES[:, 2:] > 0).all()


def test_without_a_past_of_its_own_a_zone_gets_the_pooled_model() -> None:
    hours = log_grid(WINDOW)
    days = by_day(hours)
    expected = np.tile(profile(days)[-1], 4) + (regressors(days, 4)[-1] * COEFFICIENTS[:96]).sum(axis=1)

    projection = project(hours, hours, ahead=4)

    np.testing.assert_allclose(projection.centre, expected)
    assert projection.errors.shape == (1, 96)
    assert np.isnan(projection.errors).all()


def test_past_errors_are_those_of_a_model_that_has_not_seen_the_day() -> None:
    hours = log_grid(WINDOW + 20)
    days = by_day(hours)
    errors = project(hours, hours, ahead=1).errors
    x = regressors(days, 1)[:-1]
    outcome = days[WINDOW:] - profile(days)[:-1]
    pooled = (x * COEFFICIENTS[:DAY]).sum(axis=2)
    scale = np.sqrt(np.mean((outcome - pooled) ** 2))
    penalty = 20.0 * scale**2 * np.eye(len(NAMES))

    assert np.isnan(errors[-1]).all()
    for lead in (0, 13, 23):
        for day in range(20):
            others = np.arange(20) != day
            a, b = x[others, lead], (outcome - pooled)[others, lead]
            moved = np.linalg.solve(a.T @ a + penalty, a.T @ b)
            expected = (outcome - pooled)[day, lead] - x[day, lead] @ moved
            assert errors[day, lead] == pytest.approx(expected, abs=1e-9)


def test_unknown_outcomes_do_not_count() -> None:
    hours = log_grid(WINDOW + 30)
    unknown = hours.copy()
    unknown[-5 * DAY : -4 * DAY] = np.nan
    wrong = np.where(np.isnan(unknown), 40.0, hours)

    errors = project(unknown, hours, ahead=2).errors

    assert np.isnan(errors[-6, :DAY]).all()
    assert np.isnan(errors[-7, DAY:]).all()
    assert np.isfinite(errors[-6, DAY:]).all()
    whole, without, mistaken = (project(known, hours, ahead=2).centre for known in (hours, unknown, wrong))
    np.testing.assert_allclose(without, whole, atol=0.02)
    # Had they been counted, they would have drawn the forecast away.
    assert np.abs(mistaken - whole).max() > 0.03


def test_a_zone_of_its_own_kind_gets_a_model_of_its_own() -> None:
    """Every other day is twice as dirty: no other zone is like that, so the pooled coefficients cannot know."""
    values = np.repeat(np.where(np.arange(200) % 2, 200.0, 400.0), DAY)
    hours = np.log1p(values)

    short = np.expm1(project(hours[-WINDOW * DAY :], hours[-WINDOW * DAY :], ahead=1).centre)
    long = np.expm1(project(hours, hours, ahead=1).centre)

    # The newest day has 200, so the next one 400.
    assert np.abs(long - 400).mean() < 0.5 * np.abs(short - 400).mean()


def test_a_level_is_a_factor() -> None:
    hours = log_grid(100)
    np.testing.assert_allclose(project(hours + 1, hours + 1, ahead=4).centre, project(hours, hours, ahead=4).centre + 1)


@pytest.mark.parametrize("days", [WINDOW, 60, 200])
def test_a_constant_series_stays_constant(days: int) -> None:
    hours = np.full(days * DAY, 6.0)
    projection = project(hours, hours, ahead=5)

    np.testing.assert_allclose(projection.centre, 6.0)
    np.testing.assert_allclose(projection.errors[np.isfinite(projection.errors)], 0.0, atol=1e-9)


def test_restlessness_is_the_change_from_day_to_day() -> None:
    days = np.add.outer(0.2 * (np.arange(30) % 2), np.arange(24.0))

    np.testing.assert_allclose(restlessness(days, assumed=0.2)[1:], 0.2)
    # A fifth of a day against fourteen days, and against none.
    assert restlessness(days, assumed=1.0)[-1] == pytest.approx(np.sqrt((14 * 0.2**2 + 0.2) / 14.2))
    assert restlessness(days, assumed=1.0)[0] == pytest.approx(1.0)
    # What was long ago does not count.
    days[:10] += 5.0
    np.testing.assert_allclose(restlessness(days, assumed=0.2)[-5:], 0.2)


def test_restlessness_leaves_out_what_is_not_known() -> None:
    days = np.add.outer(0.2 * (np.arange(30) % 2), np.zeros(24))
    days[25, 3:9] = np.nan

    np.testing.assert_allclose(restlessness(days, assumed=0.2)[1:], 0.2)


def test_intervals_are_quantiles_of_the_zones_own_errors() -> None:
    draws = np.random.default_rng(5).normal(size=(180, 48)) * np.linspace(1, 3, 48)
    errors = np.concatenate([draws, np.full((1, 48), np.nan)])

    found = bounds(errors, np.full(181, 1e-9), 400.0)

    expected = np.array([-1.645, -0.674, 0.674, 1.645])[:, None] * np.linspace(1, 3, 48)
    # Ten of 190 parts are the pooled quantiles, next to nothing for so calm a zone.
    np.testing.assert_allclose(found, expected * 180 / 190, rtol=0.25)
    assert np.abs(found / expected).mean() == pytest.approx(180 / 190, abs=0.03)


def test_quantiles_take_the_error_to_come_for_one_more() -> None:
    """Of 19 errors the smallest is the 5 % quantile of 20, the fifth that of 25 %."""
    errors = np.repeat(np.arange(-9.0, 10.0)[:, None], 24, axis=1)

    found = bounds(errors, np.full(19, 1e-12), 400.0)

    np.testing.assert_allclose(found, np.array([-9, -5, 5, 9])[:, None] * np.full((4, 24), 19 / 29), rtol=1e-6)


def test_intervals_are_asymmetric_where_errors_are() -> None:
    errors = np.abs(np.random.default_rng(5).normal(size=(180, 24)))
    low90, low50, high50, high90 = bounds(errors, np.full(180, 0.1), 400.0)

    assert (np.abs(low90) < 0.3 * high90).all()
    assert (low50 <= 0).all()
    assert (high50 > 0).all()


def test_without_errors_of_its_own_a_zone_gets_the_pooled_ones_by_its_restlessness() -> None:
    errors = np.full((1, 24), np.nan)

    found = bounds(errors, np.array([0.3]), 3.0)

    np.testing.assert_allclose(found, ERROR_QUANTILES[:24].T * 0.3 * np.sqrt(4 / 3))


def test_a_restless_time_widens_intervals() -> None:
    errors = np.random.default_rng(5).normal(size=(180, 24))
    calm, restless = np.full(180, 0.1), np.full(180, 0.1)
    restless[-1] = 0.4

    ratio = bounds(errors, restless, 400.0) / bounds(errors, calm, 400.0)

    assert ratio.mean() == pytest.approx(2.0, abs=0.15)


@settings(max_examples=40)
@given(
    history=st.integers(1, 60),
    unknown=st.floats(0, 1),
    leads=st.sampled_from([24, 48, 120]),
    size=st.sampled_from([0.0, 1e-12, 0.1, 10.0]),
    seed=st.integers(0, 1000),
)
def test_bounds_are_always_in_order(history: int, unknown: float, leads: int, size: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(history, leads)) * size
    errors[rng.random((history, leads)) < unknown] = np.nan

    found = bounds(errors, rng.random(history) + 1e-3, float(history))

    assert np.isfinite(found).all()
    assert (np.diff(found, axis=0) >= -1e-12).all()
    assert (found[:2] <= 0).all()
    assert (found[2:] >= 0).all()


def test_baselines() -> None:
    hours = np.tile(np.arange(1.0, 25.0), 14)
    np.testing.assert_array_equal(persistence(hours, 30), np.full(30, 24.0))
    np.testing.assert_array_equal(seasonal_naive(hours, 30), [*range(1, 25), *range(1, 7)])
    np.testing.assert_allclose(profile_decay(hours, 30), [*range(1, 25), *range(1, 7)])


def test_profile_and_decay_returns_to_the_profile() -> None:
    hours = np.full(14 * DAY, 100.0)
    hours[-DAY:] = 200.0
    found = profile_decay(hours, 96)

    assert 160 < found[0] < 200
    assert 105 < found[-1] < 125
    assert (np.diff(found) < 0).all()
