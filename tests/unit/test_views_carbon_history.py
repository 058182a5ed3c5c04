"""`ga carbon history`, for people and machines."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from support.grids import HOUR, NOW, THIS_HOUR, Hourly, chain
from support.rendering import text_of
from syrupy.assertion import SnapshotAssertion
from typing_extensions import override

from gacli.carbon.static import StaticSource
from gacli.core.carbon import Quality, Reading
from gacli.views.carbon_history import history_json, history_rows, history_table, read_history
from gacli.views.carbon_output import csv_text
from gacli.views.stream import to_line

ZONES: dict[str, tuple[str, ...]] = {"DE": ("aws:eu-central-1",), "FR": (), "XX": (), "IT-NO": ()}


class _HalfEstimated(Hourly):
    """Every second hour is estimated."""

    @override
    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        return [
            replace(reading, quality=Quality.ESTIMATED) if reading.at.hour % 2 else reading
            for reading in super().readings(zone, start, end)
        ]


SOURCE = chain(_HalfEstimated(live=False))


@pytest.mark.parametrize("width", [80, 50])
@pytest.mark.parametrize("hours", [6, 96])
def test_how_it_looks(hours: int, width: int, snapshot: SnapshotAssertion) -> None:
    start = NOW - hours * HOUR
    shown = text_of(history_table(read_history(SOURCE, ZONES, start, NOW), start, NOW, width), width)
    assert max(map(len, shown.splitlines())) <= width
    assert shown == snapshot


@pytest.mark.parametrize(("hours", "rows"), [(1, 1), (24, 24), (72, 72), (73, 4), (240, 10)])
def test_by_hour_up_to_three_days_then_by_day(hours: int, rows: int) -> None:
    end = THIS_HOUR.replace(hour=0)
    start = end - timedelta(hours=hours)
    shown = text_of(history_table(read_history(SOURCE, {"DE": ()}, start, end), start, end, 80), 80)
    assert len(shown[shown.index("UTC         ") :].splitlines()) == 1 + rows


def test_the_readings_are_those_of_the_time_and_as_they_were_given() -> None:
    start, end = NOW - 6 * HOUR, NOW - 2 * HOUR
    record = json.loads(to_line(history_json(read_history(SOURCE, ZONES, start, end), start, end)))
    german, _, unknown, _ = record["zones"]
    assert [reading["at"][11:16] for reading in german["readings"]] == ["08:00", "09:00", "10:00", "11:00", "12:00"]
    assert [reading["quality"] for reading in german["readings"]] == ["measured", "estimated"] * 2 + ["measured"]
    assert german["estimated_percent"] == 40
    assert german["lowest_g_per_kwh"] <= german["mean_g_per_kwh"] <= german["highest_g_per_kwh"]
    assert german["places"] == ["aws:eu-central-1"]
    assert unknown == {"zone": "XX", "places": [], "unavailable": "service: no zone XX\nin its list"}


def test_the_end_takes_no_part() -> None:
    start, end = THIS_HOUR - 2 * HOUR, THIS_HOUR
    (german,) = read_history(SOURCE, {"DE": ()}, start, end)
    assert [reading.at for reading in german.readings] == [start, start + HOUR]


def test_csv_has_a_line_a_reading() -> None:
    start = NOW - 2 * HOUR
    header, *lines = csv_text(history_rows(read_history(SOURCE, ZONES, start, NOW))).splitlines()
    assert header.startswith("zone,at,period_s,intensity_g_per_kwh,signal,scope,quality,source")
    assert [line.split(",")[0] for line in lines] == ["DE"] * 3 + ["FR"] * 3 + ["XX"] + ["IT-NO"] * 3
    assert lines[6] == "XX,,,,,,,,,,service: no zone XX | in its list"


def test_one_value_a_year() -> None:
    start = NOW - 3 * HOUR
    histories = read_history(chain(StaticSource({"DE": 400.0})), {"DE": ()}, start, NOW)
    shown = text_of(history_table(histories, start, NOW, 80), 80)
    assert shown.count(" 400\n") + shown.endswith(" 400") == 4


def test_why_another_source_stands_in_is_told() -> None:
    broken = Hourly("first")
    broken.broken = "first: HTTP 500"
    start = NOW - 3 * HOUR
    histories = read_history(chain(broken, StaticSource()), {"DE": ()}, start, NOW)
    assert "DE: first: HTTP 500" in text_of(history_table(histories, start, NOW, 80), 80).splitlines()
    assert history_json(histories, start, NOW)["zones"][0]["because"] == "first: HTTP 500"  # type: ignore[index]
