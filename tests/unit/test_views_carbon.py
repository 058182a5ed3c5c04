"""`ga carbon`, for people and machines."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from support.rendering import text_of
from support.viewed_job import at, readings
from syrupy.assertion import SnapshotAssertion

from gacli.core.carbon import Quality, Reading
from gacli.errors import CarbonUnavailable
from gacli.views.carbon_table import carbon_table, print_carbon, read_carbon

ZONES = ["DE", "XX", "US-NW-PACW", "IT-NO"]


class _Source:
    """Knows three zones; Italy's newest reading is half a day old."""

    name = "test"
    live = False

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        if zone == "XX":
            raise CarbonUnavailable("no readings of zone XX\nin the trace")
        quality = Quality.ESTIMATED if zone == "IT-NO" else Quality.MEASURED
        known = readings(zone, start - timedelta(minutes=30), 25, quality)
        return known[:13] if zone == "IT-NO" else known


@pytest.mark.parametrize("width", [80, 120])
def test_how_it_looks(width: int, snapshot: SnapshotAssertion) -> None:
    shown = text_of(carbon_table(read_carbon(_Source(), ZONES, at(3)), at(3), width), width)
    assert max(map(len, shown.splitlines())) <= width
    assert shown == snapshot


def test_the_cleanest_is_first_and_one_bad_zone_hides_no_other() -> None:
    shown = text_of(carbon_table(read_carbon(_Source(), ZONES, at(3)), at(3), 120), 120).splitlines()
    assert [line.split()[0] for line in shown] == ["zone", "US-NW-PACW", "DE", "IT-NO", "XX:"]
    assert shown[-1] == "XX: no readings of zone XX | in the trace"
    assert "estimated, stale" in shown[3]


def test_nothing_known_at_all() -> None:
    assert text_of(carbon_table(read_carbon(_Source(), ["XX"], at(3)), at(3), 80), 80) == (
        "XX: no readings of zone XX | in the trace"
    )


def test_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    print_carbon(_Source(), ZONES, now=at(3), as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["at"] == "2024-06-03T03:00:00.000000Z"
    german, unknown, *_ = record["zones"]
    assert unknown == {"zone": "XX", "unavailable": "no readings of zone XX\nin the trace"}
    assert (german["quality"], german["stale"], german["age_s"]) == ("measured", False, 1800)
    assert len(german["hourly_g_per_kwh"]) == 24
    assert german["hourly_g_per_kwh"][-1] == german["intensity_g_per_kwh"]
    assert german["lowest_g_per_kwh"] <= german["intensity_g_per_kwh"] <= german["highest_g_per_kwh"]


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    print_carbon(_Source(), ["DE"], now=at(3), as_json=False)
    assert "DE" in capsys.readouterr().out
