"""Everything that is wrong with a file is told at once, each with its place; what follows from it is not told again."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.carbon.trace import read_trace
from gacli.carbon.trace_check import check
from gacli.core.carbon import Scope
from gacli.errors import TraceError

OWN = "datetime_utc,carbon_intensity_gco2_per_kwh,renewable_percent\n"
PORTAL = "Datetime (UTC),Zone id,Carbon intensity gCO₂eq/kWh (Life cycle),Data estimated\n"
TIME, VALUE, SHARE = OWN.strip().split(",")

# content → (line, column) of every problem, in the file's order
WRONG: dict[str, tuple[str, list[tuple[int | None, str]]]] = {
    "nothing": (OWN + "2024-01-01T00:00Z,1,\n2024-01-01T01:00Z,2,\n", []),
    "several cells of one row": (
        OWN + "soon,much,all\n2024-01-01T00:00Z,1,\n2024-01-01T01:00Z,2,\n",
        [(2, VALUE), (2, TIME), (2, SHARE)],
    ),
    "several rows": (
        OWN + "2024-01-01T00:00Z,1,\n2024-01-01T01:00Z,-1,\n2024-01-01T02:00Z\n2024-01-01T03:00Z,2,101\n"
        "2024-01-01T04:00Z,2,\n",
        [(3, VALUE), (4, ""), (5, SHARE)],
    ),
    "order, twice, and a gap": (
        OWN + "2024-01-01T00:00Z,1,\n2024-01-01T02:00Z,1,\n2024-01-01T01:00Z,1,\n2024-01-01T03:00Z,1,\n"
        "2024-01-01T03:00Z,1,\n2024-01-01T08:00Z,1,\n",
        [(4, TIME), (6, TIME), (7, VALUE)],
    ),
    "two gaps": (
        OWN + "2024-01-01T00:00Z,1,\n2024-01-01T01:00Z,1,\n2024-01-01T02:00Z,1,\n2024-01-01T12:00Z,1,\n"
        "2024-01-01T13:00Z,1,\n2024-01-02T00:00Z,1,\n",
        [(5, VALUE), (7, VALUE)],
    ),
    "no gap where rows cannot be read": (
        OWN + "2024-01-01T00:00Z,1,\n" + "".join(f"2024-01-01T0{hour}:00Z,?,\n" for hour in range(1, 6)) +
        "2024-01-01T06:00Z,1,\n2024-01-01T07:00Z,1,\n2024-01-01T08:00Z,1,\n",
        [(line, VALUE) for line in range(3, 8)],
    ),
    "off the step": (
        OWN + "2024-01-01T00:00Z,1,\n2024-01-01T01:00Z,1,\n2024-01-01T02:00Z,1,\n2024-01-01T02:20Z,1,\n",
        [(5, TIME)],
    ),
    "one reading": (OWN + "2024-01-01T00:00Z,1,\n", [(None, "")]),
    "no reading": (OWN, [(None, "")]),
    "empty": ("", [(None, "")]),
    "no header": ("2024-01-01T00:00Z,1,\n2024-01-01T01:00Z,much,\n", [(1, "")]),
    "zone and flag": (
        PORTAL + "2024-01-01 00:00:00,DE,1,no\n2024-01-01 01:00:00,,1,no\n2024-01-01 02:00:00,DE,1,maybe\n"
        "2024-01-01 03:00:00,DE,1,no\n",
        [(3, "Zone id"), (4, "Data estimated")],
    ),
}  # fmt: skip


def _file(folder: Path, content: str, name: str = "DE.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", WRONG)
def test_everything_is_told_with_its_place(name: str, tmp_path: Path) -> None:
    content, places = WRONG[name]
    path = _file(tmp_path, content)

    checked = check(path)

    assert [(problem.line, problem.column) for problem in checked.problems] == places
    for problem in checked.problems:
        assert problem.message.startswith(f"{path}:{problem.line}: " if problem.line else f"{path}:")
        assert f"column `{problem.column}`" in problem.message or not problem.column


@pytest.mark.parametrize("name", WRONG)
def test_it_is_wrong_exactly_where_reading_refuses(name: str, tmp_path: Path) -> None:
    content, places = WRONG[name]
    path = _file(tmp_path, content)

    if not places:
        read_trace(path, zone="DE")
        return
    with pytest.raises(TraceError):
        read_trace(path, zone="DE")


@given(
    cells=st.lists(
        st.tuples(
            st.sampled_from(["00:00", "01:00", "02:00", "02:30", "03:00", "09:00", "x"]),
            st.sampled_from(["", "1", "250.5", "-1", "n/a"]),
        ),
        max_size=8,
    )
)
def test_checking_and_reading_agree(cells: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = "".join(f"2024-01-01T{hour}Z,{value},\n" for hour, value in cells)
    path = _file(tmp_path_factory.mktemp("check"), OWN + rows)

    checked = check(path)

    if checked.problems:
        with pytest.raises(TraceError):
            read_trace(path, zone="DE")
    else:
        assert read_trace(path, zone="DE").filled == sum(gap.missing for gap in checked.filled)


def test_short_gaps_are_told_and_are_no_problem(tmp_path: Path) -> None:
    values = ["", "1", "1", "", "3", "", ""]
    path = _file(tmp_path, OWN + "".join(f"2024-01-01T0{hour}:00Z,{value},\n" for hour, value in enumerate(values)))

    checked = check(path)

    assert checked.problems == ()
    assert [(gap.after.line, gap.missing) for gap in checked.filled] == [(6, 1)]
    assert checked.notes == (
        "DE: rows at the ends without a value, left out: 3; readings from 2024-01-01T01:00Z to 2024-01-01T04:00Z",
    )


def test_zones_of_one_file_are_checked_apart(tmp_path: Path) -> None:
    rows = [f"2024-01-01 0{hour}:00:00,{zone},1,no\n" for hour in range(3) for zone in ("DE", "FR")]
    path = _file(tmp_path, PORTAL + "".join(rows) + "2024-01-01 01:00:00,FR,1,no\n", "both.csv")

    checked = check(path)

    assert (checked.zones, checked.layout) == (("DE", "FR"), "Electricity Maps")
    assert [(problem.line, problem.column) for problem in checked.problems] == [(8, "Datetime (UTC)")]
    assert checked.notes == ("holds 2 zones, of which a trace has one: `ga trace import` makes a file of each",)
    assert check(path, zone="DE").problems == ()
    assert check(path, zone="DE").notes == ("rows of other zones, left out: 4 of FR",)
    assert [problem.message for problem in check(path, zone="IT").problems] == [
        f"{path}: expected rows of zone IT, found those of DE, FR"
    ]


def test_forecasts_in_the_place_of_measured_values_are_told() -> None:
    path = Path(__file__).parent.parent / "data" / "carbon" / "neso.csv"

    assert check(path, zone="GB").notes == ("GB: readings that are the file's forecast, without a measured value: 1",)


def test_the_scope_that_a_file_does_not_have(tmp_path: Path) -> None:
    path = _file(tmp_path, PORTAL + "2024-01-01 00:00:00,DE,1,no\n2024-01-01 01:00:00,DE,1,no\n")

    assert check(path).problems == ()
    (problem,) = check(path, scope=Scope.DIRECT).problems
    assert "expected a column for the direct carbon intensity" in problem.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"no gzip", "Not a gzipped file"),
        (gzip.compress(OWN.encode() * 500)[:-12], "the compressed file is damaged"),
        (gzip.compress(OWN.encode() + b"\xff\n"), "expected CSV text in UTF-8"),
    ],
    ids=["missing", "plain", "cut", "no text"],
)
def test_a_file_that_cannot_be_read_is_a_problem(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "DE.csv.gz"
    if content is not None:
        path.write_bytes(content)

    assert message in check(path).problems[-1].message
