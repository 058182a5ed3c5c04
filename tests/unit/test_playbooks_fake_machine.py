"""The modelled machine keeps the port's promises, on a clock that only moves when told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_playbooks.fake_machine import FakeDisk, FakeMachine
from ga_playbooks.fake_trainer import Faults, TrainerModel
from gacli.clock import ManualClock
from gacli.core.site import PowerModel
from gacli.errors import CheckpointInvalid, DiskFull, GaError, HostUnreachable, LockHeld, StaleGeneration
from gacli.ports.machine import ExitRecord, Poll, StartSpec, StepProgress, WorkSpec

MODEL = TrainerModel(steps_per_s=10.0, total_steps=1000, checkpoint_every_steps=300, save_s=2.0)
WORK = WorkSpec(job_id="job-1", work_folder=Path("work"))
POWER = PowerModel(idle_w=50.0, busy_w=300.0)


def start_spec(generation: int = 1) -> StartSpec:
    return StartSpec(
        generation=generation,
        site="oslo",
        command="train",
        signal="SIGUSR1",
        grace_s=60.0,
        sample_s=5.0,
        power=POWER,
        epoch_s=0.0,
    )


class Lab:
    """One machine, its clock, and whatever it reported."""

    def __init__(self, model: TrainerModel = MODEL, disk: FakeDisk | None = None) -> None:
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.disk = disk or FakeDisk()
        self.machine = FakeMachine(self.clock, model, self.disk)
        self.steps: list[StepProgress] = []

    def start(self, generation: int = 1) -> None:
        self.machine.prepare(WORK, self.steps.append)
        self.machine.start(WORK, start_spec(generation))

    def poll(self, generation: int = 1, after: int = 0) -> Poll:
        return self.machine.poll("job-1", generation, after)

    def stop(self, grace_s: float = 60.0) -> None:
        self.machine.request_stop("job-1", 1, signal="SIGUSR1", grace_s=grace_s)

    def exit(self, generation: int = 1) -> ExitRecord:
        poll = self.poll(generation)
        assert poll.status.exit
        assert not poll.status.lock_held
        return poll.status.exit


def test_a_run_saves_on_its_way_and_completes() -> None:
    lab = Lab()
    lab.start()
    lab.clock.wait(99.9 + 4 * 2)
    assert lab.poll().status.lock_held
    lab.clock.wait(0.2)
    ended = lab.exit()
    assert (ended.exit_code, ended.complete, ended.stop_requested) == (0, True, False)
    assert ended.ended_s - ended.started_s == pytest.approx(108.0)
    assert [saved.step for saved in lab.poll().checkpoints] == [300, 600, 900, 1000]
    assert [one.step for one in lab.machine.checkpoints("job-1")] == [1000, 900, 600, 300]
    energy_j = {
        phase: sum(sample.energy_j for sample in lab.poll().power if sample.phase == phase)
        for phase in ("train", "checkpoint")
    }
    assert energy_j == {"train": pytest.approx(100 * 300.0), "checkpoint": pytest.approx(8 * 50.0)}


@given(waits=st.lists(st.floats(0.01, 40.0), max_size=12), stop_at=st.integers(0, 11))
def test_records_do_not_depend_on_when_somebody_looks(waits: list[float], stop_at: int) -> None:
    looked, unseen = Lab(), Lab()
    looked.start()
    unseen.start()
    after = 0
    raw: list[str] = []
    for index, wait_s in enumerate(waits):
        looked.clock.wait(wait_s)
        unseen.clock.wait(wait_s)
        poll = looked.poll(after=after)
        raw += poll.raw
        after = poll.status.last_seq
        if index == stop_at:
            looked.stop()
            unseen.stop()
    raw += looked.poll(after=after).raw
    assert tuple(raw) == unseen.poll().raw
    power = unseen.poll().power
    assert all(before.end_s == following.start_s for before, following in pairwise(power))
    assert all(POWER.idle_w <= s.energy_j / (s.end_s - s.start_s) + 1e-3 for s in power)


def test_stop_saves_and_the_next_generation_goes_on_elsewhere(tmp_path: Path) -> None:
    source, target = Lab(), Lab()
    source.start()
    source.clock.wait(12.34)
    source.stop()
    source.stop()
    assert source.poll().status.exit is None
    source.clock.wait(2.0)
    ended = source.exit()
    assert (ended.exit_code, ended.stop_requested, ended.forced) == (75, True, False)
    (checkpoint,) = source.machine.checkpoints("job-1")
    assert checkpoint.step == 123
    source.machine.fetch_checkpoint("job-1", checkpoint, tmp_path, source.steps.append)
    source.machine.fetch_checkpoint("job-1", checkpoint, tmp_path, source.steps.append)
    target.machine.prepare(WORK, target.steps.append)
    target.machine.send_checkpoint("job-1", checkpoint, tmp_path, target.steps.append)
    assert target.machine.checkpoints("job-1") == [checkpoint]
    target.machine.start(WORK, start_spec(2))
    target.clock.wait(5.0)
    assert target.poll(2).progress[-1].step == 173
    assert target.machine.logs("job-1", 2, 0, 100) == b"training from step 123\n"
    assert target.machine.logs("job-1", 2, 9, 4) == b"from"


def test_at_most_one_trainer_and_generations_only_grow() -> None:
    lab = Lab()
    lab.start(2)
    lab.machine.start(WORK, start_spec(2))
    with pytest.raises(LockHeld):
        lab.machine.start(WORK, start_spec(3))
    with pytest.raises(StaleGeneration):
        lab.machine.start(WORK, start_spec(1))
    lab.clock.wait(1000)
    with pytest.raises(StaleGeneration):
        lab.machine.start(WORK, start_spec(2))
    lab.machine.start(WORK, start_spec(3))
    assert lab.poll(3).status.lock_held


@pytest.mark.parametrize("save_s", [2.0, 99.0])
def test_a_script_that_does_not_leave_in_time_is_killed(save_s: float) -> None:
    lab = Lab(replace(MODEL, save_s=save_s), FakeDisk(faults=Faults(ignores_signal=save_s < 60)))
    lab.start()
    lab.clock.wait(10)
    lab.stop(grace_s=15.0)
    lab.clock.wait(14.9)
    assert lab.poll().status.exit is None
    lab.clock.wait(0.2)
    ended = lab.exit()
    assert (ended.exit_code, ended.signal, ended.forced) == (None, 15, True)
    assert lab.machine.checkpoints("job-1") == []


def test_a_crash_comes_before_the_save_of_the_same_step() -> None:
    lab = Lab(disk=FakeDisk(faults=Faults(crash_at_step=600)))
    lab.start()
    lab.clock.wait(100)
    ended = lab.exit()
    assert (ended.exit_code, ended.complete) == (1, False)
    assert [one.step for one in lab.machine.checkpoints("job-1")] == [300]
    lab.machine.start(WORK, start_spec(2))
    lab.clock.wait(100)
    assert lab.exit(2).exit_code == 1


def test_unreachable_is_not_dead() -> None:
    lab = Lab()
    lab.start()
    lab.disk.faults.unreachable = True
    lab.clock.wait(10)
    with pytest.raises(HostUnreachable):
        lab.poll()
    with pytest.raises(HostUnreachable):
        lab.machine.teardown("job-1")
    lab.disk.faults.unreachable = False
    again = FakeMachine(lab.clock, MODEL, lab.disk)
    assert again.poll("job-1", 1, 0).progress[-1].step == 100


def test_a_damaged_or_too_large_copy_is_refused(tmp_path: Path) -> None:
    lab = Lab(disk=FakeDisk(faults=Faults(corrupt_checkpoints=True)))
    lab.start()
    lab.clock.wait(40)
    (checkpoint,) = lab.machine.checkpoints("job-1")
    with pytest.raises(CheckpointInvalid):
        lab.machine.fetch_checkpoint("job-1", checkpoint, tmp_path, lab.steps.append)
    assert not (tmp_path / checkpoint.name).exists()
    lab.disk.faults.corrupt_checkpoints = False
    lab.machine.fetch_checkpoint("job-1", checkpoint, tmp_path, lab.steps.append)
    small = Lab(disk=FakeDisk(free_bytes=checkpoint.size_bytes - 1))
    small.machine.prepare(WORK, small.steps.append)
    with pytest.raises(DiskFull):
        small.machine.send_checkpoint("job-1", checkpoint, tmp_path, small.steps.append)
    (tmp_path / checkpoint.name / "model.bin").write_bytes(b"x" * checkpoint.size_bytes)
    with pytest.raises(CheckpointInvalid):
        lab.machine.send_checkpoint("job-1", checkpoint, tmp_path, lab.steps.append)


def test_an_older_checkpoint_sent_here_supersedes_newer_ones(tmp_path: Path) -> None:
    lab = Lab()
    lab.start()
    lab.clock.wait(70)
    newer, older = lab.machine.checkpoints("job-1")
    lab.machine.fetch_checkpoint("job-1", older, tmp_path, lab.steps.append)
    lab.machine.send_checkpoint("job-1", older, tmp_path, lab.steps.append)
    assert newer.step > older.step
    assert lab.machine.checkpoints("job-1") == [older]


def test_copies_take_their_time_and_say_so(tmp_path: Path) -> None:
    lab = Lab(replace(MODEL, copy_bytes_per_s=100.0, setup_s=30.0))
    began_s = lab.clock.epoch_s()
    lab.start()
    assert lab.clock.epoch_s() - began_s == 30.0
    lab.clock.wait(40)
    (checkpoint,) = lab.machine.checkpoints("job-1")
    began_s = lab.clock.epoch_s()
    lab.machine.fetch_checkpoint("job-1", checkpoint, tmp_path, lab.steps.append)
    assert lab.clock.epoch_s() - began_s == pytest.approx(10.0)
    assert [step.done for step in lab.steps if step.what == "copying checkpoint"] == [250, 500, 750, 1000]


def test_after_teardown_nothing_is_left() -> None:
    lab = Lab()
    lab.start()
    lab.machine.teardown("job-1")
    lab.machine.teardown("job-1")
    assert lab.machine.checkpoints("job-1") == []
    with pytest.raises(GaError):
        lab.poll()
