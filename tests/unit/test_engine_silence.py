"""Machines that do not answer: waited for, and given up only when their lease proves that they have stopped."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from support.engine import HOUR_S
from support.two_sites import world

from gacli.core.job import JobState
from gacli.policies.stay import Stay


def test_an_unreachable_source_is_waited_for_and_never_replaced(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(1800)
    faults = one.disk("job-1-a-1").faults
    faults.unreachable = True
    one.run_for(3 * HOUR_S)
    assert one.state is JobState.BLOCKED
    assert "a does not answer" in one.store.jobs.get(one.job_id).detail
    assert len(one.store.jobs.generations(one.job_id)) == 1
    faults.unreachable = False
    assert one.run() is JobState.DONE


def test_a_machine_that_stays_silent_longer_than_its_lease_is_given_up(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay(), lease_s=300.0)
    one.run_for(2000.0)
    one.disk("job-1-a-1").faults.unreachable = True
    cut_off_at = one.clock.now()
    assert one.run(until=JobState.BLOCKED) is JobState.BLOCKED
    assert "it is given up at 2024-06-01 00:39 UTC" in one.store.jobs.get(one.job_id).detail
    assert one.run() is JobState.DONE
    first, second = one.store.jobs.generations(one.job_id)
    assert (first.outcome, second.site) == ("lost", "b")
    # The lease, the script's grace period of 30 s, and what the agent needs to kill it.
    assert second.started_at is not None
    assert second.started_at - cut_off_at > timedelta(seconds=300 + 30 + 5)
    # What it drew meanwhile is not known: it is taken to have trained until it was given up.
    unseen = [
        entry.emission.energy
        for entry in one.store.ledger.entries(one.job_id)
        if entry.instance_id == "job-1-a-1" and entry.emission.energy.end > cut_off_at
    ]
    assert {energy.modelled for energy in unseen if energy.start >= cut_off_at} == {True}
    assert sum(energy.energy_j for energy in unseen) > 1000.0 * 300


def test_a_machine_that_answers_in_time_keeps_its_trainer(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay(), lease_s=300.0)
    one.run_for(2000.0)
    for _ in range(3):
        one.disk("job-1-a-1").faults.unreachable = True
        one.run_for(250.0)
        one.disk("job-1-a-1").faults.unreachable = False
        one.run_for(60.0)
    assert one.run() is JobState.DONE
    assert [g.site for g in one.store.jobs.generations(one.job_id)] == ["a"]


def test_a_trainer_whose_lease_ran_out_is_started_again_where_it_was(tmp_path: Path) -> None:
    """Heard of again before it could be given up: it has saved, and nothing is lost."""
    one = world(tmp_path, policy=Stay(), lease_s=300.0)
    one.run_for(2000.0)
    one.disk("job-1-a-1").faults.unreachable = True
    one.run_for(320.0)
    one.disk("job-1-a-1").faults.unreachable = False
    assert one.run() is JobState.DONE
    first, second = one.store.jobs.generations(one.job_id)
    assert (first.outcome, second.site) == ("stopped", "a")
    assert [event.body["because"] for event in one.events("generation") if event.body.get("outcome") == "stopped"] == [
        "lease"
    ]
    assert second.from_step > 2000.0 - 60


def test_a_restarted_controller_waits_for_a_whole_lease(tmp_path: Path) -> None:
    """What its predecessor heard last it cannot know."""
    one = world(tmp_path, policy=Stay(), lease_s=300.0)
    one.run_for(2000.0)
    one.disk("job-1-a-1").faults.unreachable = True
    one.run_for(340.0)
    one.controller = one.new_controller()
    one.run_for(340.0)
    assert one.state is JobState.BLOCKED
    assert one.run() is JobState.DONE


def test_a_source_partitioned_while_stopping_is_waited_for(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay())
    one.run_for(600)
    one.command("migrate", "b")
    faults = one.disk("job-1-a-1").faults
    while (open_one := one.store.placements.open(one.job_id)) is None or open_one.state != "stopping":
        one.tick()
    faults.unreachable = True
    one.run_for(HOUR_S)
    assert one.state is JobState.BLOCKED
    assert one.where() == "a"
    faults.unreachable = False
    assert one.run() is JobState.DONE
    assert one.where() == "b"
