"""agent.pyz as a program: where it runs from, what a call of it imports, and what replacing it does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ga_playbooks.bundle import agent_zip

Json = dict[str, Any]
Call = Callable[..., Json]
SPEC: Json = {
    "job": "job-1",
    "generation": 1,
    "site": "here",
    "command": 'echo "$GA_PROGRESS_FILE"; trap "exit 7" USR1; while :; do sleep 0.1; done',
    "work_dir": "work",
    "checkpoint_dir": "checkpoints",
    "signal": "SIGUSR1",
    "grace_s": 5,
    "sample_s": 0.1,
    "power": {"idle_w": 100.0, "busy_w": 300.0},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a job's folder, ü"
    (folder / "work").mkdir(parents=True)
    (folder / "agent.pyz").write_bytes(agent_zip())
    return folder


def run(
    folder: Path, *arguments: str, stdin: bytes = b"", python: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-I", "-S", *python, str(folder / "agent.pyz"), *arguments]
    environment = {**os.environ, "GA_METER": "model"}
    return subprocess.run(argv, input=stdin, capture_output=True, env=environment, check=False, timeout=30)


def answer(folder: Path, verb: str, *arguments: str, stdin: bytes = b"") -> Json:
    done = run(folder, verb, "--job-dir", str(folder), *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def wait_poll(folder: Path, until: Callable[[Json], object]) -> Json:
    deadline = time.monotonic() + 30
    while not until(found := answer(folder, "poll", "--generation", "1")):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def imported(done: subprocess.CompletedProcess[bytes]) -> set[str]:
    assert done.returncode == 0, done.stderr.decode()
    return set(re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr.decode(), re.MULTILINE))


def test_an_agent_goes_on_when_its_file_is_replaced(folder: Path) -> None:
    program, spec = folder / "agent.pyz", json.dumps({**SPEC, "epoch_s": time.time()}).encode()
    try:
        assert answer(folder, "launch", stdin=spec) == {"ok": True, "already": False}
        seen = wait_poll(folder, lambda found: found["last_seq"] > 2)["last_seq"]
        kept = program.rename(folder / "kept.pyz")
        program.write_bytes(b"not a program")
        # All that an agent does from here on, its exit record included, it does without the file it came from.
        stop = [sys.executable, "-I", "-S", str(kept), "stop", "--job-dir", str(folder), "--generation", "1"]
        subprocess.run(stop, check=True, stdout=subprocess.DEVNULL, timeout=30)
        deadline = time.monotonic() + 30
        while not (folder / "gen" / "1" / "exit.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        kept.replace(program)
        ended = wait_poll(folder, lambda found: not found["lock_held"])
        assert ended["last_seq"] > seen
        assert (ended["exit"]["exit_code"], ended["exit"]["stop_requested"]) == (7, True)
        assert (folder / "gen" / "1" / "agent.log").read_bytes() == b""
    finally:
        program.write_bytes(agent_zip())
        answer(folder, "end")


def test_a_poll_imports_little(folder: Path) -> None:
    arguments = ("poll", "--job-dir", str(folder), "--generation", "1")
    names = imported(run(folder, *arguments, python=("-X", "importtime")))
    assert "ga_agent.polling" in names
    dear = {"argparse", "hashlib", "shutil", "signal", "site", "subprocess", "tempfile", "threading", "traceback"}
    assert not names & {*dear, "zlib", "ga_agent.supervisor", "ga_agent.manifests"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "usage:"),
        (("poll",), "--job-dir"),
        (("poll", "--job-dir", "x", "--generation", "one"), "'one'"),
        (("poll", "--job-dir", "x", "--weather", "fine"), "--weather"),
        (("dance", "--job-dir", "x"), "dance"),
        (("poll", "a", "b", "--job-dir", "x"), "usage:"),
    ],
)
def test_what_is_no_call_is_refused_with_the_usage(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(folder, *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()


def test_a_failure_is_answered_and_its_place_told(folder: Path) -> None:
    done = run(folder, "launch", "--job-dir", str(folder), stdin=b"{}")
    assert json.loads(done.stdout) == {"ok": False, "error": "failed", "detail": "'epoch_s'"}
    assert "KeyError: 'epoch_s'" in done.stderr.decode()
    assert re.search(r"agent\.pyz/ga_agent/launching\.py:\d+, in launch", done.stderr.decode())
