"""What an answer of NESO says, apart from how it was fetched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.carbon.neso import Period, periods_of
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Quality, Scope, Signal
from gacli.errors import CarbonUnavailable

AT = datetime(2018, 1, 20, 12, 0, tzinfo=UTC)
ROW = {
    "from": "2018-01-20T12:00Z",
    "to": "2018-01-20T12:30Z",
    "intensity": {"forecast": 266, "actual": 263, "index": "moderate"},
}
REGIONAL = {**ROW, "intensity": {"forecast": 40, "index": "very low"}, "generationmix": []}
REGION = {"regionid": 13, "dnoregion": "UKPN London", "shortname": "London", "data": [REGIONAL]}


def _row(**intensity: object) -> dict[str, Any]:
    return {**ROW, "intensity": intensity}


def test_national_period() -> None:
    assert periods_of({"data": [ROW]}, region=None) == [Period(at=AT, forecast=266.0, actual=263.0)]


@pytest.mark.parametrize("data", [REGION, [REGION]], ids=["object", "list"])
def test_regional_period_in_both_shapes_that_the_api_has(data: object) -> None:
    assert periods_of({"data": data}, region=13) == [Period(at=AT, forecast=40.0, actual=None)]


@pytest.mark.parametrize(
    ("row", "now", "expected"),
    [
        (_row(forecast=266, actual=263), timedelta(hours=1), (263.0, Quality.MEASURED)),
        (_row(forecast=266, actual=None), timedelta(hours=1), (266.0, Quality.ESTIMATED)),
        (_row(forecast=266, actual=None), timedelta(0), (266.0, Quality.ESTIMATED)),
        (_row(forecast=266), timedelta(minutes=10), (266.0, Quality.ESTIMATED)),
        (_row(forecast=266, actual=None), timedelta(seconds=-1), None),
        (_row(forecast=None, actual=None), timedelta(hours=1), None),
        (_row(), timedelta(hours=1), None),
        (_row(forecast=266, actual=0), timedelta(hours=1), (0.0, Quality.MEASURED)),
        (_row(forecast=None, actual=263), timedelta(hours=1), (263.0, Quality.MEASURED)),
    ],
)
def test_what_is_known_of_a_period(row: object, now: timedelta, expected: tuple[float, Quality] | None) -> None:
    (period,) = periods_of({"data": [row]}, region=None)

    reading = period.reading("GB", AT + now)

    assert (reading and (reading.intensity_g_per_kwh, reading.quality)) == expected
    if reading is not None:
        assert (reading.at, reading.period_s, reading.source) == (AT, 1800.0, "neso")
        assert (reading.signal, reading.scope) == (Signal.AVERAGE, Scope.DIRECT)


def test_the_expectation_of_a_period_stays_a_forecast_when_it_is_over() -> None:
    (period,) = periods_of({"data": [ROW]}, region=None)
    reading = period.expectation("GB")

    assert reading is not None
    assert (reading.intensity_g_per_kwh, reading.quality) == (266.0, Quality.FORECAST)
    assert Period(at=AT, forecast=None, actual=263.0).expectation("GB") is None


def test_order_is_by_time_and_each_period_comes_once() -> None:
    later = {**ROW, "from": "2018-01-20T12:30Z", "to": "2018-01-20T13:00Z"}

    periods = periods_of({"data": [later, ROW, later]}, region=None)

    assert [period.at.minute for period in periods] == [0, 30]


@pytest.mark.parametrize(
    ("body", "region", "told"),
    [
        (
            {"error": {"code": "400 Bad Request", "message": "Please enter a valid date"}},
            None,
            "the service refused: '400 Bad Request': 'Please enter a valid date'",
        ),
        ({"data": REGION}, None, "expected `data` as a list of periods"),
        ({"data": [REGION]}, None, "expected `from` and `to`"),
        ({"data": [ROW]}, 13, "expected `data` of one region"),
        ({"data": []}, 13, "expected `data` of one region"),
        ({"data": [REGION, REGION]}, 13, "expected `data` of one region"),
        ({"data": REGION}, 12, "expected region 12, found 13"),
        ({"data": [REGION]}, 12, "expected region 12, found 13"),
        ({"data": [{**ROW, "to": "2018-01-20T13:00Z"}]}, None, "half an hour apart"),
        ({"data": [{**ROW, "to": "2018-01-20T11:30Z"}]}, None, "half an hour apart"),
        ({"data": [{**ROW, "from": "2018-01-20T12:00"}]}, None, "half an hour apart"),
        ({"data": [{**ROW, "from": None}]}, None, "half an hour apart"),
        ({"data": [{**ROW, "intensity": 266}]}, None, "half an hour apart and `intensity`"),
        ({"data": [3]}, None, "half an hour apart and `intensity`"),
        ({"data": [_row(actual=-1)]}, None, r"absurd value at 2018-01-20T12:00Z: expected 0 to 2000 g/kWh, found -1"),
        ({"data": [_row(forecast=2001)]}, None, "absurd value"),
        ({"data": [_row(forecast=10**400)]}, None, "absurd value"),
        ({"data": [_row(forecast="266")]}, None, "expected a number or null at 2018-01-20T12:00Z, found '266'"),
        ({"data": [_row(actual=True)]}, None, "expected a number or null"),
        ([], None, "expected `data` as a list"),
        ("", 13, "expected `data` of one region"),
    ],
)
def test_what_cannot_be_trusted_is_refused(body: object, region: int | None, told: str) -> None:
    with pytest.raises(CarbonUnavailable, match=told):
        periods_of(body, region=region)


@given(
    st.floats(0, MAX_INTENSITY_G_PER_KWH) | st.none(),
    st.floats(0, MAX_INTENSITY_G_PER_KWH) | st.none(),
    st.integers(-200, 200),
)
def test_a_reading_is_never_made_up(forecast: float | None, actual: float | None, minutes: int) -> None:
    (period,) = periods_of({"data": [_row(forecast=forecast, actual=actual)]}, region=None)

    reading = period.reading("GB", AT + timedelta(minutes=minutes))

    if actual is not None:
        assert reading is not None
        assert (reading.intensity_g_per_kwh, reading.quality) == (actual, Quality.MEASURED)
    elif forecast is not None and minutes >= 0:
        assert reading is not None
        assert (reading.intensity_g_per_kwh, reading.quality) == (forecast, Quality.ESTIMATED)
    else:
        assert reading is None
