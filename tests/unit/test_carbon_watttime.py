"""What an answer of WattTime says, apart from how it was fetched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.carbon.watttime import G_PER_KWH_PER_LB_PER_MWH, readings_of
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Quality, Reading, Scope, Signal
from gacli.errors import CarbonUnavailable

META = {
    "data_point_period_seconds": 300,
    "region": "CAISO_NORTH",
    "signal_type": "co2_moer",
    "units": "lbs_co2_per_mwh",
    "warnings": [{"type": "EXAMPLE", "message": "an example"}],
}
AT = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)  # in the hour that California's clocks show twice


def _answer(*points: object, **meta: object) -> dict[str, Any]:
    return {"data": list(points), "meta": {**META, **meta}}


def _point(minutes: int, value: object, **more: object) -> dict[str, object]:
    return {"point_time": (AT + timedelta(minutes=minutes)).isoformat(), "value": value, **more}


def _read(body: object, *, forecast: bool = False) -> list[Reading]:
    return readings_of(body, zone="US-CAL-CISO", region="CAISO_NORTH", forecast=forecast)


def test_a_point_becomes_a_marginal_reading_in_grams() -> None:
    assert _read(_answer(_point(0, 1000))) == [
        Reading(
            zone="US-CAL-CISO",
            at=AT,
            period_s=300.0,
            intensity_g_per_kwh=453.59237,
            signal=Signal.MARGINAL,
            scope=Scope.DIRECT,
            quality=Quality.MEASURED,
            source="watttime",
        )
    ]


@pytest.mark.parametrize(
    ("point", "forecast", "quality"),
    [
        (_point(0, 1.0), False, Quality.MEASURED),
        (_point(0, 1.0, imputed_data_used=False), False, Quality.MEASURED),
        (_point(0, 1.0, imputed_data_used=True), False, Quality.ESTIMATED),
        (_point(0, 1.0), True, Quality.FORECAST),
    ],
)
def test_quality(point: object, forecast: bool, quality: Quality) -> None:
    assert [reading.quality for reading in _read(_answer(point), forecast=forecast)] == [quality]


def test_no_value_is_no_reading_and_zero_is_one() -> None:
    without = _point(5, None)
    missing = {"point_time": "2026-11-01T09:10:00+00:00"}

    readings = _read(_answer(_point(0, 0), without, missing, _point(15, 2.5)))

    assert [(reading.at.minute, reading.intensity_g_per_kwh) for reading in readings] == [
        (0, 0.0),
        (15, pytest.approx(1.133980925)),
    ]


def test_order_is_by_time_and_each_instant_comes_once() -> None:
    readings = _read(_answer(_point(10, 3), _point(0, 1), _point(5, 2), _point(0, 4)))

    assert [reading.at.minute for reading in readings] == [0, 5, 10]
    assert readings[0].intensity_g_per_kwh == pytest.approx(4 * G_PER_KWH_PER_LB_PER_MWH)


@pytest.mark.parametrize(
    "text", ["2026-11-01T09:00:00+00:00", "2026-11-01T09:00Z", "2026-11-01T02:00:00-07:00", "2026-11-01T01:00:00-08:00"]
)
def test_every_offset_names_the_same_instant(text: str) -> None:
    (reading,) = _read(_answer({"point_time": text, "value": 1}))

    assert (reading.at, reading.at.tzinfo) == (AT, UTC)


def test_period_is_the_one_that_the_answer_states() -> None:
    assert [reading.period_s for reading in _read(_answer(_point(0, 1), data_point_period_seconds=900))] == [900.0]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (_answer(_point(0, 96.0), units="percentile"), "expected units lbs_co2_per_mwh .* found 'percentile'"),
        (_answer(_point(0, 1), region="PJM_NJ"), "expected region CAISO_NORTH .* found 'PJM_NJ'"),
        (_answer(_point(0, 1), signal_type="co2_aoer"), "expected signal co2_moer .* found 'co2_aoer'"),
        (_answer(_point(0, 1), signal_type="health_damage"), "expected signal co2_moer"),
        (_answer(_point(0, -1)), r"absurd value .* at 2026-11-01T09:00Z: expected 0 to 4409 lbs/MWh, found -1"),
        (_answer(_point(0, 4410)), "absurd value"),
        (_answer(_point(0, 10**400)), "absurd value"),
        (_answer(_point(0, float("inf"))), "absurd value"),
        (_answer(_point(0, "418")), "expected `point_time` .* and a number or null"),
        (_answer(_point(0, True)), "expected `point_time`"),
        (_answer({"point_time": "2026-11-01T09:00:00", "value": 1}), "with its UTC offset"),
        (_answer({"point_time": "0001-01-01T00:00:00+14:00", "value": 1}), "with its UTC offset"),
        (_answer({"point_time": 1, "value": 1}), "expected `point_time`"),
        (_answer({"value": 1}), "expected `point_time`"),
        (_answer(7), "expected `point_time`"),
        (_answer(_point(0, 1), data_point_period_seconds=0), "expected `data` and `meta`"),
        (_answer(_point(0, 1), data_point_period_seconds="300"), "expected `data` and `meta`"),
        ({"data": [_point(0, 1)]}, "expected `data` and `meta`"),
        ({"data": {}, "meta": META}, "expected `data` and `meta`"),
        ([], "expected `data` and `meta`"),
        (None, "expected `data` and `meta`"),
    ],
)
def test_what_cannot_be_trusted_is_refused(body: object, told: str) -> None:
    with pytest.raises(CarbonUnavailable, match=told):
        _read(body)


@given(st.floats(0, MAX_INTENSITY_G_PER_KWH / G_PER_KWH_PER_LB_PER_MWH), st.integers(-12 * 60, 14 * 60))
def test_conversion_is_exact_in_every_time_zone(value: float, offset_min: int) -> None:
    local = AT.astimezone(timezone(timedelta(minutes=offset_min)))

    (reading,) = _read(_answer({"point_time": local.isoformat(), "value": value}))

    assert reading.at == AT
    assert reading.intensity_g_per_kwh == value * 0.45359237
