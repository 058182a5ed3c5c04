"""From downloaded files to one file a zone: what is split, joined, filled and refused; it reads back as it was."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.carbon.trace import read_trace
from gacli.carbon.trace_import import Gathered, Outcome, gather, own_layout, write
from gacli.carbon.trace_sheet import zone_of_name
from gacli.core.carbon import Quality, Scope, Signal
from gacli.errors import GaError, TraceError

DATA = Path(__file__).parent.parent / "data" / "carbon"
SHARED = Path(__file__).parents[3] / "shared" / "traces" / "carbon" / "DE.csv.gz"
OWN = "datetime_utc,carbon_intensity_gco2_per_kwh\n"
PORTAL = "Datetime (UTC),Zone id,Carbon intensity gCO₂eq/kWh (Life cycle),Data estimated\n"
START = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _rows(first_hour: int, values: Sequence[object], zone: str = "") -> str:
    middle = f",{zone}," if zone else ","
    end = ",false\n" if zone else "\n"
    return "".join(
        f"{(START + (first_hour + index) * HOUR).isoformat()}{middle}{value}{end}" for index, value in enumerate(values)
    )


def _files(folder: Path, contents: Mapping[str, str]) -> list[Path]:
    paths = [folder / name for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_text(content, encoding="utf-8")
    return paths


def _values(gathered: Gathered) -> list[float]:
    return [reading.intensity_g_per_kwh for reading in gathered.trace.readings]


@pytest.mark.parametrize(
    ("name", "scope", "text"),
    [
        (
            "portal1.csv",
            Scope.LIFECYCLE,
            "datetime_utc,carbon_intensity_gco2_per_kwh,renewable_percent,estimated\n"
            "2023-07-01T00:00Z,251.25,50.25,false\n2023-07-01T01:00Z,252.25,51.25,true\n",
        ),
        (
            "portal1.csv",
            Scope.DIRECT,
            "datetime_utc,direct_carbon_intensity_gco2_per_kwh,renewable_percent,estimated\n"
            "2023-07-01T00:00Z,201.5,50.25,false\n2023-07-01T01:00Z,202.5,51.25,true\n",
        ),
        (
            "watttime.csv",
            Scope.LIFECYCLE,
            "datetime_utc,marginal_carbon_intensity_gco2_per_kwh,estimated\n"
            "2024-06-18T18:40Z,453.59237,false\n2024-06-18T18:45Z,43.771663705,true\n",
        ),
        (
            "neso.csv",
            Scope.LIFECYCLE,
            "datetime_utc,direct_carbon_intensity_gco2_per_kwh,estimated\n"
            "2024-01-20T12:00Z,263,false\n2024-01-20T12:30Z,270,true\n",
        ),
        (
            "ga.csv",
            Scope.LIFECYCLE,
            "datetime_utc,carbon_intensity_gco2_per_kwh,renewable_percent\n"
            "2024-03-31T00:00Z,310.5,41.25\n2024-03-31T01:00Z,0,100\n2024-03-31T02:00Z,298,\n",
        ),
    ],
)
def test_what_is_written_says_signal_and_scope(name: str, scope: Scope, text: str) -> None:
    zone = None if name.startswith("portal") else "GB"

    (gathered,) = gather([DATA / name], scope=scope, zone=zone)

    assert own_layout(gathered.trace) == text


@given(
    rows=st.lists(
        st.tuples(st.none() | st.floats(0, 2000), st.booleans(), st.none() | st.floats(0, 100)),
        min_size=4,
        max_size=40,
    ),
    kind=st.sampled_from(["portal lifecycle", "portal direct", "marginal"]),
    step_min=st.sampled_from([5, 30, 60]),
)
def test_what_was_imported_reads_back_as_it_was(
    rows: list[tuple[float | None, bool, float | None]],
    kind: str,
    step_min: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # The ends have values and gaps are of one step, so that all of it is importable.
    values = [
        (index if value is None and (index % 2 == 0 or index == len(rows) - 1) else value, flag, share)
        for index, (value, flag, share) in enumerate(rows)
    ]
    folder = tmp_path_factory.mktemp("import")
    times = [START + timedelta(minutes=step_min * index) for index in range(len(values))]
    scope = Scope.DIRECT if kind == "portal direct" else Scope.LIFECYCLE
    if kind == "marginal":
        lines = ["point_time,value,imputed_data_used"]
        lines += [
            f"{at.isoformat()},{'' if v is None else v},{flag}" for at, (v, flag, _) in zip(times, values, strict=True)
        ]
    else:
        lines = [
            "Datetime (UTC),Zone id,Carbon intensity gCO₂eq/kWh (direct),Carbon intensity gCO₂eq/kWh (Life cycle),"
            "Renewable energy percentage (RE%),Data estimated"
        ]
        for at, (v, flag, share) in zip(times, values, strict=True):
            cell = "" if v is None else v
            both = f"{cell},1" if scope is Scope.DIRECT else f"1,{cell}"
            lines.append(f"{at:%Y-%m-%d %H:%M:%S},DE,{both},{'' if share is None else share},{flag}")
    source = folder / "DE.csv"
    source.write_text("\n".join(lines), encoding="utf-8")

    (gathered,) = gather([source], scope=scope)
    ((target, outcome),) = write([gathered.trace], folder / "out", replace=False).items()
    again = read_trace(target, zone="DE")

    assert (outcome, target.name) == (Outcome.WRITTEN, "DE.csv")
    assert (again.signal, again.scope, again.step_s, again.filled) == (
        Signal.MARGINAL if kind == "marginal" else Signal.AVERAGE,
        Scope.LIFECYCLE if kind == "portal lifecycle" else Scope.DIRECT,
        step_min * 60,
        0,
    )
    assert [(r.at, r.intensity_g_per_kwh, r.quality, r.renewable_percent) for r in again.readings] == [
        (r.at, r.intensity_g_per_kwh, r.quality, r.renewable_percent) for r in gathered.trace.readings
    ]
    # A second import of what was written changes nothing.
    (second,) = gather([target])
    assert write([second.trace], folder / "out", replace=False) == {target: Outcome.UNCHANGED}


@pytest.mark.skipif(not SHARED.is_file(), reason=f"needs the hourly trace {SHARED}")
def test_two_years_of_hours_read_back_as_they_were(tmp_path: Path) -> None:
    (gathered,) = gather([SHARED])

    write([gathered.trace], tmp_path, replace=False)

    again = read_trace(tmp_path / "DE.csv", zone="DE")
    assert len(again.readings) == 17_544
    assert [(r.at, r.intensity_g_per_kwh, r.renewable_percent) for r in again.readings] == [
        (r.at, r.intensity_g_per_kwh, r.renewable_percent) for r in gathered.trace.readings
    ]


@given(
    there=st.lists(st.booleans(), max_size=40),
    step_min=st.sampled_from([15, 30, 60, 90]),
    as_empty=st.booleans(),
)
def test_gaps_are_filled_up_to_three_hours_and_never_beyond(
    there: list[bool], step_min: int, as_empty: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # The first steps are there more often than any gap comes, so that the step is what the file says.
    present = [True] * 45 + there + [True]
    step = timedelta(minutes=step_min)
    path = tmp_path_factory.mktemp("gaps") / "DE.csv"
    lines = [
        f"{(START + index * step).isoformat()},{index * 10 if known else ''}\n"
        for index, known in enumerate(present)
        if known or as_empty
    ]
    path.write_text(OWN + "".join(lines))
    missing = [len(list(run)) for known, run in groupby(present) if not known]

    if any(length * step > timedelta(hours=3) for length in missing):
        with pytest.raises(TraceError, match=rf"^{path}:\d+: column `.*`: expected readings without gaps over 3 h"):
            gather([path])
        return
    (gathered,) = gather([path])

    trace = gathered.trace
    assert [gap.missing for gap in gathered.gaps] == missing
    assert trace.filled == sum(missing)
    assert [reading.at for reading in trace.readings] == [START + index * step for index in range(len(present))]
    # The values lie on a line, and so does what is filled in.
    assert _values(gathered) == pytest.approx([index * 10 for index in range(len(present))])
    assert [reading.quality is Quality.ESTIMATED for reading in trace.readings] == [not known for known in present]
    assert own_layout(trace).count(",true\n") == sum(missing)


@given(
    before_min=st.integers(-12 * 4, 14 * 4).map(lambda quarter: quarter * 15),
    change_min=st.sampled_from([-60, -30, 30, 60]),
    step_min=st.sampled_from([15, 30, 60]),
    at_row=st.integers(1, 23),
)
def test_a_clock_change_in_the_files_offsets_neither_loses_nor_doubles_an_hour(
    before_min: int, change_min: int, step_min: int, at_row: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    step = timedelta(minutes=step_min)
    offsets = [before_min + (change_min if row >= at_row else 0) for row in range(24)]
    times = [(START + row * step).astimezone(timezone(timedelta(minutes=offset))) for row, offset in enumerate(offsets)]
    path = tmp_path_factory.mktemp("clocks") / "DE.csv"
    path.write_text("point_time,value\n" + "".join(f"{at.isoformat(sep=' ')},{row}\n" for row, at in enumerate(times)))

    (gathered,) = gather([path])

    assert [reading.at for reading in gathered.trace.readings] == [START + row * step for row in range(24)]
    assert all(reading.at.utcoffset() == timedelta(0) for reading in gathered.trace.readings)
    assert (gathered.trace.step_s, gathered.trace.filled) == (step_min * 60, 0)


def test_local_times_without_offsets_are_refused_at_the_hour_that_comes_twice(tmp_path: Path) -> None:
    # Berlin, 27 October 2024, written as UTC by mistake: 02:00 comes twice.
    hours = ["2024-10-27T01:00", "2024-10-27T02:00", "2024-10-27T02:00", "2024-10-27T03:00"]
    (path,) = _files(tmp_path, {"DE.csv": OWN + "".join(f"{hour},1\n" for hour in hours)})

    with pytest.raises(TraceError, match=r"DE\.csv:4: .*each time once, found 2024-10-27T02:00Z again"):
        gather([path])


def test_zones_of_one_file_are_split(tmp_path: Path) -> None:
    both = "".join(_rows(hour, [100 + hour], "DE") + _rows(hour, [10 + hour], "FR") for hour in range(3))
    paths = _files(tmp_path, {"both.csv": PORTAL + both, "it.csv": PORTAL + _rows(0, [1, 2], "IT-NO")})

    found = {gathered.trace.zone: _values(gathered) for gathered in gather(paths)}

    assert found == {"DE": [100, 101, 102], "FR": [10, 11, 12], "IT-NO": [1, 2]}
    assert [(one.trace.zone, _values(one)) for one in gather(paths[:1], zone="FR")] == [("FR", [10, 11, 12])]


@pytest.mark.parametrize(
    ("parts", "values", "filled"),
    [
        ({"DE_2023.csv": (0, [1, 2, 3]), "DE_2024.csv": (3, [4, 5])}, [1, 2, 3, 4, 5], 0),
        ({"DE_2024.csv": (3, [4, 5]), "DE_2023.csv": (0, [1, 2, 3])}, [1, 2, 3, 4, 5], 0),
        ({"DE_2023.csv": (0, [1, 2, 3]), "DE_2024.csv": (1, [2, 3, 4])}, [1, 2, 3, 4], 0),
        ({"DE_2023.csv": (0, [1, 2, ""]), "DE_2024.csv": (1, ["", 3, 4])}, [1, 2, 3, 4], 0),
        ({"DE_2023.csv": (0, [1, 2]), "DE_2024.csv": (4, [5, 6])}, [1, 2, 3, 4, 5, 6], 2),
    ],
    ids=["in order", "in the other order", "overlapping", "holes of one known to the other", "short gap between"],
)
def test_files_of_one_zone_are_joined(
    parts: dict[str, tuple[int, list[object]]], values: list[float], filled: int, tmp_path: Path
) -> None:
    paths = _files(tmp_path, {name: OWN + _rows(first, cells) for name, (first, cells) in parts.items()})

    (gathered,) = gather(paths)

    assert (gathered.trace.zone, _values(gathered), gathered.trace.filled) == ("DE", values, filled)
    assert sorted(path.name for path in gathered.files) == ["DE_2023.csv", "DE_2024.csv"]


def test_a_measured_value_is_taken_before_an_estimate_of_the_same_value(tmp_path: Path) -> None:
    flagged = "".join(row.replace("false", "true") for row in _rows(0, [5, 6], "DE").splitlines(keepends=True))
    paths = _files(tmp_path, {"a.csv": PORTAL + flagged, "b.csv": PORTAL + _rows(1, [6, 7], "DE")})

    for order in (paths, paths[::-1]):
        (gathered,) = gather(order)
        assert [reading.quality.value for reading in gathered.trace.readings] == ["estimated", "measured", "measured"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (OWN + _rows(2, [3.02, 4]), r"DE-2024\.csv:2: expected 3 g/kWh at .*T02:00Z as in .*DE\.csv:4, found 3\.02"),
        (OWN + _rows(7, [1, 2]), r"^.*DE-2024\.csv:2: .*over 3 h, found none between .*T02:00Z and .*T07:00Z"),
        (
            OWN + "".join(f"2024-03-02T00:{minute}Z,1\n" for minute in ("00", "15", "30")),
            r"DE-2024\.csv: expected average, lifecycle, steps of 3600 s as in .*DE\.csv, found .* steps of 900 s",
        ),
        (
            "point_time,value\n2024-03-01T03:00Z,1\n2024-03-01T04:00Z,1\n",
            r"DE-2024\.csv: expected average, lifecycle, .* found marginal, direct, steps of 3600 s",
        ),
        (
            "datetime_utc,direct_carbon_intensity_gco2_per_kwh\n2024-03-01T03:00Z,1\n",
            r"DE-2024\.csv: expected average, lifecycle as in .*DE\.csv, found average, direct",
        ),
    ],
    ids=["another value", "long gap between", "another step", "another signal", "another scope, one reading"],
)
def test_files_that_do_not_go_together_are_refused(second: str, message: str, tmp_path: Path) -> None:
    paths = _files(tmp_path, {"DE.csv": OWN + _rows(0, [1, 2, 3]), "DE-2024.csv": second})

    with pytest.raises(TraceError, match=message):
        gather(paths)


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("DE.csv", "DE"),
        ("DE.csv.gz", "DE"),
        ("US-CAL-CISO.csv", "US-CAL-CISO"),
        ("DK-DK1_2024.csv", "DK-DK1"),
        ("DE-2024.csv", "DE"),
        ("DE_2023_hourly.csv.gz", "DE"),
        ("RU-1.csv", "RU-1"),
        ("US-AK-SEAPA.csv", "US-AK-SEAPA"),
        ("XX-COAL.csv", "XX-COAL"),
        ("de.csv", None),
        ("historic.csv", None),
        ("CAISO_NORTH.csv", None),
        ("DE_old.csv", None),
        ("MOER-2024.csv", None),
        ("DE.txt", None),
    ],
)
def test_zone_by_the_name_of_the_file(name: str, zone: str | None) -> None:
    assert zone_of_name(Path("somewhere") / name) == zone


def test_a_file_of_no_known_zone_is_refused(tmp_path: Path) -> None:
    (path,) = _files(tmp_path, {"download.csv": OWN + _rows(0, [1, 2])})

    with pytest.raises(TraceError, match="neither in a column nor in the name") as caught:
        gather([path])

    assert "--zone" in caught.value.hint
    assert gather([path], zone="DE")[0].trace.zone == "DE"


@pytest.mark.parametrize("zone", ["../DE", "/etc/x", "", "de", "DE FR", "DE.."])
def test_a_column_of_zones_names_no_file_elsewhere(zone: str, tmp_path: Path) -> None:
    (path,) = _files(tmp_path, {"x.csv": PORTAL + f"2024-01-01 00:00:00,{zone},1,false\n"})

    with pytest.raises(TraceError, match=r"x\.csv:2: column `Zone id`: expected a zone"):
        gather([path])


class TestWrite:
    """What is there already, and what may be done to it."""

    @pytest.fixture
    def gathered(self, tmp_path: Path) -> list[Gathered]:
        return gather(_files(tmp_path, {"DE.csv": OWN + _rows(0, [1, 2]), "FR.csv": OWN + _rows(0, [3, 4])}))

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "deep" / "traces"

    def _write(self, gathered: list[Gathered], folder: Path, *, replace: bool = False) -> dict[str, str]:
        outcomes = write([one.trace for one in gathered], folder, replace=replace)
        return {path.name: outcome.value for path, outcome in outcomes.items()}

    def test_again_changes_nothing(self, gathered: list[Gathered], folder: Path) -> None:
        assert self._write(gathered, folder) == {"DE.csv": "written", "FR.csv": "written"}
        before = (folder / "DE.csv").stat()
        assert self._write(gathered, folder) == {"DE.csv": "unchanged", "FR.csv": "unchanged"}
        assert (folder / "DE.csv").stat().st_mtime_ns == before.st_mtime_ns
        assert sorted(path.name for path in folder.iterdir()) == ["DE.csv", "FR.csv"]

    def test_other_content_is_refused_before_anything_is_written(self, gathered: list[Gathered], folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "FR.csv").write_text("mine")
        with pytest.raises(TraceError, match=r"FR\.csv: there already, with other content; nothing was written"):
            self._write(gathered, folder)
        assert {path.name: path.read_text() for path in folder.iterdir()} == {"FR.csv": "mine"}

        assert self._write(gathered, folder, replace=True) == {"DE.csv": "written", "FR.csv": "replaced"}
        assert read_trace(folder / "FR.csv", zone="FR").readings[0].intensity_g_per_kwh == 3

    @pytest.mark.parametrize("content", [gzip.compress(b"mine"), b"no gzip at all"], ids=["compressed", "plain"])
    def test_a_compressed_file_that_would_be_hidden_is_refused(
        self, gathered: list[Gathered], folder: Path, content: bytes
    ) -> None:
        folder.mkdir(parents=True)
        (folder / "DE.csv.gz").write_bytes(content)
        with pytest.raises(TraceError, match=r"DE\.csv\.gz: there already"):
            self._write(gathered, folder)
        assert [path.name for path in folder.iterdir()] == ["DE.csv.gz"]

    def test_the_same_content_compressed_is_left_as_it_is(self, gathered: list[Gathered], folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "DE.csv.gz").write_bytes(gzip.compress(own_layout(gathered[0].trace).encode()))
        assert self._write(gathered, folder) == {"DE.csv": "unchanged", "FR.csv": "written"}
        assert not (folder / "DE.csv").exists()

    def test_a_folder_that_cannot_be_made(self, gathered: list[Gathered], tmp_path: Path) -> None:
        with pytest.raises(GaError, match="the trace cannot be written") as caught:
            self._write(gathered, tmp_path / "DE.csv" / "traces")
        assert caught.value.exit_code == 1
