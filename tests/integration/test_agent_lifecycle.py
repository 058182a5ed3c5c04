"""The agent with real trainers: locks, generations, signals, deaths. Nothing may be left over by any of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent_job import Job, of_kind


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(tmp_path / "job")
    yield job
    job.end()


def saved(job: Job) -> list[str]:
    return (job.folder / "checkpoints" / "saved.txt").read_text().splitlines()


def test_one_live_trainer_and_no_return_to_an_older_generation(job: Job) -> None:
    assert job.launch("python3 saver.py", 3) == {"ok": True, "already": False}
    assert job.launch("python3 saver.py", 3) == {"ok": True, "already": True}
    assert job.launch("python3 saver.py", 4)["error"] == "locked"
    assert job.launch("python3 saver.py", 2)["error"] == "stale_generation"
    job.wait_trains(3)
    job.stop(3)
    assert job.wait_exit(3)["exit_code"] == 0
    assert job.launch("python3 saver.py", 3)["error"] == "stale_generation"
    assert job.launch("true", 4) == {"ok": True, "already": False}
    assert job.wait_exit(4)["generation"] == 4
    assert (job.folder / "generation").read_text() == "4\n"
    assert saved(job) == ["generation 3 workers []"]


def test_the_launchers_death_harms_nobody(job: Job) -> None:
    call = f"{sys.executable} -I -S {job.agent} launch --job-dir {job.folder}; exec sleep 60"
    launcher = subprocess.Popen(
        ["/bin/sh", "-c", call],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=job.environment,
        start_new_session=True,
    )
    assert launcher.stdin
    with launcher.stdin as pipe:
        pipe.write(json.dumps(job.spec("python3 saver.py")).encode())
    job.wait_trains()
    os.killpg(launcher.pid, signal.SIGHUP)
    os.killpg(launcher.pid, signal.SIGKILL)
    launcher.wait()
    seen = job.poll()["last_seq"]
    answer = job.wait(lambda answer: answer["last_seq"] > seen + 2)
    assert answer["agent_alive"]
    assert answer["lock_held"]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("python3 saver.py", "generation 1 workers []"),
        ("cd sub && python3 ../saver.py", "generation 1 workers []"),
        ("python3 saver.py; code=$?; echo wrapped; exit $code", "generation 1 workers []"),
        ("python3 saver.py workers", "generation 1 workers [True, True]"),
        ("sh -c 'python3 saver.py workers; exit $?'", "generation 1 workers [True, True]"),
        ("python3 saver.py forked", "generation 1 workers []"),
    ],
)
def test_the_signal_reaches_the_script_once_and_nobody_else(job: Job, command: str, line: str) -> None:
    job.launch(command)
    job.wait_trains()
    assert job.stop() == {"ok": True, "ended": False}
    ended = job.wait_exit()
    assert (ended["exit_code"], ended["signal"]) == (0, None)
    assert (ended["stop_requested"], ended["forced"], ended["complete"]) == (True, False, False)
    assert saved(job) == [line]
    assert job.stop() == {"ok": True, "ended": True}


@pytest.mark.parametrize(
    ("command", "signal_number", "forced"),
    [
        ("exec sleep 60", signal.SIGTERM, False),
        ("exec python3 stubborn.py SIGUSR1", signal.SIGTERM, True),
        ("exec python3 stubborn.py SIGUSR1 SIGTERM", signal.SIGKILL, True),
    ],
    ids=["no handler", "goes on", "goes on twice"],
)
def test_a_script_that_does_not_leave_is_made_to(job: Job, command: str, signal_number: int, forced: bool) -> None:
    job.launch(command)
    if "stubborn" in command:
        job.wait_trains()
    job.stop(grace_s=0.3)
    ended = job.wait_exit()
    assert (ended["exit_code"], ended["signal"]) == (None, signal_number)
    assert (ended["stop_requested"], ended["forced"]) == (True, forced)


def test_what_follows_a_complete_training_may_end(job: Job) -> None:
    job.launch("""echo '{"kind":"complete"}' >> "$GA_PROGRESS_FILE"; sleep 2; echo uploaded""")
    job.wait(lambda answer: of_kind(answer, "complete"))
    job.stop(grace_s=30)
    ended = job.wait_exit()
    assert (ended["exit_code"], ended["signal"], ended["complete"]) == (0, None, True)
    assert (ended["stop_requested"], ended["forced"]) == (True, False)
    assert "uploaded" in ended["tail"]


def test_what_follows_it_for_too_long_is_ended(job: Job) -> None:
    job.launch("""echo '{"kind":"complete"}' >> "$GA_PROGRESS_FILE"; exec sleep 60""")
    job.wait(lambda answer: of_kind(answer, "complete"))
    job.stop(grace_s=0.3)
    ended = job.wait_exit()
    assert (ended["signal"], ended["complete"], ended["forced"]) == (signal.SIGTERM, True, True)


@pytest.mark.parametrize(
    ("command", "code", "killed_by", "tail"),
    [
        ("echo one; echo two >&2; exit 3", 3, None, "one\ntwo"),
        ("python3 missing.py", 2, None, "missing.py"),
        ("no-such-program", 127, None, "no-such-program"),
        ("kill -SEGV $$", None, signal.SIGSEGV, ""),
    ],
)
def test_a_crash_at_the_start_is_recorded(job: Job, command: str, code: int | None, killed_by: int, tail: str) -> None:
    assert job.launch(command)["ok"]
    ended = job.wait_exit()
    assert (ended["exit_code"], ended["signal"]) == (code, killed_by)
    assert (ended["stop_requested"], ended["complete"]) == (False, False)
    assert tail in ended["tail"]
    assert ended["started_s"] <= ended["ended_s"]


def test_a_start_that_failed_counts_as_none(job: Job) -> None:
    answer = job.launch("true", work_dir="nowhere")
    assert answer["error"] == "spawn_failed"
    assert "nowhere" in answer["detail"]
    assert not job.poll()["lock_held"]
    assert job.launch("true") == {"ok": True, "already": False}
    assert job.wait_exit()["exit_code"] == 0


def test_stop_works_without_the_agent(job: Job) -> None:
    job.launch("cd sub && python3 ../saver.py workers")
    job.wait_trains()
    job.kill("agent")
    answer = job.poll()
    assert (answer["agent_alive"], answer["lock_held"], answer["exit"]) == (False, True, None)
    assert job.launch("true", 2)["error"] == "locked"
    assert job.stop() == {"ok": True, "ended": False}
    ended = job.wait_exit()
    assert (ended["exit_code"], ended["stop_requested"], ended["forced"]) == (None, True, False)
    assert "agent lost" in ended["tail"]
    assert saved(job) == ["generation 1 workers [True, True]"]
    assert job.launch("true", 2)["ok"]


def test_a_script_that_ignores_the_signal_is_killed_without_the_agent_too(job: Job) -> None:
    job.launch("python3 stubborn.py SIGUSR1")
    job.wait_trains()
    job.kill("agent")
    job.stop(grace_s=0.2)
    ended = job.wait_exit()
    assert (ended["stop_requested"], ended["forced"], ended["signal"]) == (True, True, signal.SIGTERM)


def test_both_dead_is_found_by_the_next_poll(job: Job) -> None:
    job.launch("echo hello; exec python3 saver.py")
    job.wait_trains()
    job.kill("agent")
    job.kill("trainer")
    ended = job.wait_exit()
    assert (ended["exit_code"], ended["signal"], ended["stop_requested"]) == (None, None, False)
    assert ended["tail"].startswith("hello")
    assert "agent lost" in ended["tail"]
    assert job.poll()["exit"] == ended
    assert job.launch("true", 1)["error"] == "stale_generation"
    assert job.launch("true", 2)["ok"]


def test_a_new_generation_records_the_loss_of_the_old_one(job: Job) -> None:
    job.launch("exec python3 saver.py")
    job.kill("agent")
    job.kill("trainer")
    assert job.launch("true", 2)["ok"]
    assert "agent lost" in job.poll(1)["exit"]["tail"]


def test_what_the_script_leaves_behind_is_killed(job: Job) -> None:
    job.launch("python3 leaver.py; exit 7")
    assert job.wait_exit()["exit_code"] == 7
    assert job.processes() == []


def test_end_stops_everything(job: Job) -> None:
    job.launch("python3 stubborn.py SIGUSR1 SIGTERM")
    job.wait_trains()
    assert job.call("end") == {"ok": True}
    answer = job.poll()
    assert (answer["agent_alive"], answer["lock_held"]) == (False, False)
    assert answer["exit"]["signal"] is None or answer["exit"]["signal"] == signal.SIGKILL


def test_requests_that_make_no_sense_are_refused(job: Job) -> None:
    assert job.stop(5)["error"] == "unknown_generation"
    assert job.poll(5)["exit"] is None
    job.launch("exec sleep 60")
    answer = job.call("stop", "--generation", "1", "--signal", "SIGNOTHING")
    assert answer["error"] == "unknown_signal"
