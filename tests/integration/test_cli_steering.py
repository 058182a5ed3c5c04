"""Looking at a job from beside it, and telling it what to do: every command, on a job that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import Ga, counted_sha256, counting

pytestmark = pytest.mark.slow


@pytest.fixture
def ga(own_home: Path, tmp_path: Path) -> Iterator[Ga]:
    with Ga(own_home, tmp_path) as ga:
        yield ga


def test_paused_leaves_nothing_running_and_resumed_ends_as_if_it_had_not_been(ga: Ga, tmp_path: Path) -> None:
    config = counting(tmp_path, steps=240)
    said = ga("run", config, "--detach")
    assert "count-1 is under way" in said.stdout
    assert "ga watch count-1" in said.stdout
    watching = ga.start("watch", "--json")
    watching.until_running(2)  # moved by the policy

    assert "paused" in ga("pause", "count", "--wait").stdout
    assert "ga resume count-1" in watching.end(code=1).stderr
    ga.wait_until_nothing_is_left()
    paused = ga("status", "count", "--json").json()
    assert (paused["state"], paused["has_controller"], paused["site"]) == ("paused", False, None)
    assert 0 < paused["checkpoint"]["step"] < 240

    # Neither by accident nor half.
    assert "ga resume count-1" in ga("run", config, code=1).stderr
    assert "paused" in ga("migrate", "count", "spare", code=1).stderr
    ga.wait_until_nothing_is_left()
    assert ga("status", "count", "--json").json()["generation"] == 2

    summary = ga("resume", "count", "--json").summary()
    assert (summary["job"], summary["status"], summary["generation"]) == ("count-1", "done", 3)
    assert summary["migrations"] == 1  # a pause is no move
    assert summary["checkpoint"] == {"step": 240, "sha256": counted_sha256(240)}
    assert "is over (done)" in ga("resume", "count", code=1).stderr
    ga.wait_until_nothing_is_left()


def test_a_job_is_seen_from_beside_while_it_runs_and_when_it_is_over(ga: Ga, tmp_path: Path) -> None:
    running = ga.start("run", counting(tmp_path, steps=240), "--json")
    running.until("the job", lambda event: event["event"] == "job")
    watching, reading = ga.start("watch", "count"), ga.start("logs", "count", "--follow")
    running.until_running(1)

    [job] = ga("status", "--json").json()["jobs"]
    assert (job["job"], job["total_steps"]) == ("count-1", 240)
    assert "count-1" in ga("status").stdout
    detail = ga("status", "count-1", "--json").json()
    assert (detail["has_controller"], {site["site"] for site in detail["sites"]}) == (True, {"dirty", "clean", "spare"})
    assert "dirty" in ga("status", "count").stdout
    assert ga("report", "--json").json()

    running.until_running(2)
    summary = running.end().summary()
    lines = watching.end().lines
    for words in ("dirty → clean", "generation 2 started", "count-1 done"):
        assert any(words in line for line in lines), words
    assert summary["checkpoint"]["sha256"] == counted_sha256(240)
    assert lines[-1].endswith(counted_sha256(240))
    # Each line once, across both generations.
    written = reading.end().stdout
    first, second = written.splitlines()[:2], written.splitlines()[2:]
    step = first[1].removeprefix("stopped at step ")
    assert first[0] == "going on from step 0"
    assert second == [f"going on from step {step}", "counted to 240"]
    assert ga("logs", "count").stdout == written
    assert ga("logs", "count", "--generation", "2").lines == second
    ga.wait_until_nothing_is_left()

    report = ga("report", "count", "--json").json()
    told = summary.keys() - {"event", "at", "epoch_s"}
    assert {key: report[key] for key in told} == {key: summary[key] for key in told}
    assert [placement["purpose"] for placement in report["placements"]] == ["start", "move", "finish"]
    assert "dirty" in ga("report", "count").stdout
    assert ga("status", "count", "--json").json()["state"] == "done"


def test_stopped_leaves_nothing_but_its_checkpoint(ga: Ga, tmp_path: Path) -> None:
    config = counting(tmp_path, steps=2000, policy="stay")
    running = ga.start("run", config, "--json")
    running.until_running(1)
    told = ga("stop", "count", "--wait", "--json").json()
    assert (told["job"], told["command"], told["state"]) == ("count-1", "stop", "stopped")
    summary = running.end(code=1).summary()
    assert summary["status"] == "stopped"
    assert summary["checkpoint"] == {
        "step": summary["steps"], "sha256": counted_sha256(summary["steps"])
    }  # fmt: skip
    ga.wait_until_nothing_is_left()
    assert "is over (stopped)" in ga("stop", "count", code=1).stderr


def test_what_init_writes_runs_to_its_end(ga: Ga, tmp_path: Path) -> None:
    path = tmp_path / "mine" / "train.yaml"
    path.parent.mkdir()
    ga("init", "--name", "mine", path)
    # The stand-in's ten steps, each a sixth as long.
    text = path.read_text()
    assert "sleep 3" in text
    path.write_text(text.replace("sleep 3", "sleep 0.5"))
    said = ga("run", path, "--json")
    assert (said.summary()["job"], said.summary()["status"]) == ("mine-1", "done")
    assert ga("logs").lines == [f"step {step}" for step in range(1, 11)]
    ga.wait_until_nothing_is_left()
