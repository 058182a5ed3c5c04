"""Quantities as people write them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.config import quantities as q
from gacli.config.quantities import Unexpected

Parser = Callable[[object], object]


@pytest.mark.parametrize(
    ("parse", "written", "meant"),
    [
        (q.parse_duration, "90s", 90.0),
        (q.parse_duration, "5m", 300.0),
        (q.parse_duration, "2h", 7200.0),
        (q.parse_duration, "1d", 86400.0),
        (q.parse_duration, "500ms", 0.5),
        (q.parse_duration, "5ms", 0.005),
        (q.parse_duration, "1h30m", 5400.0),
        (q.parse_duration, "1m1ms", 60.001),
        (q.parse_duration, "1.5h", 5400.0),
        (q.parse_duration, 90, 90.0),
        (q.parse_duration, 0.5, 0.5),
        (q.parse_duration, "90", 90.0),
        (q.parse_size, "10GiB", 10 * 1024**3),
        (q.parse_size, "500MB", 500_000_000),
        (q.parse_size, "1.5 KiB", 1536),
        (q.parse_size, "3kB", 3000),
        (q.parse_size, "7B", 7),
        (q.parse_size, 12, 12),
        (q.parse_power, "60W", 60.0),
        (q.parse_power, "1.2kW", 1200.0),
        (q.parse_power, "0.7 kW", 700.0),
        (q.parse_power, 700, 700.0),
        (q.parse_percent, "10%", 10.0),
        (q.parse_percent, "12.5 %", 12.5),
        (q.parse_percent, 10, 10.0),
        (q.parse_instant, "2024-06-01T00:00:00Z", datetime(2024, 6, 1, tzinfo=UTC)),
        (q.parse_instant, "2024-06-01 02:00:00.5+02:00", datetime(2024, 6, 1, microsecond=500_000, tzinfo=UTC)),
        (q.parse_number, 3, 3.0),
        (q.parse_integer, -3, -3),
    ],
)
def test_reads_what_people_write(parse: Parser, written: object, meant: object) -> None:
    assert parse(written) == meant


REFUSED: list[tuple[Parser, list[object]]] = [
    (q.parse_duration, ["", "s", "5 m", "1m1h", "1h1h", "5M", "-5s", "1e3s", "٣s", -1, True, None, []]),
    (q.parse_duration, [float("nan"), float("inf"), "4000d", 1e300]),
    (q.parse_size, ["GiB", "1 GIB", "1gb", "-1B", -1, True, None, "9" * 400]),
    (q.parse_power, ["W", "1w", "1MW", "60 Watt", -1, False, float("inf")]),
    (q.parse_percent, ["%", "10 percent", "-5%", -5, True]),
    (q.parse_instant, ["2024-06-01", "2024-06-01T00:00:00", "2024-13-01T00:00:00Z", 5, None]),
    (q.parse_instant, ["1969-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"]),
    (q.parse_number, ["1", True, None, float("nan")]),
    (q.parse_integer, ["1", True, 1.0]),
]


@pytest.mark.parametrize(("parse", "written"), [(parse, bad) for parse, values in REFUSED for bad in values])
def test_refuses_what_is_not_meant(parse: Parser, written: object) -> None:
    with pytest.raises(Unexpected, match=r"^found .*, expected a"):
        parse(written)


@given(st.integers(min_value=0, max_value=int(q.MAX_DURATION_S * 1000)))
def test_duration_round_trip(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert q.parse_duration(q.format_duration(seconds)) == seconds


@given(st.integers(min_value=0, max_value=2**60))
def test_size_round_trip(size_bytes: int) -> None:
    assert q.parse_size(q.format_size(size_bytes)) == size_bytes


@given(st.floats(min_value=0, max_value=1e9))
def test_power_round_trip(power_w: float) -> None:
    assert q.parse_power(q.format_power(power_w)) == power_w


@given(st.floats(min_value=0, max_value=1e6))
def test_percent_round_trip(percent: float) -> None:
    assert q.parse_percent(q.format_percent(percent)) == percent


@given(st.text(max_size=12) | st.none() | st.booleans() | st.floats() | st.integers())
@pytest.mark.parametrize("parse", [q.parse_duration, q.parse_size, q.parse_power, q.parse_percent, q.parse_instant])
def test_any_value_is_read_or_refused(parse: Parser, value: object) -> None:
    with contextlib.suppress(Unexpected):
        assert parse(value) is not None


@pytest.mark.parametrize(
    ("written", "meant"),
    [(0, "0s"), (0.0004, "0s"), (5430, "1h30m30s"), (86400, "1d"), (0.25, "250ms"), (59.9996, "1m")],
)
def test_durations_are_short_for_people(written: float, meant: str) -> None:
    assert q.format_duration(written) == meant


def test_sizes_and_powers_are_short_for_people() -> None:
    assert [q.format_size(size) for size in (0, 1024, 1500, 10 * 1024**3)] == ["0B", "1KiB", "1500B", "10GiB"]
    assert [q.format_power(power) for power in (0, 60, 1000, 1200, 12.5)] == ["0W", "60W", "1kW", "1.2kW", "12.5W"]
    assert [q.format_percent(percent) for percent in (10, 12.5)] == ["10%", "12.5%"]
