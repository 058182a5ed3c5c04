"""`ga carbon now`, for people and machines."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from support.grids import NOW, RULES, Hourly, chain
from support.rendering import text_of
from support.viewed_job import at, readings
from syrupy.assertion import SnapshotAssertion

from gacli.carbon.chain import Chain
from gacli.carbon.typical import TypicalSource
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.errors import CarbonUnavailable
from gacli.views.carbon_output import csv_text
from gacli.views.carbon_table import carbon_json, carbon_rows, carbon_table, read_carbon
from gacli.views.stream import to_line

ZONES: dict[str, tuple[str, ...]] = {
    "DE": ("aws:eu-central-1", "gcp:europe-west3"),
    "XX": (),
    "US-NW-PACW": (),
    "IT-NO": (),
}


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


def shown(chain: Chain, zones: dict[str, tuple[str, ...]], now: datetime, width: int = 80) -> str:
    return text_of(carbon_table(read_carbon(chain, zones, now), now, width), width)


SIMPLE = Chain([_Source()], rules=RULES)


@pytest.mark.parametrize("width", [80, 120])
def test_how_it_looks(width: int, snapshot: SnapshotAssertion) -> None:
    table = shown(SIMPLE, ZONES, at(3), width)
    assert max(map(len, table.splitlines())) <= width
    assert table == snapshot


@pytest.mark.parametrize("width", [80, 120])
def test_kinds_and_stand_ins(width: int, snapshot: SnapshotAssertion) -> None:
    broken = Hourly("electricitymaps")
    broken.broken = "electricitymaps: /v3/carbon-intensity/latest: the connection failed or broke (refused)"
    marginal = Hourly("watttime", level=90, signal=Signal.MARGINAL, scope=Scope.DIRECT)
    table = shown(chain(broken, TypicalSource(), FR=marginal, DE=Hourly("neso", level=70)), ALL, NOW, width)
    assert max(map(len, table.splitlines())) <= width
    assert table == snapshot


ALL: dict[str, tuple[str, ...]] = dict.fromkeys(("DE", "FR", "IT-NO", "ES"), ())


def test_the_cleanest_is_first_and_one_bad_zone_hides_no_other() -> None:
    lines = shown(SIMPLE, ZONES, at(3)).splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["zone", "US-NW-PACW", "DE", "IT-NO"]
    assert lines[-1] == "XX: no readings of zone XX | in the trace"
    assert " e! " in lines[3]
    assert "e estimated · ! stale" in lines


def test_kinds_are_not_sorted_into_each_other() -> None:
    dirty, clean = Hourly(level=900), Hourly(level=50)
    marginal = Hourly("marginal", level=100, signal=Signal.MARGINAL)
    lines = shown(chain(dirty, FR=marginal, DE=clean), dict.fromkeys(("FR", "IT-NO", "DE"), ()), NOW).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["DE", "IT-NO", "FR"]
    assert lines[4:] == ["average, life cycle, from service: DE, IT-NO", "marginal, life cycle, from marginal: FR"]


def test_nothing_known_at_all() -> None:
    assert shown(SIMPLE, {"XX": ()}, at(3)) == "XX: no readings of zone XX | in the trace"


def test_json() -> None:
    record = json.loads(to_line(carbon_json(read_carbon(SIMPLE, ZONES, at(3)), at(3))))
    assert record["at"] == "2024-06-03T03:00:00.000000Z"
    german, unknown, *_ = record["zones"]
    assert unknown == {"zone": "XX", "places": [], "unavailable": "no readings of zone XX\nin the trace"}
    assert (german["quality"], german["stale"], german["age_s"]) == ("measured", False, 1800)
    assert (german["because"], german["stand_in"]) == ("", "")
    assert german["places"] == ["aws:eu-central-1", "gcp:europe-west3"]
    assert len(german["hourly_g_per_kwh"]) == 24
    assert german["hourly_g_per_kwh"][-1] == german["intensity_g_per_kwh"]
    assert german["lowest_g_per_kwh"] <= german["intensity_g_per_kwh"] <= german["highest_g_per_kwh"]


def test_why_another_source_stands_in_is_told() -> None:
    broken = Hourly("first")
    broken.broken = "first: HTTP 500"
    rows = read_carbon(chain(broken, TypicalSource()), {"DE": ()}, NOW)
    assert shown(chain(broken, TypicalSource()), {"DE": ()}, NOW).splitlines()[-1] == "DE: first: HTTP 500"
    (row,) = carbon_rows(rows)
    assert (row["because"], row["stand_in"]) == ("first: HTTP 500", "typical stands in for first")
    assert row["source"] == "typical"


def test_csv() -> None:
    header, german, unknown, *_ = csv_text(carbon_rows(read_carbon(SIMPLE, ZONES, at(3)))).splitlines()
    names = header.split(",")
    assert names[:4] == ["zone", "places", "intensity_g_per_kwh", "reading_at"]
    assert german.split(",")[:2] == ["DE", "aws:eu-central-1 gcp:europe-west3"]
    cells = dict(zip(names, unknown.split(","), strict=True))
    assert (cells["intensity_g_per_kwh"], cells["stale"]) == ("", "")
    assert cells["unavailable"] == "no readings of zone XX | in the trace"
