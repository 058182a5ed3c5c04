"""Training scripts that misbehave, through the real command line on mock sites: a clear end, nothing lost or left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bad import Ga, count, ga_in, job, mock

from gacli.core.job import JobState

pytestmark = pytest.mark.prove


@pytest.fixture
def ga(tmp_path: Path) -> Iterator[Ga]:
    with ga_in(tmp_path) as found:
        found.use_script("count.py")
        yield found


def test_crash_at_start_fails_with_the_last_words(ga: Ga) -> None:
    config = ga.write(job("echo loading; pyhton train.py", [mock("a")], restarts=1))
    said = ga("run", config)
    said.refuses(
        1, "job-1 has failed: crashed 2 times in a row; its last words: ", "pyhton", "not found", "ga logs job-1"
    )
    lines = ga("logs", "job-1").out.splitlines()
    assert (len(lines), lines[0], lines[2]) == (4, "loading", "loading")
    ended = [event.body["exit_code"] for event in ga.events("generation") if event.body["state"] == "ended"]
    assert ended == [127, 127]


def test_crash_in_the_middle_is_restarted_where_it_saved(ga: Ga) -> None:
    said = ga("run", "--json", ga.write(job(count(30, end_at=18), [mock("a")])))
    assert said.exit_code == 0, said
    assert (said.last["event"], said.last["status"], said.last["generation"]) == ("summary", "done", 2)
    assert said.last["checkpoint"]["step"] == 30
    assert "goes on after step 15" in ga("logs", "job-1").out
    ga.assert_trained(30)


def test_crash_in_a_loop_fails_and_keeps_the_last_checkpoint(ga: Ga) -> None:
    said = ga("run", ga.write(job(count(30, end_at=18, times=99), [mock("a")], restarts=1)))
    said.refuses(1, "job-1 has failed: crashed", "its last words: cannot go on at step 18", "ga logs job-1")
    ga.assert_trained(15)


def test_sigkill_out_of_nowhere_is_restarted(ga: Ga) -> None:
    said = ga("run", "--json", ga.write(job(count(30, end_at=18, by_signal=True), [mock("a")])))
    assert said.exit_code == 0, said
    ended = [event.body for event in ga.events("generation") if event.body["state"] == "ended"]
    assert ended[0]["outcome"] == "crashed"
    assert ended[0]["signal"] == 9 or ended[0]["exit_code"] == 137, ended
    ga.assert_trained(30)


def test_exit_at_once_is_complete(ga: Ga) -> None:
    said = ga("run", "--json", ga.write(job("exit 0", [mock("a")])))
    assert said.exit_code == 0, said
    assert (said.last["status"], said.last["generation"], said.last["checkpoint"]) == ("done", 1, None)


def test_child_that_outlives_its_script_is_ended_with_it(ga: Ga) -> None:
    said = ga("run", ga.write(job(count(10, leave_child=True), [mock("a")])))
    assert said.exit_code == 0, said
    ga.assert_trained(10)


def test_script_that_ignores_the_signal_is_killed_and_moved_with_what_it_saved(ga: Ga) -> None:
    ga.use_script("deaf.py")
    config = job("python3 deaf.py", [mock("a"), mock("b", zone="FR")], checkpoint={"grace": "1s"})
    assert ga("run", "--detach", ga.write(config)).exit_code == 0
    ga.await_step(12)
    moved = ga("migrate", "job-1", "b", "--wait")
    assert (moved.exit_code, ga.state()) == (0, JobState.RUNNING), moved
    ended = [event.body for event in ga.events("generation") if event.body["state"] == "ended"]
    assert [(body["outcome"], body["forced"]) for body in ended] == [("killed", True)]
    assert [event.body["site"] for event in ga.events("generation") if event.body["state"] == "started"] == ["a", "b"]
    stopped = ga("stop", "job-1", "--wait")
    assert (stopped.exit_code, ga.state()) == (0, JobState.STOPPED), stopped
    # It said nothing more when it was killed, so that what it had saved by itself is where it went on.
    after = [int(step) for step in re.findall(r"goes on after step (\d+)", ga("logs", "job-1").out)]
    assert len(after) == 2
    assert ga.kept_step() >= after[1] >= 10
