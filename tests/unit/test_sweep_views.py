"""What a sweep shows: a table for people, rows and an object for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.rendering import text_of

pytest.importorskip("numba", reason="the extra `sweep` is not installed")

from gacli.config.sweep import load_sweep
from gacli.sweep.columns import COLUMNS
from gacli.sweep.grid import Plan
from gacli.sweep.results_file import ResultsFile
from gacli.sweep.running import run
from gacli.sweep.scoring import Scoring
from gacli.views.stream import to_line
from gacli.views.sweep_data import sweep_json, write_csv, write_parquet
from gacli.views.sweep_table import sweep_table

SMALL = Path(__file__).parents[1] / "data" / "sweep" / "small.yaml"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(load_sweep(SMALL))


@pytest.fixture(scope="module")
def scoring(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scoring]:
    file = ResultsFile.begin(tmp_path_factory.mktemp("sweep") / "small.sweep", plan)
    for _ in run(plan, file, plan.chunks, workers=1):
        pass
    yield Scoring(plan, file)
    file.close()


def test_the_table_has_a_line_a_site_for_each_job(plan: Plan, scoring: Scoring) -> None:
    best = scoring.best()
    for width in (80, 100, 120):
        text = text_of(sweep_table(plan, best, width), width)
        assert "936 policies; 2 jobs, 2 sites, 3 starts" in text
        assert "…" not in text
        assert all(len(line) <= width for line in text.splitlines())
        rows = [line.split() for line in text.splitlines() if line.startswith(("windy", "sunny"))]
        assert [row[0] for row in rows] == ["windy", "sunny", "windy", "sunny"]
        for row, point in zip(rows, best, strict=True):
            assert row[1:4] == [
                f"{point.key.start:%Y-%m-%d}",
                f"{point.pause_above_g_per_kwh:.1f}/{point.resume_below_g_per_kwh:.1f}",
                f"{point.saved_percent:.1f}",
            ]
        assert ("never pausing" in text.splitlines()[2]) == (width == 120)


def test_a_site_without_a_policy_that_ends_is_a_line_of_unknowns(plan: Plan, scoring: Scoring) -> None:
    text = text_of(sweep_table(plan, scoring.best()[1:], 80), 80)
    assert text.splitlines()[3].split() == ["windy", "–", "–", "–", "–", "–", "–"]


def test_csv_has_a_line_a_policy_with_the_figures_of_the_file(plan: Plan, scoring: Scoring, tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    write_csv(plan, scoring.scored(), path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == plan.policies == 936
    scored = list(scoring.scored())
    results = np.concatenate([one.results for one in scored])
    assert [float(row["emissions_g"]) for row in rows] == list(results[:, COLUMNS.index("emissions_g")])
    assert [row["finished"] == "true" for row in rows] == list(results[:, COLUMNS.index("finished")] == 1)
    assert {row["score"] == "" for row in rows if row["finished"] == "false"} == {True}
    assert (rows[0]["job"], rows[0]["zone"], rows[0]["start"]) == ("short", "XX-WIND", "2024-01-01T00:00:00.000000Z")


def test_parquet_has_the_columns_of_csv_with_types(plan: Plan, scoring: Scoring, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    write_csv(plan, scoring.scored(), tmp_path / "all.csv")
    write_parquet(plan, scoring.scored(), tmp_path / "all.parquet")
    table = parquet.read_table(tmp_path / "all.parquet")
    header, *rows = (tmp_path / "all.csv").read_text().splitlines()
    assert table.column_names == header.split(",")
    assert table.num_rows == len(rows)
    row = table.slice(table.num_rows - 1).to_pylist()[0]
    assert row["start"] == datetime(2024, 1, 3, tzinfo=UTC)
    assert isinstance(row["finished"], bool)
    assert isinstance(row["pauses"], int)
    given_up = [one["score"] for one in table.to_pylist() if not one["finished"]]
    assert given_up
    assert set(given_up) == {None}


def test_the_object_names_what_was_tried_and_the_best(plan: Plan, scoring: Scoring) -> None:
    best = scoring.best()
    told = json.loads(to_line(sweep_json(plan, best, Path("small.sweep"))))
    assert (told["sweep"], told["policies"], told["results"]) == ("small", 936, "small.sweep")
    assert told["sources"] == {"XX-WIND": "trace:XX-WIND.csv", "XX-SUN": "trace:XX-SUN.csv"}
    assert (told["signal"], told["scope"], told["limit_percent"]) == ("average", "lifecycle", 200.0)
    assert [one["score"] for one in told["best"]] == [point.score for point in best]
    assert told["best"][0]["baseline_emissions_g"] > told["best"][0]["emissions_g"]
