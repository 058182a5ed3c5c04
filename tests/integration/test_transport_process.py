"""The one function that runs programs, on real ones."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from gacli.errors import CommandFailed, GaError
from gacli.transport.process import CommandTimedOut, run, run_checked, spawn_detached

WAIT_S = 10.0


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def test_streams_and_exit_code() -> None:
    completed = run(shell("cat; echo err >&2; exit 3"), stdin=b"in\0put")
    assert (completed.exit_code, completed.stdout, completed.stderr) == (3, b"in\0put", b"err\n")


def test_large_data_in_all_directions_at_once() -> None:
    data = os.urandom(3_000_000)
    completed = run(shell("head -c 2000000 /dev/zero >&2 & cat; wait"), stdin=data)
    assert completed.stdout == data
    assert len(completed.stderr) == 2_000_000


def test_program_that_does_not_read_its_input() -> None:
    assert run(shell("exit 0"), stdin=b"x" * 1_000_000).exit_code == 0


def test_pieces_arrive_as_they_come() -> None:
    seen: list[bytes] = []
    completed = run(shell("printf one; sleep 0.2; printf two"), on_stdout=seen.append)
    assert b"".join(seen) == completed.stdout == b"onetwo"
    assert seen[0] == b"one"


def test_child_left_behind_does_not_hold_us_up() -> None:
    completed = run(shell("sleep 30 & echo $!"), timeout_s=20)
    pid = int(completed.stdout)
    assert psutil.pid_exists(pid)
    psutil.Process(pid).kill()


def test_timeout_kills_the_program_and_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(CommandTimedOut) as caught:
        run(shell(f"echo before; sleep 60 & echo $! > {pid_file}; wait"), timeout_s=0.5)
    assert caught.value.stdout == "before\n"
    assert "sleep 60" in caught.value.command
    assert_ends(int(pid_file.read_text()))


def test_error_in_the_callback_kills_the_program(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def refuse(_: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(shell(f"echo $$ > {pid_file}; echo x; sleep 60"), on_stdout=refuse)
    assert_ends(int(pid_file.read_text()))


def test_killed_by_signal_is_a_negative_code() -> None:
    assert run(shell("kill -KILL $$")).exit_code == -9


def test_missing_program_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GaError, match="`rsync` cannot be run") as caught:
        run(["rsync", "--version"])
    assert "apt-get install rsync" in caught.value.hint


def test_missing_folder_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(GaError, match="no such folder"):
        run(["true"], cwd=tmp_path / "absent")


def test_checked_failure_carries_everything() -> None:
    with pytest.raises(CommandFailed) as caught:
        run_checked(shell("echo out; echo err >&2; exit 4"))
    error = caught.value
    assert (error.status, error.stdout, error.stderr) == (4, "out\n", "err\n")
    assert "exit 4" in error.command


def test_detached_program_has_its_own_session_and_logs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import os, sys; print(os.getsid(0), os.getcwd(), sys.stdin.read() == ''); print('err', file=sys.stderr)"
    pid = spawn_detached([sys.executable, "-c", code], log=log)
    assert_ends(pid)
    assert sorted(log.read_text().splitlines()) == sorted([f"{pid} / True", "err"])


def assert_ends(pid: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.02)
