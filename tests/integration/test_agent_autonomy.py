"""What the agent does by itself while nobody asks: leases and announced ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.agent_job import Job, of_kind

from ga_playbooks.agent.clock import monotonic_s

pytestmark = pytest.mark.prove

LEASE_S = 3.0


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(tmp_path / "job")
    yield job
    job.end()


def saved(job: Job) -> list[str]:
    return (job.folder / "checkpoints" / "saved.txt").read_text().splitlines()


def talk(job: Job, for_s: float, heard: Callable[[float], float]) -> None:
    """Poll it for so long; `heard`: from its clock in an answer to what it is told to have been heard of."""
    until, clock_s = time.monotonic() + for_s, monotonic_s()
    while time.monotonic() < until:
        clock_s = job.poll(heard_s=heard(clock_s))["clock_s"]
        time.sleep(0.1)


def test_a_trainer_nobody_asks_after_saves_and_leaves_when_its_lease_is_over(job: Job) -> None:
    job.launch("python3 saver.py", lease_s=LEASE_S)
    # These polls tell that nothing was heard: as when the answers get lost.
    ended = job.wait_exit()
    assert (ended["exit_code"], ended["stop_requested"], ended["stopped_because"]) == (0, True, "lease")
    assert ended["ended_s"] - ended["started_s"] >= LEASE_S - 0.1
    assert saved(job) == ["generation 1 workers []"]
    (stop,) = of_kind(job.poll(), "stop")
    assert stop["because"] == "lease"


def test_a_lease_is_renewed_by_answers_that_were_heard(job: Job) -> None:
    job.launch("python3 saver.py", lease_s=LEASE_S)
    talk(job, 2 * LEASE_S, heard=lambda clock_s: clock_s)
    assert job.poll()["exit"] is None
    assert job.wait_exit()["stopped_because"] == "lease"


@pytest.mark.parametrize(
    "heard",
    [lambda _: 0.0, lambda clock_s: clock_s + 3600.0, lambda _: float("nan"), lambda _: float("inf")],
    ids=["long ago", "in the future", "not a number", "for ever"],
)
def test_nothing_else_extends_a_lease(job: Job, heard: Callable[[float], float]) -> None:
    """A message may have been under way for long, or be of another boot's clock."""
    job.launch("python3 saver.py", lease_s=LEASE_S)
    job.wait_trains()
    job.poll(heard_s=heard(job.poll()["clock_s"]))
    ended = job.wait_exit()
    assert ended["stopped_because"] == "lease"


def test_without_a_lease_silence_harms_nobody(job: Job) -> None:
    job.launch("python3 saver.py")
    job.wait_trains()
    job.poll(heard_s=job.poll()["clock_s"])
    time.sleep(LEASE_S)
    answer = job.poll()
    assert (answer["agent_alive"], answer["exit"]) == (True, None)


@pytest.mark.parametrize(
    ("command", "killed_by"),
    [("python3 saver.py", None), ("exec python3 stubborn.py SIGUSR1", 15)],
    ids=["saves", "goes on"],
)
def test_the_lease_holds_when_the_agent_is_dead(job: Job, command: str, killed_by: int | None) -> None:
    job.launch(command, lease_s=LEASE_S, grace_s=1)
    job.wait_trains()
    job.kill("agent")
    trainer = psutil.Process(job.pid("trainer"))
    assert trainer.is_running()
    ended = job.wait_exit()
    assert (ended["stopped_because"], ended["signal"]) == ("lease", killed_by)
    assert "agent lost" in ended["tail"]


def test_the_guard_leaves_with_what_it_guards(job: Job) -> None:
    """Also when neither agent nor trainer came to a regular end."""
    job.launch("exec python3 saver.py", lease_s=3600.0)
    job.wait_trains()
    job.kill("agent")
    job.kill("trainer")
    assert job.wait_exit()["stopped_because"] == ""
    until = time.monotonic() + 30.0
    while job.processes() and time.monotonic() < until:
        time.sleep(0.05)
    assert job.processes() == []


def test_a_trainer_is_stopped_once_when_its_machine_is_about_to_go(job: Job, tmp_path: Path) -> None:
    notice = tmp_path / "notice"
    job.environment["GA_PREEMPTION_NOTICE"] = str(notice)
    job.launch("python3 saver.py")
    job.wait_trains()
    assert job.poll()["preemption_at_s"] is None
    at_s = time.time() + 90
    notice.write_text(f"{at_s:.0f}\n")
    answer = job.wait(lambda answer: answer["preemption_at_s"])
    assert answer["preemption_at_s"] == pytest.approx(at_s, abs=1.0)
    # The controller learns of it as well, and does what it always does.
    job.stop(grace_s=60.0)
    ended = job.wait_exit()
    assert (ended["exit_code"], ended["stopped_because"]) == (0, "preemption")
    assert saved(job) == ["generation 1 workers []"]
    assert len(of_kind(job.poll(), "stop")) == 1


def test_the_time_that_is_left_bounds_the_grace_period(job: Job, tmp_path: Path) -> None:
    notice = tmp_path / "notice"
    job.environment["GA_PREEMPTION_NOTICE"] = str(notice)
    job.launch("exec python3 stubborn.py SIGUSR1", grace_s=600)
    job.wait_trains()
    notice.write_text(f"{time.time() + 12:.0f}\n")
    ended = job.wait_exit()
    assert (ended["forced"], ended["stopped_because"]) == (True, "preemption")
