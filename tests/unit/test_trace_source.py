"""TraceSource: windows of a trace, its span, and which files it takes."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.carbon.trace import TraceSource, files_in
from gacli.core.carbon import Scope, Signal, reading_at
from gacli.errors import CarbonUnavailable, TraceError
from gacli.ports.carbon import CarbonSource

DATA = Path(__file__).parent.parent / "data" / "carbon"
START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = 48
MINUTES = st.integers(0, HOURS * 60 - 1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> TraceSource:
    """Two days of hourly values, hour n at n g/kWh."""
    path = tmp_path_factory.mktemp("traces") / "DE.csv"
    rows = "".join(f"{(START + timedelta(hours=hour)).isoformat()},{hour}\n" for hour in range(HOURS))
    path.write_text(f"datetime_utc,carbon_intensity_gco2_per_kwh\n{rows}")
    return TraceSource({"DE": path})


def _values(source: CarbonSource, start: datetime, end: datetime) -> list[float]:
    return [reading.intensity_g_per_kwh for reading in source.readings("DE", start, end)]


@pytest.mark.parametrize(
    ("from_min", "to_min", "hours"),
    [
        (0, 0, [0]),
        (60, 60, [1]),
        (59, 60, [0, 1]),
        (90, 200, [1, 2, 3]),
        (-600, 70, [0, 1]),
        (-60, 0, [0]),
        (46 * 60 + 1, 50 * 60, [46, 47]),
        (48 * 60 - 1, 48 * 60 - 1, [47]),
    ],
)
def test_window(source: TraceSource, from_min: int, to_min: int, hours: list[int]) -> None:
    assert _values(source, START + timedelta(minutes=from_min), START + timedelta(minutes=to_min)) == hours


@pytest.mark.parametrize(("from_hour", "to_hour"), [(-5, -1), (48, 48), (100, 200)])
def test_outside_the_span_says_the_span(source: TraceSource, from_hour: int, to_hour: int) -> None:
    with pytest.raises(CarbonUnavailable, match=r"DE\.csv.* covers 2024-01-01T00:00Z to 2024-01-03T00:00Z"):
        source.readings("DE", START + timedelta(hours=from_hour), START + timedelta(hours=to_hour))


def test_instants_in_another_timezone_are_the_same_instants(source: TraceSource) -> None:
    tokyo = (START + timedelta(hours=5)).astimezone(timezone(timedelta(hours=9)))

    assert _values(source, tokyo, tokyo) == [5]


@pytest.mark.parametrize(("start", "end"), [(START.replace(tzinfo=None), START), (START, START - timedelta(seconds=1))])
def test_naive_and_reversed_spans_are_the_callers_mistake(source: TraceSource, start: datetime, end: datetime) -> None:
    with pytest.raises(ValueError, match="expected"):
        source.readings("DE", start, end)


@given(first=MINUTES, second=MINUTES, within=st.floats(0, 1))
def test_window_answers_as_the_whole_trace_does(source: TraceSource, first: int, second: int, within: float) -> None:
    start, end = (START + timedelta(minutes=minute) for minute in sorted((first, second)))
    instant = start + (end - start) * within

    window = source.readings("DE", start, end)

    assert all(before.at < after.at for before, after in pairwise(window))
    assert window[0].at <= start
    assert window[-1].at <= end < window[-1].at + timedelta(hours=1)
    in_force = reading_at(window, instant)
    brute_force = [reading for reading in source.trace("DE").readings if reading.at <= instant][-1]
    assert in_force == brute_force


def test_unknown_zone_names_the_known(source: TraceSource) -> None:
    with pytest.raises(CarbonUnavailable, match="no file for zone FR; zones with a file: DE"):
        source.readings("FR", START, START)


def test_files_are_read_when_needed_and_once(tmp_path: Path) -> None:
    path = tmp_path / "FR.csv"
    source = TraceSource({"FR": path, "IT-NO": tmp_path / "missing.csv"})
    shutil.copy(DATA / "ga.csv", path)

    trace = source.trace("FR")
    path.unlink()

    assert source.trace("FR") is trace
    with pytest.raises(TraceError, match=r"missing\.csv"):
        source.trace("IT-NO")


def test_a_mix_of_signals_and_scopes_shows() -> None:
    mixed = TraceSource({"FR": DATA / "ga.csv", "US-CAL-CISO": DATA / "watttime.csv"})
    direct = TraceSource({"DE": DATA / "portal1.csv", "GB": DATA / "neso.csv"}, scope=Scope.DIRECT)

    assert mixed.signals() == {Signal.AVERAGE, Signal.MARGINAL}
    assert mixed.scopes() == {Scope.LIFECYCLE, Scope.DIRECT}
    assert (direct.signals(), direct.scopes()) == ({Signal.AVERAGE}, {Scope.DIRECT})


def test_files_in_takes_plain_before_compressed(tmp_path: Path) -> None:
    for name in ("DE.csv", "DE.csv.gz", "FR.csv.gz", "README.md"):
        (tmp_path / name).touch()

    assert files_in(tmp_path, ["DE", "FR"]) == {"DE": tmp_path / "DE.csv", "FR": tmp_path / "FR.csv.gz"}


def test_files_in_lists_what_is_missing_and_what_is_there(tmp_path: Path) -> None:
    for name in ("DE.csv", "FR.csv.gz", "README.md"):
        (tmp_path / name).touch()

    with pytest.raises(TraceError, match="no carbon trace for IE, PL; the folder has DE, FR\n") as caught:
        files_in(tmp_path, iter(["PL", "DE", "IE"]))

    assert caught.value.message.startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "message"), [("", "the folder has no .csv or .csv.gz file"), ("none", "cannot be read")]
)
def test_files_in_an_empty_or_missing_folder(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=message):
        files_in(tmp_path / name, ["DE"])
