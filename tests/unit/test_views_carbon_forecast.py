"""`ga carbon forecast`, for people and machines."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from support.grids import HOUR, NOW, THIS_HOUR, Forecasting, Hourly, chain
from support.rendering import text_of
from syrupy.assertion import SnapshotAssertion

from gacli.carbon.typical import TypicalSource
from gacli.core.carbon import Scope, Signal
from gacli.core.forecast import Forecast, ForecastPoint
from gacli.views.carbon_forecast import Expected, forecast_json, forecast_rows, forecast_table, read_forecasts
from gacli.views.carbon_output import csv_text
from gacli.views.stream import to_line


def expected(hours: int, *, renewable_percent: float | None = None, zone: str = "DE") -> Expected:
    """10 g/kWh more each hour, from 100 on; the intervals reach 10 and 20 % to each side."""
    points = tuple(
        ForecastPoint(
            at=THIS_HOUR + number * HOUR,
            intensity_g_per_kwh=value,
            low50_g_per_kwh=0.9 * value,
            high50_g_per_kwh=1.1 * value,
            low90_g_per_kwh=0.8 * value,
            high90_g_per_kwh=1.2 * value,
            renewable_percent=renewable_percent,
        )
        for number in range(hours)
        if (value := 100.0 + 10 * number)
    )
    forecast = Forecast(
        zone=zone,
        issued_at=NOW,
        step_s=3600.0,
        signal=Signal.AVERAGE,
        scope=Scope.LIFECYCLE,
        source=f"built-in model on trace:{zone}.csv",
        points=points,
    )
    return Expected(zone=zone, places=("aws:eu-central-1",), forecast=forecast, unavailable="")


UNKNOWN = Expected(zone="XX", places=(), forecast=None, unavailable="service: no zone XX\nin its list")


def test_how_it_looks(snapshot: SnapshotAssertion) -> None:
    forecasts = [expected(4, renewable_percent=41.7), UNKNOWN, expected(96, zone="US-CENT-SWPP")]
    shown = text_of(forecast_table(forecasts), 80)
    assert max(map(len, shown.splitlines())) <= 80
    assert shown == snapshot


@pytest.mark.parametrize(("hours", "rows"), [(1, 1), (25, 25), (26, 9), (97, 33)])
def test_long_forecasts_show_every_third_hour_and_say_so(hours: int, rows: int) -> None:
    shown = text_of(forecast_table([expected(hours)]), 80)
    assert len(shown[shown.index("UTC ") :].splitlines()) == 1 + rows
    assert ("every third hour" in shown) == (rows < hours)


def test_json_has_all_points() -> None:
    record = json.loads(to_line(forecast_json([expected(3), UNKNOWN], NOW, 3 * 3600.0)))
    assert (record["at"], record["horizon_s"]) == ("2024-06-05T14:20:00.000000Z", 10800)
    german, unknown = record["zones"]
    assert german["mean_g_per_kwh"] == 110
    assert (german["source"], german["step_s"]) == ("built-in model on trace:DE.csv", 3600)
    assert german["points"][0] == {
        "at": "2024-06-05T14:00:00.000000Z",
        "intensity_g_per_kwh": 100,
        "low50_g_per_kwh": 90,
        "high50_g_per_kwh": pytest.approx(110),
        "low90_g_per_kwh": 80,
        "high90_g_per_kwh": 120,
        "renewable_percent": None,
    }
    assert unknown == {"zone": "XX", "places": [], "unavailable": "service: no zone XX\nin its list"}


def test_csv_has_a_line_an_hour() -> None:
    header, *lines = csv_text(forecast_rows([expected(2), UNKNOWN])).splitlines()
    assert header.startswith("zone,at,intensity_g_per_kwh,low50_g_per_kwh,")
    assert [line.split(",")[:3] for line in lines] == [
        ["DE", "2024-06-05T14:00:00.000000Z", "100.0"],
        ["DE", "2024-06-05T15:00:00.000000Z", "110.0"],
        ["XX", "", ""],
    ]


def test_read_from_sources() -> None:
    broken = Hourly("broken")
    broken.broken = "broken: HTTP 500"
    sources = chain(Forecasting(), FR=TypicalSource(), XX=broken)
    german, french, unknown = read_forecasts(sources, {"DE": ("gcp:europe-west3",), "FR": (), "XX": ()}, NOW, 7200.0)
    assert german.forecast is not None
    assert french.forecast is not None
    assert (german.places, german.forecast.zone) == (("gcp:europe-west3",), "DE")
    assert french.forecast.source == "typical"
    assert french.forecast.end >= NOW + timedelta(hours=2)
    assert (unknown.forecast, unknown.unavailable) == (None, "broken: HTTP 500")
