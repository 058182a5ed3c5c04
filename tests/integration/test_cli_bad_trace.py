"""Carbon traces: untrustworthy ones are refused by `ga check` and `ga run`; those without a present move nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.bad import Ga, count, ga_in, job, mock

CASES = yaml.safe_load((Path(__file__).parents[1] / "data" / "bad" / "traces.yaml").read_text())
HEADER = "datetime_utc,carbon_intensity_gco2_per_kwh\n"
TRACE = {"source": "trace", "folder": "traces", "poll": "30s", "max_age": "1m"}


@pytest.fixture
def ga(tmp_path: Path) -> Iterator[Ga]:
    with ga_in(tmp_path) as found:
        (found.folder / "traces").mkdir()
        yield found


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["case"]))
def test_bad_trace_is_refused(ga: Ga, case: dict[str, object]) -> None:
    (ga.folder / "traces" / "DE.csv").write_text(str(case["text"]))
    config = ga.write(job("true", [mock("a")], carbon=TRACE))
    expect = case["expect"]
    assert isinstance(expect, list)
    for said in ga.each(["check", str(config)], ["run", str(config)]):
        said.refuses(2, "traces/", *expect)
    assert not ga.folders.database.exists() or ga.store.jobs.all() == []


def test_trace_that_is_missing_is_named_with_those_that_are_there(ga: Ga) -> None:
    (ga.folder / "traces" / "FR.csv").write_text(HEADER + "2024-06-01T00:00Z,1\n2024-06-01T01:00Z,1\n")
    config = ga.write(job("true", [mock("a")], carbon=TRACE))
    ga("run", config).refuses(2, "job.yaml:", 'sites[0].zone: no trace in traces for "DE"', "allowed: FR")
    config = ga.write(job("true", [mock("a")], carbon={"source": "trace", "files": {"DE": "traces/DE.csv"}}))
    ga("run", config).refuses(2, "job.yaml:", "carbon.files.DE: found no file", "traces/DE.csv")
    config = ga.write(job("true", [mock("a")], carbon={"source": "trace", "folder": "nowhere"}))
    ga("run", config).refuses(2, "job.yaml:", "carbon.folder: found no folder", "nowhere")


def test_replay_outside_the_traces_is_refused(ga: Ga) -> None:
    (ga.folder / "traces" / "DE.csv").write_text(HEADER + "2024-01-01T00:00Z,1\n2024-01-01T01:00Z,1\n")
    config = ga.write(job("true", [mock("a")], carbon=TRACE))
    for said in ga.each(["check", str(config)], ["run", str(config)]):
        said.refuses(2, "job.yaml:", "replay.start", "cover 2024-01-01T00:00Z to 2024-01-01T02:00Z for DE")
    assert ga.store.jobs.all() == []


def test_replay_outside_one_of_the_traces_is_told_by_check(ga: Ga) -> None:
    for zone, day in (("DE", "2024-06-01"), ("FR", "2024-01-01")):
        rows = f"{day}T00:00Z,1\n{day}T01:00Z,1\n"
        (ga.folder / "traces" / f"{zone}.csv").write_text(HEADER + rows)
    said = ga("check", ga.write(job("true", [mock("a"), mock("b", zone="FR")], carbon=TRACE)))
    said.refuses(1, "no reading of FR", "covers 2024-01-01T00:00Z to 2024-01-01T02:00Z", "choose a replay start within")


@pytest.mark.slow
def test_traces_that_say_nothing_of_the_present_are_told_once_and_move_nothing(ga: Ga) -> None:
    ga.use_script("count.py")
    # One ends under way, the other, far cleaner, is of another day.
    for zone, day, value in (("DE", "2024-06-01", 400), ("FR", "2024-01-01", 20)):
        rows = [f"{day}T00:0{minute}Z,{value}\n" for minute in range(4)]
        (ga.folder / "traces" / f"{zone}.csv").write_text(HEADER + "".join(rows))
    eager = {"name": "hysteresis", "margin": "30%", "hold_readings": 1, "dwell": "0s", "horizon": "1d"}
    config = job(count(120), [mock("a"), mock("b", zone="FR")], carbon=TRACE, policy=eager)
    said = ga("run", "--json", ga.write(config))
    assert (said.exit_code, said.last["migrations"], said.last["generation"]) == (0, 0, 1), said
    warnings = [event.body for event in ga.events("warning") if event.body["about"] == "carbon"]
    assert [body["zone"] for body in warnings] == ["FR"], warnings
    assert "the file covers 2024-01-01T00:00Z to 2024-01-01T00:04Z" in str(warnings[0]["message"])
    newest = ga.events("carbon")[-1].body["zones"]
    assert isinstance(newest, dict)
    assert newest["DE"]["stale"] is True
    assert "no reading of FR" in newest["FR"]["unavailable"]
    ga.assert_trained(120)
