"""The built-in typical days: the table, its provenance, and the source on top of it."""

from __future__ import annotations

import runpy
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.carbon.typical import TypicalSource, typical_years, typical_zones
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Quality, Scope, Signal
from gacli.errors import CarbonUnavailable

ROOT = Path(__file__).parent.parent.parent
TRACES = ROOT.parent / "shared" / "traces" / "carbon"
TABLE = resources.files("gacli.carbon").joinpath("data", "typical_days.csv")


def test_table_is_whole_and_physical() -> None:
    years = typical_years()

    assert 20 <= len(years) <= 40
    for zone, months in years.items():
        assert [len(hours) for hours in months] == [24] * 12, zone
        assert all(0 < value < MAX_INTENSITY_G_PER_KWH for hours in months for value in hours), zone


def test_rows_are_in_the_order_of_zone_and_month() -> None:
    rows = [line.split(",") for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")][1:]

    assert [(row[0], int(row[1])) for row in rows] == [
        (zone, month) for zone in typical_zones() for month in range(1, 13)
    ]


def test_table_carries_its_attribution() -> None:
    assert TABLE.read_text(encoding="utf-8").startswith(
        "# Contains data from Electricity Maps (https://www.electricitymaps.com), Open Database License (ODbL) v1.0\n"
    )


@pytest.mark.prove
@pytest.mark.skipif(not TRACES.is_dir(), reason=f"needs the hourly traces in {TRACES}")
def test_table_is_what_the_script_computes() -> None:
    render = runpy.run_path(str(ROOT / "scripts" / "typical_days.py"))["render"]

    assert render(TRACES).encode() == TABLE.read_bytes()


@pytest.mark.parametrize(
    ("zone", "month", "cleaner_hour", "dirtier_hour"),
    [
        ("US-CAL-CISO", 5, 19, 7),  # noon in California against its night
        ("DE", 6, 11, 19),
        ("AU-NSW", 12, 2, 15),  # noon in Sydney
        ("JP-TK", 4, 3, 10),
    ],
)
def test_hours_are_utc(zone: str, month: int, cleaner_hour: int, dirtier_hour: int) -> None:
    hours = typical_years()[zone][month - 1]

    assert hours[cleaner_hour] < hours[dirtier_hour]


@given(
    zone=st.sampled_from(typical_zones()),
    start=st.integers(0, 4_000_000_000).map(lambda epoch_s: datetime.fromtimestamp(epoch_s, tz=UTC)),
    length=st.timedeltas(timedelta(0), timedelta(days=40)),
)
def test_readings_cover_any_span_hour_by_hour(zone: str, start: datetime, length: timedelta) -> None:
    readings = TypicalSource().readings(zone, start, start + length)

    assert readings[0].at <= start < readings[0].at + timedelta(hours=1)
    assert readings[-1].at <= start + length < readings[-1].at + timedelta(hours=1)
    for number, reading in enumerate(readings):
        assert reading.at == readings[0].at + timedelta(hours=number)
        assert reading.intensity_g_per_kwh == typical_years()[zone][reading.at.month - 1][reading.at.hour]
        assert (reading.zone, reading.period_s, reading.quality) == (zone, 3600, Quality.TYPICAL)
        assert (reading.signal, reading.scope, reading.source) == (Signal.AVERAGE, Scope.LIFECYCLE, "typical")


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ("US-CAL-CIS", r"similar zones: US-CAL-CISO"),
        ("us-tex-erco", r"similar zones: US-TEX-ERCO"),
        ("???", r"'\?\?\?'; zones that have them: AU-NSW, "),
    ],
)
def test_unknown_zone_names_similar_ones_and_a_way_on(zone: str, message: str) -> None:
    with pytest.raises(CarbonUnavailable, match=message) as caught:
        TypicalSource().readings(zone, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))

    assert "carbon source `trace`" in caught.value.hint


def test_naive_instants_are_the_callers_mistake() -> None:
    naive = datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None)

    with pytest.raises(ValueError, match="aware"):
        TypicalSource().readings("DE", naive, naive)
