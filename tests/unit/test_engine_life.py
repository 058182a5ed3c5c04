"""The engine on fake ports: whole lives of a job."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from support.engine import HOUR_S, START, site
from support.two_sites import MODEL, world

from ga_playbooks.fake_trainer import TrainerModel
from gacli.core.energy import Phase
from gacli.core.job import JobState
from gacli.core.placement import PlacementState
from gacli.policies.stay import Stay
from gacli.ports.provider import InstanceState
from gacli.store.placements import Purpose


def test_a_job_that_stays_runs_to_its_end(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay())
    assert one.run() is JobState.DONE
    assert one.where() == "a"
    assert [p.purpose for p in one.placements] == [Purpose.START, Purpose.FINISH]
    assert one.holding() == []
    job = one.store.jobs.get(one.job_id)
    assert job.checkpoint is not None
    assert job.checkpoint.step == MODEL.total_steps


def test_the_policy_moves_it_and_the_weights_are_the_same(tmp_path: Path) -> None:
    stays = world(tmp_path / "stays", policy=Stay())
    moves = world(tmp_path / "moves")
    assert stays.run() is moves.run() is JobState.DONE
    assert [p.purpose for p in moves.placements] == [Purpose.START, Purpose.MOVE, Purpose.FINISH]
    assert moves.where() == "b"
    assert moves.forgotten == {"job-1-a-1", "job-1-b-1"}
    assert moves.store.jobs.get(moves.job_id).checkpoint == stays.store.jobs.get(stays.job_id).checkpoint
    assert moves.holding() == []


def test_the_source_is_released_only_after_the_targets_first_new_step(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run()
    move = next(p for p in one.placements if p.purpose is Purpose.MOVE)
    target = one.store.jobs.generations(one.job_id)[-1]
    assert target.first_step_at is not None
    released = next(
        event for event in one.events("instance")
        if event.body["instance"] == move.source_instance and event.body["state"] == "releasing"
    )  # fmt: skip
    assert released.at >= target.first_step_at


def test_pause_gives_everything_back_and_resume_goes_on(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay())
    one.run_for(1000)
    one.command("pause")
    assert one.run() is JobState.PAUSED
    assert one.holding() == []
    assert one.tick() is False
    one.command("resume")
    one.controller = one.new_controller()
    assert one.run() is JobState.DONE
    assert not any("trained again" in str(event.body["message"]) for event in one.events("warning"))


def test_migrate_moves_at_once(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay())
    one.run_for(300)
    command = one.command("migrate", "b")
    assert one.run() is JobState.DONE
    assert one.store.journal.outcome(command) == "moving to b"
    assert one.where() == "b"


def test_stop_keeps_the_checkpoint_and_leaves_nothing(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay())
    one.run_for(1000)
    one.command("stop")
    assert one.run() is JobState.STOPPED
    assert one.holding() == []
    checkpoint = one.store.jobs.get(one.job_id).checkpoint
    progress = one.store.journal.progress(one.job_id)
    assert checkpoint is not None
    assert progress is not None
    assert checkpoint.step == progress.step > 0


def test_stop_before_anything_has_started(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.tick()
    one.command("stop")
    assert one.run() is JobState.STOPPED
    assert one.holding() == []


def test_a_script_that_crashes_in_a_loop_fails_with_its_last_words(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay(), restarts=2)
    one.run_for(30)
    one.disk("job-1-a-1").faults.crash_at_step = 700
    assert one.run() is JobState.FAILED
    detail = one.store.jobs.get(one.job_id).detail
    assert "crashed 3 times in a row" in detail
    assert "left at step" in detail
    checkpoint = one.store.jobs.get(one.job_id).checkpoint
    assert checkpoint is not None, "what was saved before the crash is kept"
    assert checkpoint.step == 600
    assert one.holding() == []


def test_a_crash_with_progress_in_between_is_forgiven(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay(), restarts=0)
    one.restarts = 1
    one.controller = one.new_controller()
    one.run_for(30)
    disk = one.disk("job-1-a-1")
    for step in (700, 1300, 1900, 2500):
        disk.faults.crash_at_step = step
        while len(one.store.jobs.generations(one.job_id)) < (step - 100) // 600 + 1:
            one.tick()
    disk.faults.crash_at_step = None
    assert one.run() is JobState.DONE


def test_a_lost_machine_costs_at_most_what_was_not_fetched(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay(), sites=(site("a", "A", capacity=2), site("b", "B")))
    one.run_for(2000)
    one.provider.set_state("job-1-a-1", InstanceState.GONE)
    one.disk("job-1-a-1").faults.unreachable = True
    assert one.run() is JobState.DONE
    lost = next(g for g in one.store.jobs.generations(one.job_id) if g.outcome == "lost")
    after = one.store.jobs.generation(one.job_id, lost.generation + 1)
    assert after is not None
    assert after.from_step >= 1200
    assert [p.purpose for p in one.placements] == [Purpose.START, Purpose.RECOVER, Purpose.FINISH]


def test_a_preempted_machine_is_left_with_a_checkpoint(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay())
    one.run_for(1000)
    one.provider.set_state("job-1-a-1", InstanceState.PREEMPTING)
    assert one.run() is JobState.DONE
    purposes = [p.purpose for p in one.placements]
    assert purposes == [Purpose.START, Purpose.EVACUATE, Purpose.RECOVER, Purpose.FINISH]
    first, second = one.store.jobs.generations(one.job_id)
    assert first.outcome == "stopped"
    assert second.from_step > 900


def test_no_capacity_elsewhere_leaves_the_source_alone(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.provider.refusals["b"] = 10**6
    assert one.run() is JobState.DONE
    assert len(one.store.jobs.generations(one.job_id)) == 1
    moves = [p for p in one.placements if p.purpose is Purpose.MOVE]
    assert moves
    assert {p.state for p in moves} == {PlacementState.ABANDONED}


def test_a_target_that_cannot_hold_the_checkpoint_sends_the_job_back(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(30)
    one.disk("job-1-b-1").free_bytes = 10
    assert one.run(limit=40000) is JobState.DONE
    assert one.store.jobs.generations(one.job_id)[-1].outcome == "complete"
    assert not any("trained again" in str(event.body.get("message")) for event in one.events("warning"))


def test_a_machine_that_is_told_of_its_end_is_left_with_a_checkpoint(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay())
    one.run_for(2000.0)
    one.disk("job-1-a-1").faults.preempted_at_s = one.clock.epoch_s() + 120.0
    assert one.run() is JobState.DONE
    assert [p.purpose for p in one.placements] == [Purpose.START, Purpose.EVACUATE, Purpose.RECOVER, Purpose.FINISH]
    first, second = one.store.jobs.generations(one.job_id)
    assert (first.outcome, second.site) == ("preempted", "b")
    assert second.from_step >= 1990 - 60


def test_a_move_is_given_up_when_its_source_is_about_to_go(tmp_path: Path) -> None:
    """What would be moved is brought to safety first."""
    model = TrainerModel(steps_per_s=1.0, total_steps=6000, checkpoint_every_steps=600, save_s=2.0, setup_s=60.0)
    one = world(tmp_path, model=model, policy=Stay(), start_at="a")
    one.run_for(1000.0)
    one.command("migrate", "b")
    one.run_for(8.0)
    assert one.state is JobState.MOVING
    one.disk("job-1-a-1").faults.preempted_at_s = one.clock.epoch_s() + 120.0
    assert one.run() is JobState.DONE
    purposes = [p.purpose for p in one.placements]
    assert purposes == [Purpose.START, Purpose.MOVE, Purpose.EVACUATE, Purpose.RECOVER, Purpose.FINISH]


def test_a_script_that_ignores_the_signal_loses_only_what_it_had_not_saved(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay())
    one.run_for(1000)
    one.disk("job-1-a-1").faults.ignores_signal = True
    one.command("migrate", "b")
    assert one.run() is JobState.DONE
    first, second = one.store.jobs.generations(one.job_id)
    assert first.outcome == "killed"
    assert second.from_step == 600
    assert any("trained again" in str(event.body["message"]) for event in one.events("warning"))


def test_a_script_without_any_checkpoint_is_put_back_and_not_moved_again(tmp_path: Path) -> None:
    model = TrainerModel(steps_per_s=1.0, total_steps=9000, checkpoint_every_steps=0)
    one = world(tmp_path, model=model)
    one.run_for(30)
    one.disk("job-1-a-1").faults.ignores_signal = True
    assert one.run() is JobState.DONE
    assert one.where() == "a"
    assert "no checkpoint" in one.store.jobs.get(one.job_id).unmovable_because
    assert len([p for p in one.placements if p.purpose is Purpose.MOVE]) == 1


def test_a_damaged_copy_is_never_started_from(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay())
    one.run_for(500)
    one.disk("job-1-a-1").faults.corrupt_checkpoints = True
    one.command("migrate", "b")
    one.run_for(120)
    assert one.where() == "a", "nothing usable at the source: it goes on there"
    one.disk("job-1-a-1").faults.corrupt_checkpoints = False
    assert one.run() is JobState.DONE


def test_stale_readings_never_move(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(600)
    one.carbon.broken.add("B")
    assert one.run() is JobState.DONE
    assert len(one.store.jobs.generations(one.job_id)) == 1


def test_the_ledger_accounts_every_second_of_every_instance(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run()
    entries = one.store.ledger.entries(one.job_id)
    for instance in one.store.instances.of_job(one.job_id, gone=True):
        own = sorted(
            (e.emission.energy for e in entries if e.instance_id == instance.instance_id), key=lambda e: e.start
        )
        assert own[0].start == instance.requested_at
        for earlier, later in pairwise(own):
            assert earlier.end == later.start
    train_j = sum(e.emission.energy.energy_j for e in entries if e.emission.energy.phase is Phase.TRAIN)
    assert train_j == pytest.approx(6000 * 1000.0, rel=0.01)


def test_a_source_that_never_answers_is_replaced_by_a_named_fallback_in_the_ledger(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay(), start_at="a")
    one.carbon.broken.add("A")
    assert one.run() is JobState.DONE
    entries = one.store.ledger.entries(one.job_id)
    assert entries[0].emission.energy.start == START + timedelta(seconds=one.tick_s)
    assert {entry.emission.carbon_source for entry in entries} == {"fallback: world mean"}


@pytest.mark.parametrize("every", [1, 7, 40])
def test_a_controller_that_dies_all_the_time_ends_in_the_same_place(tmp_path: Path, every: int) -> None:
    steady, dying = world(tmp_path / "steady"), world(tmp_path / "dying")
    assert steady.run() is JobState.DONE
    for number in range(40000):
        if number % every == 0:
            dying.controller = dying.new_controller()
        if not dying.tick():
            break
    assert dying.state is JobState.DONE
    assert dying.store.jobs.get(dying.job_id).checkpoint == steady.store.jobs.get(steady.job_id).checkpoint
    assert dying.holding() == []


def test_the_controllers_copy_never_gets_older(tmp_path: Path) -> None:
    one = world(tmp_path)
    steps = []
    while one.tick():
        checkpoint = one.store.jobs.get(one.job_id).checkpoint
        steps.append(-1 if checkpoint is None else checkpoint.step)
    assert steps == sorted(steps)


def test_a_command_given_before_the_start_waits_for_it(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay(), start_at="a")
    command = one.command("migrate", "b")
    assert one.run() is JobState.DONE
    assert one.store.journal.outcome(command) == "moving to b"
    assert one.where() == "b"


def test_stop_overtakes_a_command_that_waits(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay(), start_at="a", sites=(site("a", "A"),))
    one.provider.refusals["a"] = 10**6
    one.run_for(60)
    one.command("pause")
    one.command("stop")
    assert one.run() is JobState.STOPPED


def test_a_result_that_is_lost_with_its_machine_is_trained_again(tmp_path: Path) -> None:
    one = world(tmp_path, policy=Stay(), sites=(site("a", "A", capacity=3), site("b", "B")))
    one.run_for(3000)
    one.disk("job-1-a-1").faults.unreachable = True
    one.run_for(2 * HOUR_S)
    one.disk("job-1-a-1").faults.unreachable = False
    while (generation := one.store.jobs.generation(one.job_id, 1)) is None or generation.outcome != "complete":
        one.tick()
    one.provider.set_state("job-1-a-1", InstanceState.GONE)
    one.disk("job-1-a-1").faults.unreachable = True
    assert one.run() is JobState.DONE
    checkpoint = one.store.jobs.get(one.job_id).checkpoint
    assert checkpoint is not None
    assert checkpoint.step == MODEL.total_steps
