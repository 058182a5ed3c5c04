"""GPU limits by a real agent, on stand-ins for GPUs that all processes of the machine see: set, told, taken back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.gpu_place import Place, gpu_place
from support.nvml import NVML_ERROR_NO_PERMISSION, Gpu, module

from ga_playbooks import prepare
from gacli.core.limits import GpuLimit
from gacli.ports.machine import LimitOutcome, WorkSpec

LIMIT = GpuLimit(limit_id=1, power_w=200.0)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with gpu_place(tmp_path, monkeypatch) as place:
        yield place


@pytest.fixture
def gpu(tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """What all processes see of the machine's one GPU; nobody but root may lock its clocks."""
    gpu = Gpu(settings=str(tmp_path / "gpu0.json"), refused={"set_clocks": NVML_ERROR_NO_PERMISSION})
    monkeypatch.setattr(prepare, "nvml_binding_source", lambda: module([gpu]))
    place.prepare()
    return gpu


def answered(limit_id: int | None) -> Callable[..., bool]:
    return lambda poll: any(outcome.limit_id == limit_id for outcome in poll.limits)


def values(outcomes: tuple[LimitOutcome, ...]) -> list[tuple[int | None, float | None, str]]:
    return [
        (outcome.limit_id, gpu.power_w, gpu.refused or outcome.refused) for outcome in outcomes for gpu in outcome.gpus
    ]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def agent(place: Place) -> psutil.Process:
    noted = (place.job / "gen" / "1" / "agent.json").read_text()
    return psutil.Process(int(noted.split('"pid": ')[1].split(",")[0]))


def test_limit_is_set_told_and_taken_back_when_the_trainer_ends(place: Place, gpu: Gpu) -> None:
    place.start("trap 'exit 75' USR1; while :; do sleep 0.1; done")
    place.machine.limit("job-1", 1, LIMIT)
    place.told(answered(1))
    assert gpu.seen().limit_w == 200.0
    place.machine.limit("job-1", 1, LIMIT)  # a controller that was started anew says it again
    place.machine.limit("job-1", 1, GpuLimit(limit_id=2, power_w=5.0))
    place.told(answered(2))
    assert gpu.seen().limit_w == 100.0
    place.machine.request_stop("job-1", 1, signal="SIGUSR1", grace_s=20)
    outcomes = place.told(lambda poll: poll.status.exit)
    assert values(outcomes) == [(1, 200.0, ""), (2, 100.0, ""), (None, 300.0, "")]
    assert gpu.seen().limit_w == 300.0
    place.machine.limit("job-1", 1, LIMIT)  # too late, and no harm
    assert gpu.seen().limit_w == 300.0


def test_limit_can_be_lifted_and_a_trainer_can_start_under_one(place: Place, gpu: Gpu) -> None:
    place.start("sleep 60", limit=LIMIT)
    place.told(answered(1))
    assert gpu.seen().limit_w == 200.0
    place.machine.limit("job-1", 1, GpuLimit(limit_id=2))
    assert values(place.told(answered(2))) == [(1, 200.0, ""), (2, 300.0, "")]
    assert gpu.seen().limit_w == 300.0


def test_without_permission_it_says_so_once_and_goes_on(place: Place, gpu: Gpu) -> None:
    place.start("sleep 2")
    place.machine.limit("job-1", 1, GpuLimit(limit_id=1, clock_mhz=1200))
    place.told(answered(1))
    place.machine.limit("job-1", 1, GpuLimit(limit_id=2, clock_mhz=810))
    outcomes = place.told(lambda poll: poll.status.exit)
    refused = "Insufficient Permissions"
    assert values(outcomes) == [(1, None, refused), (2, None, refused)]
    assert [line for line in place.log if "limited" in line] == [f"gpu0: cannot be limited: {refused}"]
    ended = place.ended()
    assert ended is not None
    assert ended.exit_code == 0


def test_no_gpu_that_nvml_knows_is_no_error(place: Place, gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GA_METER", "model")
    place.start("sleep 1")
    place.machine.limit("job-1", 1, LIMIT)
    outcomes = place.told(lambda poll: poll.status.exit)
    assert [(outcome.limit_id, outcome.refused) for outcome in outcomes] == [(1, "NVML tells of no GPU here")]


def test_guard_takes_it_back_when_the_agent_dies(place: Place, gpu: Gpu) -> None:
    place.start("sleep 60", limit=LIMIT)
    place.told(answered(1))
    agent(place).kill()
    until(lambda: gpu.seen().limit_w == 300.0)
    assert place.machine.poll("job-1", 1, 0).status.lock_held  # the trainer goes on


@pytest.mark.parametrize("by", ["end", "next start"])
def test_what_agent_and_guard_left_is_taken_back_by_whoever_comes_next(place: Place, gpu: Gpu, by: str) -> None:
    place.start("sleep 60", limit=LIMIT)
    place.told(answered(1))
    supervisor = agent(place)
    (guard,) = [child for child in supervisor.children() if "unlimit" in child.cmdline()]
    guard.kill()
    trainer = next(child for child in supervisor.children() if child.pid != guard.pid)
    supervisor.kill()
    if by == "end":
        place.machine.teardown("job-1")
    else:
        os.killpg(trainer.pid, signal.SIGKILL)
        until(lambda: not place.machine.poll("job-1", 1, 0).status.lock_held)
        place.start("sleep 60", generation=2)
    assert gpu.seen().limit_w == 300.0
    assert not (place.job.parents[1] / "gpu-limits.json").exists()


def test_two_jobs_of_one_machine_do_not_limit_the_same_gpus(place: Place, gpu: Gpu) -> None:
    place.start("sleep 60", limit=LIMIT)
    place.told(answered(1))
    second = Place.__new__(Place)
    second.machine, second.job = place.machine, place.job.parent / "job-2"
    second.work = WorkSpec(job_id="job-2", work_folder=place.work.work_folder)
    second.prepare()
    try:
        second.start("sleep 60", limit=GpuLimit(limit_id=7, power_w=150.0))
        until(lambda: bool(second.machine.poll("job-2", 1, 0).limits))
        (outcome,) = second.machine.poll("job-2", 1, 0).limits
        assert outcome.refused == "another job on this machine has limited its GPUs"
        assert gpu.seen().limit_w == 200.0
    finally:
        second.machine.teardown("job-2")
    assert gpu.seen().limit_w == 200.0
