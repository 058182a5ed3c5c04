"""What `ga simulate` prints and writes, from runs of a small experiment."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from support.experiments import write_experiment

from gacli.config.experiment import load_experiment
from gacli.errors import GaError
from gacli.sweep.experiment_runs import run_all
from gacli.sweep.study import Study, study_of
from gacli.views.simulation_data import run_rows, study_json, write_csv, write_parquet
from gacli.views.simulation_progress import shown
from gacli.views.simulation_table import study_table
from gacli.views.simulation_timeline import typical_run
from gacli.views.stream import to_line


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    changes = {
        "busy: 400W": "busy: 700W",
        "deadline: 50%}": "deadline: 50%}\n  - {name: free, work: 5h}",
        "[stay, greedy-carbon]": "[stay, greedy-carbon, {name: hysteresis, label: wary one, margin: 50%}]",
    }
    experiment = load_experiment(write_experiment(tmp_path_factory.mktemp("views"), changes))
    return study_of(experiment, run_all(experiment, workers=1))


def printed(study: Study, width: int) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width)
    console.print(study_table(study, width))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_table_tells_every_policy_of_every_job_and_what_it_rests_on(study: Study, width: int) -> None:
    text = printed(study, width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in text
    assert lines[0] == "small: 2 starts from 2024-06-01 to 2024-06-01, 2 sites, 12 runs"
    for job in ("short", "free", "all jobs"):
        at = lines.index(job)
        listed = [re.split(r"  +", line)[0].split(" ")[0] for line in lines[at + 1 : at + 7]]
        assert listed == ["policy", "stay", "greedy-carbon", "wary", "best", "best"]
    stay = next(line for line in lines if line.startswith("stay"))
    assert "baseline" in stay
    flat = " ".join(text.split())
    assert "Intensity: average, life cycle, from trace:XX-SUN.csv, trace:XX-WIND.csv. Energy is modelled" in flat
    assert "saved: against `stay` from the same starts" in flat
    assert ("± std" in text, "5–95 %: over" in flat) == (width == 120, width == 120)


def test_there_is_a_bound_where_one_knows_what_comes(study: Study, tmp_path: Path) -> None:
    without = " ".join(printed(study, 100).split())
    assert "of bound" not in without
    assert "With the policy `clairvoyant` there is a bound as well." in without
    changes = {"busy: 400W": "busy: 700W", "[stay, greedy-carbon]": "[greedy-carbon, clairvoyant]"}
    experiment = load_experiment(write_experiment(tmp_path, changes))
    told = printed(study_of(experiment, run_all(experiment, workers=1)), 100)
    lines = {re.split(r"  +", line)[0]: line for line in told.splitlines()}
    assert "of bound" in lines["policy"]
    assert "100.0 %" in lines["bound"]
    assert "of bound: which part of its saving was reached" in " ".join(told.split())


def test_table_tells_of_runs_that_were_given_up(study: Study) -> None:
    rows = tuple(replace(row, given_up=1, emissions_g=None) for row in study.rows)
    text = " ".join(printed(replace(study, rows=rows), 120).split())
    assert "given up" in text
    assert "Runs that were given up (`limit`) are counted, and left out of all other figures." in text


def test_json_has_the_baseline_the_kind_of_intensity_and_every_row(study: Study) -> None:
    told = json.loads(to_line(study_json(study)))
    assert (told["baseline"], told["signal"], told["scope"]) == ("stay", "average", "lifecycle")
    assert told["sources"] == ["trace:XX-SUN.csv", "trace:XX-WIND.csv"]
    assert told["policies"] == {"stay": "stay", "greedy-carbon": "greedy-carbon", "wary one": "hysteresis"}
    assert [(one["job"], one["policy"]) for one in told["results"][:4]] == [
        ("short", "stay"), ("short", "greedy-carbon"), ("short", "wary one"), ("free", "stay"),
    ]  # fmt: skip
    assert {one["name"] for one in told["hindsight"]} == {"best single site", "best moves"}
    greedy = told["results"][1]
    runs = [run for run in study.runs if (run.job, run.policy) == ("short", "greedy-carbon")]
    assert greedy["emissions_g"]["mean"] == pytest.approx(sum(run.emissions_g for run in runs) / 2)


def test_csv_has_a_line_a_run_beside_its_baseline(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    write_csv(study, path)
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(study.runs) == 12
    stayed = {(line["job"], line["start"]): line for line in lines if line["policy"] == "stay"}
    for line, run in zip(lines, study.runs, strict=True):
        assert (line["job"], line["policy"]) == (run.job, run.policy)
        assert float(line["emissions_g"]) == run.emissions_g
        assert line["baseline_emissions_g"] == stayed[line["job"], line["start"]]["emissions_g"]
        assert float(line["train_s_sun"]) + float(line["train_s_wind"]) == pytest.approx(sum(run.train_s.values()))
        assert (line["baseline"], line["signal"], line["scope"]) == ("stay", "average", "lifecycle")


def test_parquet_has_the_same_with_types(study: Study, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "runs.parquet"
    write_parquet(study, path)
    table = parquet.read_table(path)
    assert [row | {"start": None} for row in table.to_pylist()] == [row | {"start": None} for row in run_rows(study)]
    assert [start.timestamp() for start in table["start"].to_pylist()] == [run.start.timestamp() for run in study.runs]


def test_files_that_cannot_be_written_are_named(study: Study, tmp_path: Path) -> None:
    with pytest.raises(GaError, match=r"runs\.csv: the runs cannot be written: "):
        write_csv(study, tmp_path / "nowhere" / "runs.csv")


def test_course_that_is_drawn_is_of_the_policy_that_saved_most(study: Study) -> None:
    course = typical_run(study)
    assert course is not None
    best = max((row for row in study.rows if row.job == "short"), key=lambda row: row.saved_percent or 0.0)
    assert course.job_id == f"small: short, {best.policy}"
    run = next(run for run in study.runs if (run.job, run.policy, run.start) == ("short", best.policy, course.start))
    assert course.actual.total_g == pytest.approx(run.emissions_g)
    assert run.time_s is not None
    assert (course.end - course.start).total_seconds() == pytest.approx(run.time_s)


def test_nothing_is_drawn_of_staying_alone(study: Study) -> None:
    assert typical_run(replace(study, rows=tuple(row for row in study.rows if row.policy == "stay"))) is None


def test_progress_is_shown_on_a_terminal_alone() -> None:
    for terminal in (True, False):
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=80)
        assert list(shown(iter("abc"), 3, "small", console)) == ["a", "b", "c"]
        assert ("3/3" in out.getvalue()) is terminal
