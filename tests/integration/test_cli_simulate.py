"""`ga simulate` as people use it: what it prints and writes, its errors, its end by ^C, the sample on real traces."""

from __future__ import annotations

import csv
import json
import signal
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml
from support.cli import ROOT, SAMPLES, Ga, needs
from support.experiments import write_experiment
from support.waiting import wait_for

from gacli.sweep.workers import spread

TRACES = ROOT.parent / "shared" / "traces" / "carbon"
ZONES = ("US-CAL-CISO", "US-TEX-ERCO", "IE", "SG", "JP-TK", "DE")
HAS_TRACES = pytest.mark.skipif(
    not all((TRACES / f"{zone}.csv.gz").is_file() for zone in ZONES),
    reason=f"the traces of {', '.join(ZONES)} are not in {TRACES}",
)


# Weeks of work at a decision a second: it would run for hours.
LONG = {"work: 10h": "work: 300h", "poll: 1h": "poll: 1s"}


def _workers(ga: Ga) -> list[psutil.Process]:
    """The processes that simulate."""
    return [process for process in ga.processes() if "spawn_main" in " ".join(process.cmdline())]


@pytest.fixture
def ga(own_home: Path) -> Iterator[Ga]:
    with Ga(own_home) as found:
        yield found


@needs("matplotlib", "pyarrow")
def test_results_are_printed_and_written_in_every_form(ga: Ga, tmp_path: Path) -> None:
    path = write_experiment(tmp_path)
    runs, columns, charts = tmp_path / "runs.csv", tmp_path / "runs.parquet", tmp_path / "made" / "charts"
    said = ga("simulate", path, "--csv", runs, "--parquet", columns, "--charts", charts)
    assert said.lines[0] == "small: 2 starts from 2024-06-01 to 2024-06-01, 2 sites, 4 runs"
    assert {line.split()[0] for line in said.lines if line} >= {"short", "stay", "greedy-carbon", "best", "saved:"}
    names = ["policies", "pareto", "regions", "timeline"]
    written = [runs, columns, *(charts / f"{name}.svg" for name in names)]
    assert said.stderr.splitlines() == [f"{file} was written" for file in written]
    assert len(list(csv.DictReader(runs.read_text(encoding="utf-8").splitlines()))) == 4
    for name in names:
        assert ET.fromstring((charts / f"{name}.svg").read_text(encoding="utf-8")).tag.endswith("svg")
    # The same again, to the last byte.
    before = {file: file.read_bytes() for file in charts.iterdir()}
    ga("simulate", path, "--charts", charts)
    assert {file: file.read_bytes() for file in charts.iterdir()} == before


def test_any_number_of_processes_gives_the_same(ga: Ga, tmp_path: Path) -> None:
    starts = ", ".join(f"2024-06-01T{hour:02}:00:00Z" for hour in range(0, 24, 3))
    path = write_experiment(
        tmp_path,
        {
            "2024-06-01T00:00:00Z, 2024-06-01T12:00:00Z": starts,
            "[stay, greedy-carbon]": "[random, hysteresis, forecast]",
        },
    )
    files = [tmp_path / f"{workers}.csv" for workers in (1, 3)]
    said = [ga("simulate", path, "--json", "--workers", w, "--csv", f) for w, f in zip("13", files, strict=True)]
    assert said[0].stdout == said[1].stdout
    assert files[0].read_bytes() == files[1].read_bytes()
    told = said[0].json()
    assert (told["baseline"], told["signal"], told["starts"]) == ("stay", "average", 8)
    assert {one["policy"] for one in told["results"]} == {"stay", "random", "hysteresis", "forecast"}


@pytest.mark.parametrize(
    ("case", "replace", "trace", "expect"),
    [
        ("unknown policy", {"greedy-carbon": "greddy"}, None, 'policies[1].name: no policy "greddy" is installed'),
        ("empty trace", {}, "", "XX-SUN.csv:1: expected a header and readings, found an empty file"),
        (
            "thresholds reversed",
            {"[stay, greedy-carbon]": "[{name: pause-resume, pause_above_g_per_kwh: 1, resume_below_g_per_kwh: 2}]"},
            None,
            "e.yaml:10: policies[0]",
        ),
        ("trace shorter than the run", {"work: 10h": "work: 40h"}, None, "but the last run may last until"),
        (
            "average and marginal",
            {},
            "point_time,value\n2024-06-01T00:00:00+00:00,900\n2024-06-01T01:00:00+00:00,910\n",
            "e.yaml:3: carbon: found average (XX-WIND) and marginal (XX-SUN) carbon intensity in the traces",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value[:1].isalpha() and len(value) < 30 else "",
)
def test_bad_experiment_gets_one_clear_error(
    ga: Ga, tmp_path: Path, case: str, replace: dict[str, str], trace: str | None, expect: str
) -> None:
    path = write_experiment(tmp_path, replace)
    if trace is not None:
        (tmp_path / "traces" / "XX-SUN.csv").write_text(trace)
    said = ga("simulate", path, "--json", code=2)
    flat = " ".join(said.stderr.split())
    assert expect in flat
    assert said.stdout == ""
    assert flat.count("e.yaml:") + flat.count("XX-SUN.csv:") == 1 or case == "trace shorter than the run"
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize(
    ("arguments", "expect"),
    [
        (["--workers", "0"], "--workers: expected 1 to 1024, found 0"),
        (["--csv", "nowhere/runs.csv"], "--csv: expected a file in a folder that exists, found nowhere/runs.csv"),
        (["--parquet", "."], "--parquet: expected a file in a folder that exists, found ."),
    ],
    ids=["workers", "csv", "parquet"],
)
@needs("pyarrow")
def test_bad_options_are_refused_before_anything_runs(
    ga: Ga, tmp_path: Path, arguments: list[str], expect: str
) -> None:
    said = ga("simulate", tmp_path / "not-even-read.yaml", *arguments, code=2)
    assert expect in " ".join(said.stderr.split())


def test_jobs_configuration_is_no_experiment(ga: Ga) -> None:
    said = ga("simulate", SAMPLES / "demo.yaml", code=2)
    assert "kind: found no `kind`, as in the configuration of a job" in " ".join(said.stderr.split())


def test_interrupt_ends_all_processes_at_once(ga: Ga, tmp_path: Path) -> None:
    path = write_experiment(tmp_path, LONG, hours=24 * 60)
    running = ga.start("simulate", path, "--workers", "2")
    wait_for(lambda: len(_workers(ga)) == 2, "the workers to start")
    running.process.send_signal(signal.SIGINT)
    said = running.end(code=130)
    assert (said.stdout, said.stderr) == ("", "")
    wait_for(lambda: not ga.processes(), "the end of all processes")


def test_worker_that_is_killed_ends_the_command_with_its_reason(ga: Ga, tmp_path: Path) -> None:
    path = write_experiment(tmp_path, LONG, hours=24 * 60)
    running = ga.start("simulate", path, "--workers", "2")
    wait_for(lambda: len(_workers(ga)) == 2, "the workers to start")
    _workers(ga)[0].kill()
    said = running.end(code=1)
    assert "a worker process ended with exit code -9 in the middle of its work" in said.stderr
    assert "--workers" in said.stderr
    wait_for(lambda: not ga.processes(), "the end of all processes")


def test_error_of_one_unit_is_raised_with_its_place() -> None:
    numbers = [str(number) for number in range(20)]
    assert sorted(spread(numbers, partial(partial, float), workers=3)) == [float(number) for number in range(20)]
    with pytest.raises(ValueError, match="could not convert string to float: 'no number'") as caught:
        list(spread([*numbers, "no number"], partial(partial, float), workers=2))
    assert any("in a worker process" in note for note in caught.value.__notes__)


@HAS_TRACES
def test_six_zones_runs_on_real_traces(ga: Ga, tmp_path: Path) -> None:
    config = yaml.safe_load((SAMPLES / "six-zones.yaml").read_text(encoding="utf-8"))
    assert config["starts"]["count"] == 200
    # The shorter half of the jobs, from fewer starts; PyYAML takes a time that is no text for more than that.
    config["jobs"] = [job for job in config["jobs"] if job["name"] in ("computer-vision", "recommendation")]
    config["starts"] = {"earliest": "2024-03-01T00:00:00Z", "latest": "2024-03-02T00:00:00Z", "count": 2}
    path = tmp_path / "six-zones.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    told = ga("simulate", path, "--traces", TRACES, "--json", "--workers", "1").json()
    assert (told["signal"], told["scope"], told["starts"]) == ("average", "lifecycle", 2)
    assert sorted(told["sites"].values()) == sorted(ZONES)
    everywhere = {row["policy"]: row for row in told["results"] if row["job"] == "all jobs"}
    assert len(everywhere) == 11
    assert {(row["runs"], row["given_up"]) for row in everywhere.values()} == {(4, 0)}
    for policy in ("stay", "pause-resume", "move-or-pause", "forecast", "clairvoyant", "performance-first"):
        assert everywhere[policy]["deadlines_met"] == 4
    bound = next(one for one in told["hindsight"] if (one["job"], one["name"]) == ("all jobs", "bound"))
    assert everywhere["forecast"]["saved_percent"] > 0
    for row in everywhere.values():
        assert bound["emissions_g"]["mean"] <= row["emissions_g"]["mean"] * (1 + 1e-9)


def test_six_zones_says_where_its_traces_are_looked_for(ga: Ga) -> None:
    if (SAMPLES / "traces" / "electricity-maps").exists():
        pytest.skip("somebody has put traces there")
    said = ga("simulate", SAMPLES / "six-zones.yaml", code=2)
    flat = " ".join(said.stderr.split())
    assert "six-zones.yaml:" in flat
    assert "carbon.folder: found no folder" in flat
    assert "--traces" in flat
    assert json.dumps(str(SAMPLES))[1:-1] in flat
