"""`ga sweep` as people use it: cut off and gone on with, in all its forms, and what it says of what it cannot do."""

from __future__ import annotations

import csv
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.cli import ROOT, SAMPLES, Ga
from support.waiting import wait_for

pytest.importorskip("numba", reason="the extra `sweep` is not installed")

DATA = ROOT / "tests" / "data" / "sweep"
SMALL = DATA / "small.yaml"
TRACES = ROOT.parent / "shared" / "traces" / "carbon"


@pytest.fixture
def ga(own_home: Path) -> Iterator[Ga]:
    with Ga(own_home) as running:
        yield running


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A sweep of so many parts that there is time to cut it off."""
    first = datetime(2024, 1, 1, tzinfo=UTC)
    starts = ", ".join((first + number * timedelta(minutes=10)).isoformat() for number in range(120))
    text = SMALL.read_text().replace("{folder: traces}", f"{{folder: {DATA / 'traces'}}}")
    before, _, after = text.partition("starts: [")
    path = tmp_path / "many.yaml"
    path.write_text(f"{before}starts: [{starts}{after[after.index(']') :]}")
    return path


def parts_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM chunks").fetchone()[0])


def wait_for_parts(path: Path) -> None:
    """Until the file has grown by some twenty, or more. Who asks the database itself may wait long for its writer."""

    def size() -> int:
        return path.stat().st_size if path.exists() else 0

    made = wait_for(size, "the file of results", within_s=60)
    wait_for(lambda: size() > made + 100_000, "some parts to be done", within_s=60)


def chunks_of(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT number, results FROM chunks ORDER BY number").fetchall()


@pytest.mark.prove
@pytest.mark.parametrize("cut", [pytest.param(signal.SIGKILL, id="killed"), pytest.param(signal.SIGINT, id="^C")])
def test_a_sweep_that_was_cut_off_goes_on_where_it_was(ga: Ga, many: Path, tmp_path: Path, cut: signal.Signals) -> None:
    path, whole = tmp_path / "cut.sweep", tmp_path / "whole.sweep"
    running = ga.start("sweep", many, "--out", path, "--workers", "1")
    wait_for_parts(path)
    running.process.send_signal(cut)
    running.process.wait(60)
    if cut is signal.SIGINT:
        assert running.process.returncode == 130
    done = parts_in(path)
    assert 0 < done < 480

    refused = ga("sweep", many, "--out", path, code=1)
    assert "found a sweep that was cut off" in refused.stderr
    assert "--resume" in refused.stderr
    assert parts_in(path) == done

    resumed = ga("sweep", many, "--out", path, "--resume", "--json")
    assert f"{done} of 480 parts were done before" in resumed.stderr
    at_once = ga("sweep", many, "--out", whole, "--json")
    assert resumed.json() | {"results": ""} == at_once.json() | {"results": ""}
    assert chunks_of(path) == chunks_of(whole)


def test_every_form_has_the_same_results(ga: Ga, tmp_path: Path) -> None:
    outputs = ("--csv", tmp_path / "all.csv", "--charts", tmp_path / "charts")
    said = ga("sweep", SMALL, "--out", tmp_path / "small.sweep", "--json", *outputs)
    told = said.json()
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == told["policies"] == 936
    for best in told["best"]:
        scores = [
            float(row["score"])
            for row in rows
            if (row["job"], row["site"]) == (best["job"], best["site"]) and row["finished"] == "true"
        ]
        assert best["score"] == max(scores)
    assert sorted(path.name for path in (tmp_path / "charts").iterdir()) == [
        "best.svg",
        "score-long.svg",
        "score-short.svg",
    ]
    assert "was written" in said.stderr
    table = ga("sweep", SMALL, "--out", tmp_path / "small.sweep", "--resume")
    assert f"{told['best'][0]['saved_percent']:.1f} %" in table.stdout
    assert "was written" not in table.stderr


def test_processes_have_the_results_of_threads(ga: Ga, tmp_path: Path) -> None:
    path = tmp_path / "loky.yaml"
    text = SMALL.read_text().replace("{folder: traces}", f"{{folder: {DATA / 'traces'}}}")
    path.write_text(text + "backend: loky\n")
    ga("sweep", path, "--out", tmp_path / "loky.sweep")
    ga("sweep", SMALL, "--out", tmp_path / "threads.sweep")
    assert chunks_of(tmp_path / "loky.sweep") == chunks_of(tmp_path / "threads.sweep")


def test_a_terminal_shows_how_far_it_is(ga: Ga, many: Path, tmp_path: Path) -> None:
    terminal = ga.in_terminal("sweep", many, "--out", tmp_path / "many.sweep")
    terminal.until_shown("/480")
    code, shown = terminal.end()
    assert code == 0
    assert "left" in shown
    assert "37,440 policies" in shown


@pytest.mark.parametrize(
    ("module", "told"),
    [
        pytest.param("numba", "pip install 'ga-cli[sweep]'", id="numba"),
        pytest.param("joblib", "pip install 'ga-cli[sweep]'", id="joblib"),
        pytest.param("ray", "pip install ray", id="ray"),
        pytest.param("distributed", "pip install 'dask[distributed]'", id="dask"),
    ],
)
def test_what_is_not_installed_is_told_before_anything_is_done(ga: Ga, tmp_path: Path, module: str, told: str) -> None:
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / f"{module}.py").write_text("raise ImportError\n")
    backend = {"ray": "ray", "distributed": "dask"}.get(module, "threading")
    path = tmp_path / "sweep.yaml"
    text = SMALL.read_text().replace("{folder: traces}", f"{{folder: {DATA / 'traces'}}}")
    path.write_text(f"{text}backend: {backend}\n")
    before = os.environ.get("PYTHONPATH")
    said = ga(
        "sweep",
        path,
        "--out",
        tmp_path / "small.sweep",
        code=1,
        environment={"PYTHONPATH": f"{shadow}:{before}" if before else str(shadow)},
    )
    assert f"needs {module}, which is not installed" in said.stderr
    assert told in said.stderr
    assert not (tmp_path / "small.sweep").exists()


def test_bad_sweeps_are_told_in_one_error(ga: Ga, tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(SMALL.read_text().replace("count: 12", "from: 300, to: 100, step: 1"))
    said = ga("sweep", path, "--traces", DATA / "traces", code=2)
    assert "sweep.yaml:12: thresholds.to: found 100 below `from`, 300" in " ".join(said.stderr.split())
    said = ga("sweep", SMALL, "--csv", tmp_path / "nowhere" / "all.csv", code=2)
    assert "--csv: expected a file in a folder that exists" in said.stderr
    said = ga("sweep", SAMPLES / "six-zones.yaml", code=2)
    assert "kind: found" in said.stderr


@pytest.mark.skipif(not TRACES.is_dir(), reason="needs ../shared/traces/carbon, which is no part of the repository")
def test_the_sample_on_real_traces_saves_about_what_its_authors_found(ga: Ga, tmp_path: Path) -> None:
    """A small version: fewer thresholds and starts. Germany is among those that save most, the United States last."""
    text = (SAMPLES / "greenepoch.yaml").read_text()
    assert "count: 89" in text
    assert "every: 29d" in text
    path = tmp_path / "greenepoch.yaml"
    path.write_text(text.replace("count: 89", "count: 30").replace("every: 29d", "every: 92d"))
    said = ga("sweep", path, "--traces", TRACES, "--out", tmp_path / "greenepoch.sweep", "--json")
    told = said.json()
    assert told["policies"] == 2 * 5 * 4 * 30 * 31 // 2
    saved = {(best["job"], best["zone"]): best["saved_percent"] for best in told["best"]}
    overhead = [best["overhead_percent"] for best in told["best"]]
    assert len(saved) == 10
    assert max(overhead) <= 200
    for job in ("deepseek-v3", "kimi-k2"):
        of_job = {zone: percent for (name, zone), percent in saved.items() if name == job}
        assert min(of_job, key=lambda zone: of_job[zone]) == "US"
    assert saved["kimi-k2", "DE"] == max(percent for (name, _), percent in saved.items() if name == "kimi-k2")
    assert 25 < saved["deepseek-v3", "DE"] < 35
    # The work is that of 14.8e12 tokens at 180,000 GPU hours a trillion.
    baseline = next(best for best in told["best"] if best["job"] == "deepseek-v3")
    assert baseline["baseline_duration_s"] == pytest.approx(14.8 * 180_000 * 3600 / 2048 + 148.8)
    assert baseline["baseline_energy_j"] == pytest.approx(2048 * 700 * baseline["baseline_duration_s"])
