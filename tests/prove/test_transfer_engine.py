"""Whole moves by the real `ga` between two hosts: straight, through this machine, and with `ga` killed meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from support.bad import Ga, count, ga_in, job, lab
from support.sshd import Sshd
from support.transfers import private_keys_in
from support.waiting import wait_for

pytestmark = pytest.mark.slow

BALLAST_BYTES = 8 << 20
# Copies that one machine makes to another take a second for every MiB.
SLOW = """#!/bin/sh
case "$*" in *--server*) exec {rsync} "$@" ;; esac
exec {rsync} --bwlimit=1m "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Move:
    """A job that runs on `a`, and the empty host `b`."""

    ga: Ga
    a: Sshd
    b: Sshd

    @property
    def homes(self) -> list[Path]:
        return [self.a.home, self.b.home]

    def begin(self, *, steps: int = 600, ballast: int = BALLAST_BYTES) -> None:
        command = count(steps, save_every=20, ballast=ballast)
        # By two names: one host is one machine, whatever its ports.
        sites = [lab(self.a, "a"), lab(self.b, "b", host="localhost")]
        self.ga.begin(self.ga.write(job(command, sites)), "--json")
        self.ga.await_step(5)
        assert self.ga("migrate", "job-1", "b").exit_code == 0

    def sent(self) -> list[tuple[object, object]]:
        found = [event.body for event in self.ga.events("checkpoint") if event.body["action"] == "sent"]
        return [(body["site"], body["path"]) for body in found]

    def keys(self) -> list[Path]:
        """Private keys in the homes of both hosts."""
        return [key for home in self.homes for key in private_keys_in(home)]

    def lines(self) -> list[str]:
        """Lines of transfers that let somebody in."""
        files = [home / ".ssh" / "authorized_keys" for home in self.homes]
        return [line for file in files if file.is_file() for line in file.read_text().splitlines() if line]

    def copies(self) -> list[psutil.Process]:
        """What copies between the hosts."""
        found = []
        for process in psutil.process_iter(["name"]):
            with suppress(psutil.Error):
                run_dir = process.environ().get("GA_RUN_DIR", "")
                if process.info["name"] == "rsync" and run_dir.startswith(f"{self.a.home}/.ga/jobs/job-1/transfer/"):
                    found.append(process)
        return found

    def controllers(self) -> list[psutil.Process]:
        """Every process of `ga` on this machine: viewers and controllers."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                ours = process.environ().get("GA_STATE_DIR") == str(self.ga.folders.root)
                if ours and any("gacli" in word or word.endswith("/ga") for word in process.cmdline()):
                    found.append(process)
        return found


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    programs = tmp_path / "slow"
    programs.mkdir()
    (programs / "rsync").write_text(SLOW.format(rsync=shutil.which("rsync")))
    (programs / "rsync").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        hosts = [Sshd(tmp_path / name) for name in ("a", "b")]
    with hosts[0] as a, hosts[1] as b, ga_in(tmp_path, a.home, b.home) as ga:
        ga.use_script("count.py")
        yield Move(ga=ga, a=a, b=b)


def await_moved(move: Move, *, steps: int) -> None:
    """To the job's end, which may take several lives of `ga`."""
    said = move.ga("run", "--json", move.ga.folder / "job.yaml", timeout_s=180)
    assert (said.exit_code, said.last["migrations"]) == (0, 1), said
    move.ga.assert_trained(steps)


def assert_no_secret_of_a_transfer(move: Move, secrets: Sequence[bytes]) -> None:
    """Neither on the hosts nor in anything that `ga` keeps: its store, its logs, its copies."""
    assert move.keys() == []
    assert move.lines() == []
    (own,) = private_keys_in(move.ga.folders.root)
    assert own.name == "id_ed25519"
    assert secrets
    for path in move.ga.folders.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path


def body_of(key: Path) -> list[bytes]:
    """Its lines that are secret; the first ones of a key are the same in all."""
    return key.read_bytes().splitlines()[3:-1]


def test_move_goes_straight_and_leaves_no_key(move: Move) -> None:
    move.begin()
    wait_for(move.copies, "the copy to begin", within_s=60)
    (key,) = move.keys()
    assert key.is_relative_to(move.a.home)
    secrets = body_of(key)
    assert len(move.lines()) == 1
    said = " ".join(word for process in psutil.process_iter(["cmdline"]) for word in process.info["cmdline"] or [])
    assert not any(secret.decode() in said for secret in secrets)
    await_moved(move, steps=600)
    assert move.sent() == [("b", "direct")]
    assert_no_secret_of_a_transfer(move, secrets)
    steps = [event.body for event in move.ga.events("step") if event.body["what"] == "copying checkpoint"]
    straight = [body for body in steps if str(body["key"]).startswith("move:")]
    assert straight
    assert {body["unit"] for body in straight} == {"bytes"}


@pytest.mark.parametrize("copy_too", [False, True], ids=["the copy goes on", "the copy is killed as well"])
def test_ga_killed_while_copying_goes_on_with_what_has_arrived(move: Move, *, copy_too: bool) -> None:
    move.begin()
    (copy, *_) = wait_for(move.copies, "the copy to begin", within_s=60)
    (key,) = move.keys()
    secrets = body_of(key)
    for process in move.controllers():
        process.kill()
    wait_for(lambda: not move.controllers(), "ga to be dead")
    assert copy.is_running()
    if copy_too:
        copy.kill()
    await_moved(move, steps=600)
    assert move.sent() == [("b", "direct")]
    assert_no_secret_of_a_transfer(move, secrets)


def test_move_goes_through_this_machine_when_the_target_lets_nobody_in(move: Move) -> None:
    (move.b.home / ".ssh").write_text("no folder")
    move.begin(ballast=0)
    await_moved(move, steps=600)
    assert move.sent() == [("b", "relay")]
    assert "no straight way from a to b" in move.ga.messages("note")
    assert move.keys() == []


def test_checkpoint_damaged_at_its_source_gives_way_to_the_one_before(move: Move) -> None:
    """The newest is damaged while it is copied; one from before goes on, and what that costs is said."""
    move.begin()
    wait_for(move.copies, "the copy to begin", within_s=60)
    folder = move.a.home / ".ga" / "jobs" / "job-1" / "checkpoints"
    newest = max(path for path in folder.iterdir() if path.name.startswith("step-"))
    content = bytearray((newest / "ballast").read_bytes())
    content[-1] ^= 1
    (newest / "ballast").write_bytes(content)
    await_moved(move, steps=600)
    assert "ballast" in move.ga.messages("warning")
    assert "trained again" in move.ga.messages("warning")
    assert move.keys() == []
    assert move.lines() == []
