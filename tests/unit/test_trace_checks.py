"""What is refused in a carbon trace, and how the message says where; what is repaired, and how that is labelled."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.carbon.trace import read_trace
from gacli.core.carbon import Quality
from gacli.errors import TraceError

HEADER = "datetime_utc,carbon_intensity_gco2_per_kwh,renewable_percent\n"
FIRST = "2024-01-01T00:00Z,100,\n"
VALUE = "`carbon_intensity_gco2_per_kwh`"
PORTAL = "Datetime (UTC),Zone id,Carbon intensity gCO₂eq/kWh (Life cycle),Data estimated\n"

# content, line that the message names, what else it says
BAD = {
    "empty": ("", ":1: ", "found an empty file"),
    "blank": ("\n\n", ":1: ", "found an empty file"),
    "header only": (HEADER, ": ", "two readings or more below the header, found 0"),
    "one reading": (HEADER + FIRST, ": ", "found 1"),
    "only empty cells": (HEADER + "2024-01-01T00:00Z,,\n2024-01-01T01:00Z,,\n", ": ", "found 0"),
    "wrong header": ("time;co2\n2024;1\n", ":1: ", "found `time;co2`; accepted layouts:"),
    "no header": ("2024-01-01T00:00Z,100\n", ":1: ", "found `2024-01-01T00:00Z`, `100`"),
    "not a time": (HEADER + "yesterday,100,\n", ":2: ", "column `datetime_utc`: expected a time such as"),
    "WattTime without an offset": ("point_time,value\n2024-01-01T00:00,100\n", ":2: ", "with its UTC offset"),
    "unsorted": (
        HEADER + FIRST + "2024-01-01T02:00Z,100,\n2024-01-01T01:00Z,100,\n",
        ":4: ",
        "column `datetime_utc`: expected ascending times, found 2024-01-01T01:00Z after 2024-01-01T02:00Z",
    ),
    "descending": (HEADER + "2024-01-01T01:00Z,100,\n" + FIRST, ":3: ", "expected ascending times"),
    "duplicate": (HEADER + FIRST + FIRST, ":3: ", "expected each time once, found 2024-01-01T00:00Z again"),
    "duplicate under another offset": (HEADER + FIRST + "2024-01-01T01:00+01:00,1,\n", ":3: ", "each time once"),
    "NaN": (HEADER + FIRST + "2024-01-01T01:00Z,NaN,\n", ":3: ", f"column {VALUE}: expected a carbon intensity from 0"),
    "infinite": (HEADER + FIRST + "2024-01-01T01:00Z,inf,\n", ":3: ", "found 'inf'"),
    "negative": (HEADER + FIRST + "2024-01-01T01:00Z,-0.5,\n", ":3: ", f"column {VALUE}: expected a carbon intensity"),
    "absurd": (HEADER + FIRST + "2024-01-01T01:00Z,2000.5,\n", ":3: ", "from 0 to 2000, found '2000.5'"),
    "absurd in the file's unit": ("point_time,value\n2024-01-01T00:00Z,4410\n", ":2: ", "from 0 to 4409, found '4410'"),
    "not a number": (HEADER + FIRST + "2024-01-01T01:00Z,n/a,\n", ":3: ", "found 'n/a'"),
    "Python's number": (HEADER + FIRST + "2024-01-01T01:00Z,1_0,\n", ":3: ", "found '1_0'"),
    "not a share": (
        HEADER + FIRST + "2024-01-01T01:00Z,1,101\n",
        ":3: ",
        "column `renewable_percent`: expected a share",
    ),
    "cut off": (HEADER + FIRST + "2024-01-01T01:00Z\n", ":3: ", "expected 3 columns as in the header, found 1"),
    "stray comma": (HEADER + "2024-01-01T00:00Z,1,2,3\n", ":2: ", "found 4"),
    "irregular": (
        HEADER + FIRST + "2024-01-01T01:00Z,1,\n2024-01-01T02:00Z,1,\n2024-01-01T02:20:30Z,1,\n",
        ":5: ",
        "expected steps of 3600 s as in most of the file, found 2024-01-01T02:20:30Z after 2024-01-01T02:00Z",
    ),
    "long gap": (
        HEADER + FIRST + "2024-01-01T01:00Z,1,\n2024-01-01T06:00Z,1,\n",
        ":4: ",
        f"column {VALUE}: expected readings without gaps over 3 h, found none between 2024-01-01T01:00Z and "
        "2024-01-01T06:00Z",
    ),
    "long run of empty cells": (
        HEADER + FIRST + "".join(f"2024-01-01T0{hour}:00Z,,\n" for hour in range(1, 5)) + "2024-01-01T05:00Z,1,\n",
        ":7: ",
        "found none between 2024-01-01T00:00Z and 2024-01-01T05:00Z",
    ),
    "another zone": (
        PORTAL + "2024-01-01 00:00:00,FR,50,false\n",
        ":2: ",
        "column `Zone id`: expected zone DE, found 'FR'",
    ),
    "not a flag": (
        PORTAL + "2024-01-01 00:00:00,DE,50,maybe\n",
        ":2: ",
        "column `Data estimated`: expected true or false",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_trace_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    content, place, message = BAD[name]
    path = tmp_path / "DE.csv"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(TraceError) as caught:
        read_trace(path, zone="DE")

    assert caught.value.message.startswith(f"{path}{place}")
    assert message in caught.value.message
    assert path.read_text(encoding="utf-8") == content


def test_unknown_header_lists_every_layout(tmp_path: Path) -> None:
    path = tmp_path / "DE.csv"
    path.write_text("a,b\n")

    with pytest.raises(TraceError) as caught:
        read_trace(path, zone="DE")

    for start in (
        "ga: datetime_utc,",
        "Electricity Maps: Datetime (UTC),",
        "WattTime: point_time,",
        "NESO: Datetime (UTC),",
    ):
        assert f"    {start}" in caught.value.message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("DE.csv", "Zürich".encode("latin-1"), "expected CSV text in UTF-8"),
        ("DE.csv.gz", b"datetime_utc", "cannot be read: Not a gzipped file"),
        ("DE.csv.gz", gzip.compress((HEADER + FIRST * 500).encode())[:-12], "the compressed file is damaged"),
        ("DE.csv", f'{HEADER}"{"1" * 200_000}'.encode(), "expected CSV text in UTF-8: field larger"),
        ("DE.csv", None, "cannot be read: No such file or directory"),
    ],
    ids=["latin-1", "no gzip", "gzip cut off", "long field", "missing"],
)
def test_unreadable_file(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(TraceError, match=message) as caught:
        read_trace(path, zone="DE")

    assert caught.value.message.startswith(str(path))


def test_short_gap_is_interpolated_and_labelled(tmp_path: Path) -> None:
    path = tmp_path / "DE.csv"
    path.write_text(HEADER + "2024-01-01T00:00Z,100,50\n2024-01-01T01:00Z,100,50\n2024-01-01T05:00Z,300,70\n")

    trace = read_trace(path, zone="DE")

    assert [reading.at.hour for reading in trace.readings] == [0, 1, 2, 3, 4, 5]
    assert [reading.intensity_g_per_kwh for reading in trace.readings] == [100, 100, 150, 200, 250, 300]
    assert [reading.quality for reading in trace.readings[2:]] == [Quality.ESTIMATED] * 3 + [Quality.MEASURED]
    assert [reading.renewable_percent for reading in trace.readings] == [50, 50, None, None, None, 70]
    assert (trace.filled, trace.filled_hours, trace.file_estimated) == (3, 3.0, 0)


def test_empty_cells_are_missing_readings(tmp_path: Path) -> None:
    path = tmp_path / "DE.csv"
    values = ["", "10", "", "30", ""]
    path.write_text(HEADER + "".join(f"2024-01-01T0{hour}:00Z,{value},\n" for hour, value in enumerate(values)))

    trace = read_trace(path, zone="DE")

    assert [(reading.at.hour, reading.intensity_g_per_kwh) for reading in trace.readings] == [(1, 10), (2, 20), (3, 30)]
    assert trace.filled == 1


@given(
    values=st.lists(st.floats(0, 2000), min_size=4, max_size=60),
    step_min=st.sampled_from([5, 15, 30, 60]),
    holes=st.sets(st.integers(2, 57)),
)
def test_trace_is_complete_and_keeps_what_the_file_says(
    values: list[float], step_min: int, holes: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Single holes only, and the first step intact, so that the step is what the file says.
    start = datetime(2024, 2, 29, tzinfo=UTC)
    step = timedelta(minutes=step_min)
    kept = {
        index: value
        for index, value in enumerate(values)
        if index not in holes or index == len(values) - 1 or index - 1 in holes
    }
    path = tmp_path_factory.mktemp("trace") / "DE.csv"
    rows = [f"{(start + index * step).isoformat()},{kept.get(index, '')},\n" for index in range(len(values))]
    path.write_text(HEADER + "".join(rows))

    trace = read_trace(path, zone="DE")

    assert [reading.at for reading in trace.readings] == [start + index * step for index in range(len(values))]
    assert trace.filled == len(values) - len(kept)
    for index, reading in enumerate(trace.readings):
        if index in kept:
            assert (reading.intensity_g_per_kwh, reading.quality) == (kept[index], Quality.MEASURED)
        else:
            low, high = sorted((kept[index - 1], kept[index + 1]))
            assert low <= reading.intensity_g_per_kwh <= high
            assert reading.quality is Quality.ESTIMATED
