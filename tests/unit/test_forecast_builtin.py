"""The built-in forecast from readings to points: what it covers, what it refuses, and what it makes of little."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.synthetic_grid import HOUR, START, intensities, readings

from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Scope, Signal
from gacli.core.forecast import Forecast
from gacli.errors import CarbonUnavailable
from gacli.forecast.builtin import MAX_HORIZON_S, forecast

DAY_S = 86400.0
# Cleanest at 7 UTC, around 300 g/kWh, the same in all months.
PRIOR = tuple(tuple(300 * np.exp(0.3 * np.cos(2 * np.pi * (hour - 19) / 24)) for hour in range(24)) for _ in range(12))


def after(hours: int) -> datetime:
    return START + hours * HOUR


def values_of(found: Forecast) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([point.intensity_g_per_kwh for point in found.points])


def assert_sound(found: Forecast) -> None:
    for point in found.points:
        assert (
            0
            <= point.low90_g_per_kwh
            <= point.low50_g_per_kwh
            <= point.intensity_g_per_kwh
            <= point.high50_g_per_kwh
            <= point.high90_g_per_kwh
            <= MAX_INTENSITY_G_PER_KWH
        )
    assert all(later.at - point.at == HOUR for point, later in zip(found.points, found.points[1:], strict=False))


@pytest.mark.parametrize(
    ("now", "horizon_s", "first", "points"),
    [
        (after(240), DAY_S, after(240), 24),
        (after(240), MAX_HORIZON_S, after(240), 96),
        (after(240), 1, after(240), 1),
        # The reading of the current hour has begun: it is known, and the next hour is the first to be forecast.
        (after(239) + timedelta(minutes=37), DAY_S, after(240), 24),
        (after(239) + timedelta(minutes=37), 60, after(240), 1),
        # Readings are late: the hours between are forecast as well, but only those from `now` on are given.
        (after(243) + timedelta(minutes=37), DAY_S, after(243), 25),
        (after(264), MAX_HORIZON_S, after(264), 96),
    ],
)
def test_points_cover_the_horizon(now: datetime, horizon_s: float, first: datetime, points: int) -> None:
    found = forecast(readings(intensities(240)), now, horizon_s)

    assert found.points[0].at == first
    assert len(found.points) == points
    assert found.end >= now + timedelta(seconds=horizon_s)
    assert found.issued_at == now
    assert found.step_s == 3600
    assert_sound(found)


def test_a_forecast_keeps_the_pedigree_of_its_readings() -> None:
    past = readings(intensities(240), signal=Signal.MARGINAL, scope=Scope.DIRECT)
    found = forecast(past, after(240), DAY_S)

    assert (found.zone, found.signal, found.scope) == ("DE", Signal.MARGINAL, Scope.DIRECT)
    assert found.source == "built-in model on trace:DE.csv"


def test_readings_to_come_change_nothing() -> None:
    values = intensities(400)
    other = np.concatenate([values[:240], values[240:] * 3])

    assert forecast(readings(values), after(240), DAY_S) == forecast(readings(other), after(240), DAY_S)
    assert forecast(readings(values[:240]), after(240), DAY_S) == forecast(readings(other), after(240), DAY_S)


def test_local_times_give_the_same_forecast() -> None:
    values = intensities(240)
    east = timezone(timedelta(hours=9))
    local = readings(values, start=START.astimezone(east))

    assert forecast(local, after(240).astimezone(east), DAY_S) == forecast(readings(values), after(240), DAY_S)


def test_it_forecasts_the_daily_course() -> None:
    values = intensities(24 * 100, restless=0.05)
    origin = 24 * 90
    found = forecast(readings(values), after(origin), MAX_HORIZON_S)

    error = np.abs(values_of(found) / values[origin : origin + 96] - 1)
    flat = np.abs(values[origin - 1] / values[origin : origin + 96] - 1)
    assert error.mean() < 0.06
    assert error.mean() < 0.4 * flat.mean()


def test_intervals_hold_as_often_as_they_say() -> None:
    values = intensities(24 * 300, seed=4)
    past = readings(values)
    held50, held90 = [], []
    for origin in range(24 * 120, len(values) - 96, 51):
        found = forecast(past, after(origin), MAX_HORIZON_S)
        for point, outcome in zip(found.points, values[origin:], strict=False):
            held50.append(point.low50_g_per_kwh <= outcome <= point.high50_g_per_kwh)
            held90.append(point.low90_g_per_kwh <= outcome <= point.high90_g_per_kwh)

    assert np.mean(held50) == pytest.approx(0.5, abs=0.06)
    assert np.mean(held90) == pytest.approx(0.9, abs=0.04)


def test_intervals_grow_with_the_lead() -> None:
    points = forecast(readings(intensities(24 * 60)), after(24 * 60), MAX_HORIZON_S).points
    widths = [point.high90_g_per_kwh / point.low90_g_per_kwh for point in points]

    assert widths[0] < widths[3] < widths[12] < widths[48]


@pytest.mark.parametrize(
    ("known", "with_prior", "relative_error"),
    [(1, True, 0.3), (6, True, 0.2), (24, True, 0.15), (24, False, 0.3), (72, False, 0.15), (24 * 8, False, 0.12)],
)
def test_a_short_past_will_do(known: int, with_prior: bool, relative_error: float) -> None:
    values = intensities(24 * 12, restless=0.05)
    origin = 24 * 9 + 7
    past = readings(values[origin - known : origin], start=after(origin - known))

    found = forecast(past, after(origin), DAY_S, PRIOR if with_prior else None)

    assert_sound(found)
    assert np.abs(values_of(found) / values[origin : origin + 24] - 1).max() < relative_error


def test_the_less_is_known_the_wider_the_intervals() -> None:
    values = intensities(24 * 200)

    def width(known: int) -> float:
        past = readings(values[-known:], start=after(len(values) - known))
        points = forecast(past, after(len(values)), DAY_S, PRIOR).points
        return float(np.mean([point.high90_g_per_kwh / point.low90_g_per_kwh for point in points]))

    assert width(6) > width(24) > width(24 * 7) > width(24 * 200)


def test_a_prior_is_scaled_to_the_recent_level() -> None:
    clean = [[0.1 * hour for hour in month] for month in PRIOR]
    past = readings(intensities(24, restless=0.0))

    def mean(prior: list[list[float]], scope: Scope) -> float:
        return float(
            values_of(forecast(readings(intensities(24, restless=0.0), scope=scope), after(24), DAY_S, prior)).mean()
        )

    assert values_of(forecast(past, after(24), DAY_S, clean)).mean() == pytest.approx(300, rel=0.25)
    # With other emission factors the prior's level says nothing, so all of the difference is scaled away.
    assert mean(clean, Scope.DIRECT) == pytest.approx(mean([list(month) for month in PRIOR], Scope.DIRECT), rel=0.02)
    assert mean(clean, Scope.LIFECYCLE) < mean(clean, Scope.DIRECT)


def test_a_prior_is_that_of_the_month() -> None:
    flat = [[300.0] * 24 for _ in range(12)]
    march = [list(PRIOR[2]) if month == 2 else of_month for month, of_month in enumerate(flat)]
    noon = START + timedelta(days=9, hours=12)
    past = readings([300.0] * 3, start=noon - 3 * HOUR)

    def course(prior: list[list[float]]) -> float:
        return float(np.ptp(values_of(forecast(past, noon, DAY_S, prior))))

    assert course(march) > 5 * course(flat)


def test_marginal_intensities_have_no_typical_days() -> None:
    past = readings(intensities(48), signal=Signal.MARGINAL)

    assert forecast(past, after(48), DAY_S, PRIOR) == forecast(past, after(48), DAY_S)
    with pytest.raises(CarbonUnavailable, match="expected 24 hours of readings, found 23"):
        forecast(past[:23], after(23), DAY_S, PRIOR)


@pytest.mark.parametrize(
    ("known", "now", "prior", "expected"),
    [
        (0, after(10), PRIOR, "no measured or estimated reading before 2024-03-01T10:00:00.00:00"),
        (23, after(23), None, "expected 24 hours of readings, found 23"),
        (48, after(48 + 25), PRIOR, "at most 24 h before 2024-03-04T01:00:00.*end at 2024-03-03T00:00:00"),
    ],
    ids=["nothing", "too few", "too old"],
)
def test_too_little_to_go_by(known: int, now: datetime, prior: tuple[tuple[float, ...], ...], expected: str) -> None:
    with pytest.raises(CarbonUnavailable, match=expected) as raised:
        forecast(readings(intensities(48)[:known]), now, DAY_S, prior)
    assert raised.value.hint


def test_readings_of_two_kinds_are_not_mixed() -> None:
    past = readings(intensities(48)) + readings([100], start=after(48), scope=Scope.DIRECT)
    with pytest.raises(ValueError, match="one zone, signal and scope"):
        forecast(past, after(48), DAY_S)


@pytest.mark.parametrize("horizon_s", [0, -1, MAX_HORIZON_S + 1, float("nan")])
def test_horizons_out_of_range(horizon_s: float) -> None:
    with pytest.raises(ValueError, match="horizon"):
        forecast(readings(intensities(48)), after(48), horizon_s)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        forecast(readings(intensities(48)), after(48).replace(tzinfo=None), DAY_S)


@pytest.mark.parametrize("value", [0.0, 0.3, 435.4, 2000.0])
@pytest.mark.parametrize("days", [1, 10, 100])
def test_a_constant_past(value: float, days: int) -> None:
    found = forecast(readings(np.full(days * 24, value)), after(days * 24), MAX_HORIZON_S)

    assert_sound(found)
    np.testing.assert_allclose(values_of(found), value, atol=1e-6)


def test_a_missing_day_does_little_harm() -> None:
    values = intensities(24 * 60, restless=0.05)
    holed = values.copy()
    holed[-40:-16] = np.nan
    holed[::17] = np.nan
    holed[-1] = values[-1]

    whole, patched = (forecast(readings(past), after(24 * 60), DAY_S) for past in (values, holed))

    assert_sound(patched)
    np.testing.assert_allclose(values_of(patched), values_of(whole), rtol=0.06)


def test_the_renewable_share_is_forecast_where_it_is_known() -> None:
    values = intensities(24 * 60)
    share = 50 + 60 * np.sin(2 * np.pi * np.arange(24 * 60) / 24)
    clipped = np.clip(share, 0, 100)
    found = forecast(readings(values, renewable_percent=clipped), after(24 * 60), DAY_S)
    shares = [point.renewable_percent for point in found.points]

    np.testing.assert_allclose(np.array(shares, dtype=float), clipped[:24], atol=3)
    assert all(share is not None and 0 <= share <= 100 for share in shares)


@pytest.mark.parametrize("unknown", [slice(None, None), slice(-24, None), slice(20, None)])
def test_no_share_is_made_up(unknown: slice) -> None:
    share = np.full(24 * 10, 40.0)
    share[unknown] = np.nan
    past = [
        reading if np.isfinite(percent) else readings([reading.intensity_g_per_kwh], start=reading.at)[0]
        for reading, percent in zip(readings(intensities(240), renewable_percent=share), share, strict=True)
    ]

    assert forecast(past, after(240), DAY_S).points[0].renewable_percent is None


@settings(max_examples=60, deadline=None)
@given(
    days=st.integers(1, 45),
    missing=st.floats(0, 0.9),
    late_h=st.integers(0, 23),
    size=st.sampled_from([0.1, 1.0, 6.0]),
    with_prior=st.booleans(),
    seed=st.integers(0, 999),
)
def test_whatever_the_past_a_forecast_is_sound(
    days: int, missing: float, late_h: int, size: float, with_prior: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = np.minimum(intensities(days * 24, seed=seed) * size, 2000.0)
    values[rng.random(len(values)) < missing] = np.nan
    values[rng.integers(len(values), size=3)] = [0.0, 2000.0, 1.0]
    now = after(len(values) + late_h)
    try:
        found = forecast(readings(values), now, MAX_HORIZON_S, PRIOR if with_prior else None)
    except CarbonUnavailable:
        return

    assert_sound(found)
    assert found.end >= now + timedelta(seconds=MAX_HORIZON_S)
