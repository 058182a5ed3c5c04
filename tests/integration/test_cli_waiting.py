"""A job that its policy pauses and resumes, by `ga` itself: the weights are those of one that never stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import Ga, counted_sha256, counting, kill

pytestmark = pytest.mark.slow


@pytest.fixture
def ga(own_home: Path, tmp_path: Path) -> Iterator[Ga]:
    with Ga(own_home, tmp_path) as ga:
        yield ga


def config(folder: Path) -> Path:
    """Dirty for two hours, from half an hour after the start on; ten minutes of the job's clock are a second."""
    trace = folder / "trace.csv"
    hours = [f"2024-06-01T{hour:02d}:00Z,{500 if hour in (1, 2) else 100}" for hour in range(24)]
    trace.write_text("\n".join(["datetime_utc,carbon_intensity_gco2_per_kwh", *hours]) + "\n")
    return counting(
        folder,
        steps=120,
        sites=[{"name": "home", "provider": "mock", "zone": "XX-A"}],
        start_at="home",
        carbon={"source": "trace", "files": {"XX-A": str(trace)}, "poll": "5m"},
        policy={"name": "pause-resume", "pause_above_g_per_kwh": 300, "resume_below_g_per_kwh": 200},
        replay={"start": "2024-06-01T00:30:00Z", "scale": 600},
    )


def test_paused_by_its_policy_and_resumed(ga: Ga, tmp_path: Path) -> None:
    running = ga.start("run", config(tmp_path), "--json")
    running.until("it waits", lambda event: event["event"] == "job" and event["state"] == "waiting")
    assert ga("status", "count", "--json").json()["state"] == "waiting"
    assert ga("fleet", "list", "--json").json()["instances"] == []
    said = running.end()
    summary = said.summary()
    assert (summary["status"], summary["generation"], summary["migrations"], summary["pauses"]) == ("done", 2, 0, 1)
    assert summary["checkpoint"] == {"step": 120, "sha256": counted_sha256(120)}
    assert [e["action"] for e in said.events() if e["event"] == "decision" and e["action"] != "stay"][-2:] == [
        "pause",
        "move",
    ]
    assert any("1 pause" in line for line in ga("watch", "count").lines)
    ga.wait_until_nothing_is_left()


@pytest.mark.prove
def test_a_job_that_waits_goes_on_waiting_after_its_controller_was_killed(ga: Ga, tmp_path: Path) -> None:
    running = ga.start("run", config(tmp_path), "--json")
    running.until("it waits", lambda event: event["event"] == "job" and event["state"] == "waiting")
    kill(ga.controller("count-1"))
    assert "ga resume count-1" in running.end(code=1).stderr
    resumed = ga("resume", "count", "--json")
    # It was not resumed there and then.
    states = [event["state"] for event in resumed.events() if event["event"] == "job"]
    assert resumed.summary()["checkpoint"] == {"step": 120, "sha256": counted_sha256(120)}
    assert resumed.summary()["pauses"] == 1
    assert "placing" in states
    ga.wait_until_nothing_is_left()
