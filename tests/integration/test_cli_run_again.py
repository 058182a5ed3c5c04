"""`ga run` when it is interrupted, killed, or started once more: the job is one, and goes on."""

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


def test_two_at_once_are_one_job(ga: Ga, tmp_path: Path) -> None:
    config = counting(tmp_path, steps=60, policy="stay")
    both = [ga.start("run", config) for _ in range(2)]
    said = sorted((running.end().stdout for running in both), key=len)
    assert said[0].splitlines() == [
        "count-1 is running already; nothing new was started (look at it with: ga watch count-1)"
    ]
    assert said[1].splitlines()[-1].endswith(counted_sha256(60))
    [job] = ga("status", "--json").json()["jobs"]
    assert (job["job"], job["state"]) == ("count-1", "done")
    assert ga("status", "count", "--json").json()["generation"] == 1
    ga.wait_until_nothing_is_left()


def test_interrupt_ends_the_viewer_and_not_the_job(ga: Ga, tmp_path: Path) -> None:
    config = counting(tmp_path, steps=3000, policy="stay")
    viewer = ga.in_terminal("run", config)
    viewer.until_shown("generation 1")
    controller = ga.controller("count-1")
    viewer.press(b"\x03")
    code, shown = viewer.end()
    assert code == 130
    assert "count-1 goes on" in shown
    assert "ga watch count-1" in shown
    assert "Traceback" not in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")  # the cursor is back

    assert controller.is_running()
    assert ga("status", "count", "--json").json()["has_controller"] is True
    # From cron it is left alone; in a terminal one is attached to it.
    assert "running already" in ga("run", config).stdout
    again = ga.in_terminal("run", config)
    again.until_shown("generation 1")
    again.press(b"\x03")
    assert again.end()[0] == 130

    assert "stopped" in ga("stop", "count", "--wait").stdout
    ga.wait_until_nothing_is_left()


@pytest.mark.prove
@pytest.mark.parametrize("state", ["running", "starting"])
def test_killed_with_its_controller_it_goes_on_where_it_was(ga: Ga, tmp_path: Path, state: str) -> None:
    config = counting(tmp_path, steps=240)
    running = ga.start("run", config, "--json")
    if state == "running":
        running.until_running(1)
    else:
        running.until(
            f"the move to be {state}",
            lambda e: e["event"] == "placement" and (e["purpose"], e["state"]) == ("move", state),
        )
    kill(ga.controller("count-1"))
    kill(running.process)

    said = ga("run", config, "--json")
    assert "count-1 had lost its controller; going on with it" in said.stderr
    summary = said.summary()
    assert (summary["job"], summary["status"]) == ("count-1", "done")
    assert summary["migrations"] == 1
    assert {site["site"] for site in summary["sites"]} == {"dirty", "clean"}
    assert summary["checkpoint"] == {"step": 240, "sha256": counted_sha256(240)}
    ga.wait_until_nothing_is_left()
