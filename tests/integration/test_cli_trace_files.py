"""`ga trace info`, `check` and `import` as people use them: on files as they were downloaded, without a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.cli import Ga

CONTROL_CODES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
PORTAL = (
    "Datetime (UTC),Country,Zone id,Carbon intensity gCO₂eq/kWh (direct),Carbon intensity gCO₂eq/kWh (Life cycle),"
    "Renewable energy percentage (RE%),Data estimated\n"
)
OWN = "datetime_utc,carbon_intensity_gco2_per_kwh\n"
START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def ga(own_home: Path) -> Iterator[Ga]:
    with Ga(own_home) as found:
        yield found


def _portal(first_hour: int, hours: int, *zones: str, without: tuple[int, ...] = ()) -> str:
    rows = [
        f"{START + timedelta(hours=hour):%Y-%m-%d %H:%M:%S},X,{zone},{100 + hour % 24},{200 + hour % 24},50,false\n"
        for hour in range(first_hour, first_hour + hours)
        for zone in zones
        if hour not in without
    ]
    return PORTAL + "".join(rows)


def test_downloads_become_traces_that_a_run_can_use(ga: Ga, tmp_path: Path) -> None:
    (tmp_path / "2024-01.csv").write_text(_portal(0, 48, "DE", "US-CAL-CISO", without=(5, 6, 30)))
    (tmp_path / "2024-02.csv").write_text(_portal(48, 24, "DE"))
    folder = tmp_path / "traces"

    said = ga("trace", "import", tmp_path / "2024-01.csv", tmp_path / "2024-02.csv", "--into", folder)

    assert not CONTROL_CODES.search(said.stdout)
    assert f"{folder}/DE.csv: written, from 2024-01.csv, 2024-02.csv" in said.lines
    assert "  72 readings of 60 min, average, lifecycle, Electricity Maps layout; 3 filled in 2 gaps" in said.lines
    assert f"{folder}/US-CAL-CISO.csv: written, from 2024-01.csv" in said.lines
    assert (folder / "DE.csv").read_text().splitlines()[:2] == [
        "datetime_utc,carbon_intensity_gco2_per_kwh,renewable_percent,estimated",
        "2024-01-01T00:00Z,200,50,false",
    ]

    again = ga("trace", "import", tmp_path / "2024-01.csv", "--into", folder, "--zone", "US-CAL-CISO", "--json")
    assert [(one["zone"], one["outcome"], one["filled"]) for one in again.json()["imported"]] == [
        ("US-CAL-CISO", "unchanged", 3)
    ]
    refused = ga("trace", "import", tmp_path / "2024-01.csv", "--scope", "direct", "--into", folder, code=2)
    assert "DE.csv, " in refused.stderr
    assert "nothing was written" in refused.stderr
    replaced = ga("trace", "import", tmp_path / "2024-01.csv", "--scope", "direct", "--into", folder, "--replace")
    assert f"{folder}/DE.csv: replaced, from 2024-01.csv" in replaced.lines
    (trace,) = ga("trace", "info", folder / "DE.csv", "--json").json()["traces"]
    assert (trace["scope"], trace["layout"], trace["filled"]) == ("direct", "ga, direct", 0)
    assert trace["estimated_percent"] == pytest.approx(100 * 3 / 48)


def test_info_of_a_folder_fits_a_pipe(ga: Ga, tmp_path: Path) -> None:
    (tmp_path / "DE.csv").write_text(OWN + "".join(f"2024-01-01T{hour:02}:00Z,{hour * 10}\n" for hour in range(24)))
    (tmp_path / "both.csv").write_text(_portal(0, 24, "FR", "US-CENT-SWPP"))
    (tmp_path / "notes.txt").write_text("no trace")

    said = ga("trace", "info", tmp_path)

    assert not CONTROL_CODES.search(said.stdout)
    assert max(map(len, said.lines)) <= 80
    header, *rows = said.lines[:4]
    assert header.split()[:2] == ["zone", "g/kWh"]
    assert [row.split()[:3] for row in rows] == [
        ["DE", "115", "0–230"],
        ["FR", "212", "200–223"],
        ["US-CENT-SWPP", "212", "200–223"],
    ]
    assert "▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇███  2024-01-01  2024-01-02" in rows[0]
    told = ga("trace", "info", tmp_path, "--json").json()
    assert [trace["zone"] for trace in told["traces"]] == ["DE", "FR", "US-CENT-SWPP"]
    first = told["traces"][0]
    assert (first["start"], first["end"], first["readings"], first["step_s"]) == (
        "2024-01-01T00:00:00.000000Z",
        "2024-01-02T00:00:00.000000Z",
        24,
        3600,
    )
    assert first["mean_day_g_per_kwh"] == [hour * 10 for hour in range(24)]


def test_one_bad_file_hides_no_other(ga: Ga, tmp_path: Path) -> None:
    (tmp_path / "DE.csv").write_text(OWN + "2024-01-01T00:00Z,1\n2024-01-01T01:00Z,2\n")
    (tmp_path / "FR.csv").write_text(OWN + "2024-01-01T00:00Z,much\n")

    said = ga("trace", "info", tmp_path, code=2)

    assert said.lines[1].startswith("DE ")
    assert "FR.csv:2: column" in said.stdout
    assert f"ga trace check {tmp_path}/FR.csv" in said.stderr
    told = ga("trace", "info", tmp_path, "--json", code=2).json()
    assert [one["file"] for one in told["refused"]] == [f"{tmp_path}/FR.csv"]


def test_check_tells_every_problem_and_every_filled_gap(ga: Ga, tmp_path: Path) -> None:
    good, bad = tmp_path / "FR.csv", tmp_path / "DE.csv"
    good.write_text(OWN + "2024-01-01T00:00Z,1\n2024-01-01T01:00Z,1\n2024-01-01T03:00Z,1\n")
    bad.write_text(OWN + "2024-01-01T00:00Z,1\nsoon,much\n2024-01-01T02:00Z,-1\n2024-01-01T02:00Z,1\n")

    fine = ga("trace", "check", good)
    assert fine.lines == [
        f"{good}: in order; ga layout, FR",
        f"  note: {good}:4: nothing between 2024-01-01 01:00 UTC and 2024-01-01 03:00 UTC: 1 reading filled, "
        "labelled estimated",
    ]
    said = ga("trace", "check", good, bad, code=1)
    assert "1 of 2 files cannot be used as they are" in said.stderr
    assert f"{bad}: 3 problems" in said.lines
    for place in (
        f"  {bad}:3: column `datetime_utc`: expected a time",
        f"  {bad}:3: column `carbon_intensity_gco2_per_kwh`: expected a carbon intensity from 0 to 2000, found 'much'",
        f"  {bad}:4: column `carbon_intensity_gco2_per_kwh`: expected a carbon intensity from 0 to 2000, found '-1'",
    ):
        assert any(line.startswith(place) for line in said.lines), place
    told = ga("trace", "check", good, bad, "--json", code=1).json()
    assert (told["ok"], [one["ok"] for one in told["files"]]) == (False, [True, False])
    assert [(one["line"], one["column"]) for one in told["files"][1]["problems"]] == [
        (3, "carbon_intensity_gco2_per_kwh"),
        (3, "datetime_utc"),
        (4, "carbon_intensity_gco2_per_kwh"),
    ]
    assert told["files"][0]["filled"] == [
        {
            "after": "2024-01-01T01:00:00.000000Z",
            "before": "2024-01-01T03:00:00.000000Z",
            "file": str(good),
            "line": 4,
            "filled": 1,
        }
    ]


def test_a_file_that_is_wrong_throughout_does_not_flood(ga: Ga, tmp_path: Path) -> None:
    path = tmp_path / "DE.csv"
    path.write_text(OWN + "".join(f"2024-01-01T00:00Z,x{row}\n" for row in range(500)))

    said = ga("trace", "check", path, code=1)

    assert said.lines[0] == f"{path}: 500 problems"
    assert len(said.lines) < 60
    assert len(ga("trace", "check", path, "--json", code=1).json()["files"][0]["problems"]) == 500


def test_names_of_foreign_columns_and_zones_bring_no_control_codes(ga: Ga, tmp_path: Path) -> None:
    path = tmp_path / "DE.csv"
    path.write_text("datetime_utc,\x1b[31mred\x1b[0m\n")

    said = ga("trace", "check", path, code=1)

    assert not CONTROL_CODES.search(said.stdout)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["info", "{}"], "expected carbon traces, found no .csv"),
        (["info", "{}/DE.csv"], "is no carbon trace"),
        (["import", "{}/DE.csv", "--into", "{}/out"], "cannot be read: No such file"),
        (["import", "{}/DE.csv"], "--into"),
        (["info", "{}", "--zone", "../DE"], "--zone: expected a grid zone"),
        (["info", "{}", "--scope", "stack"], "--scope"),
    ],
)
def test_misuse(ga: Ga, tmp_path: Path, arguments: list[str], fragment: str) -> None:
    said = ga("trace", *(argument.format(tmp_path) for argument in arguments), code=2)

    assert fragment in said.stderr
    assert "Traceback" not in said.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to(ga: Ga, tmp_path: Path) -> None:
    source = tmp_path / "DE.csv"
    source.write_text(OWN + "2024-01-01T00:00Z,1\n2024-01-01T01:00Z,2\n")

    said = ga("trace", "import", source, "--into", source / "traces", code=1)

    assert "cannot be written" in said.stderr
