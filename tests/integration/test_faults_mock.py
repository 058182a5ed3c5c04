"""Clouds that fail: no machine, a slow one, one that is taken away, one that vanishes. Real command line, real sshd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bad import Ga, count, ga_in, job, mock
from support.waiting import wait_for

from gacli.core.job import JobState

pytestmark = pytest.mark.prove


@pytest.fixture
def ga(tmp_path: Path) -> Iterator[Ga]:
    with ga_in(tmp_path) as found:
        found.use_script("count.py")
        yield found


def sites(ga: Ga) -> list[object]:
    """Where each generation started."""
    return [event.body["site"] for event in ga.events("generation") if event.body["state"] == "started"]


def steps(ga: Ga) -> list[int]:
    """After which step each generation went on, as it said itself; a machine may vanish before that is fetched."""
    return [int(step) for step in re.findall(r"goes on after step (\d+)", ga("logs", "job-1").out)]


def test_move_to_a_site_without_capacity_is_given_up_and_the_job_never_notices(ga: Ga) -> None:
    fleet = [mock("a"), mock("b", zone="FR", faults={"no_capacity": 99})]
    watcher = ga.begin(ga.write(job(count(80), fleet)), "--json")
    ga.await_step(3)
    ga("migrate", "job-1", "b", "--wait").refuses(1, "job-1 was not moved to b", "no capacity", "ga status job-1")
    said = ga.finish(watcher)
    assert (said.exit_code, said.last["migrations"]) == (0, 0), said
    assert sites(ga) == ["a"]
    assert "site b has no capacity" in ga.messages("warning")
    ga.assert_trained(80)


def test_source_trains_on_while_the_target_boots_slowly(ga: Ga) -> None:
    fleet = [mock("a"), mock("b", zone="FR", faults={"slow_boot_s": 2})]
    watcher = ga.begin(ga.write(job(count(120), fleet)), "--json")
    ga.await_step(3)
    before = ga.store.journal.progress("job-1")
    assert before is not None
    assert ga("migrate", "job-1", "b", "--wait").exit_code == 0
    said = ga.finish(watcher)
    assert (said.exit_code, said.last["migrations"]) == (0, 1), said
    assert sites(ga) == ["a", "b"]
    assert steps(ga)[1] >= before.step + 20
    ga.assert_trained(120)


def test_preempted_job_saves_in_time_and_goes_on_elsewhere(ga: Ga) -> None:
    fleet = [mock("a", faults={"preempt_after_s": 3, "preempt_notice_s": 6}), mock("b", zone="FR")]
    said = ga("run", "--json", ga.write(job(count(80, save_every=1000), fleet)))
    assert (said.exit_code, said.last["generation"]) == (0, 2), said
    assert sites(ga) == ["a", "b"]
    assert steps(ga)[1] > 10
    assert "the provider takes it within 6 s" in ga.messages("warning")
    assert "trained again" not in ga.messages("warning")
    ga.assert_trained(80)


def test_vanished_machine_costs_no_more_than_what_was_not_fetched(ga: Ga) -> None:
    fleet = [mock("a", faults={"crash_after_s": 7}), mock("b", zone="FR")]
    watcher = ga.begin(ga.write(job(count(160), fleet)), "--json")
    fetched = ga.await_copy()
    said = ga.finish(watcher)
    assert (said.exit_code, said.last["generation"]) == (0, 2), said
    assert sites(ga) == ["a", "b"]
    assert steps(ga)[1] >= fetched
    assert "a: the instance there is gone (crashed)" in ga.messages("warning")
    ga.assert_trained(160)


def test_target_that_vanishes_after_the_start_gives_the_job_back(ga: Ga) -> None:
    fleet = [mock("a"), mock("b", zone="FR", faults={"crash_after_s": 3})]
    watcher = ga.begin(ga.write(job(count(140), fleet)), "--json")
    ga.await_step(10)
    ga("migrate", "job-1", "b", "--wait")
    said = ga.finish(watcher)
    assert said.exit_code == 0, said
    assert sites(ga)[-1] == "a"
    ga.assert_trained(140)


def test_without_any_capacity_the_job_waits_and_can_be_stopped(ga: Ga) -> None:
    watcher = ga.begin(ga.write(job(count(10), [mock("a", faults={"no_capacity": 99})])))
    wait_for(lambda: "no capacity" in ga.store.jobs.get("job-1").detail, "the job to wait")
    assert ga.state() is JobState.PLACING
    assert ga("stop", "job-1", "--wait").exit_code == 0
    ga.finish(watcher).refuses(1, "job-1 was stopped before its end")
