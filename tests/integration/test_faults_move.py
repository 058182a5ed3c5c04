"""Moves that go wrong on their way: what copies is killed, a bit flips, the target dies. Real command line and sshd."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from support.bad import Ga, count, ga_in, job, lab, mock
from support.kill_checks import overlaps
from support.sshd import Sshd
from support.transfers import private_keys_in
from support.waiting import wait_for

from ga_providers.mock_folder import VmFolder
from gacli.core.placement import PlacementState
from gacli.store.placements import PlacementRecord

pytestmark = pytest.mark.prove

STEPS = 400
BALLAST_BYTES = 6 << 20
# Nothing is saved before the stop. The first generation is far from its end when that comes, later ones end at once.
RUN = count(STEPS, save_every=STEPS, ballast=BALLAST_BYTES, step_seconds="0.$((GA_GENERATION == 1))")
# Copies that `a` makes to another machine are counted; the first one takes a second for every 2 MiB.
SLOW = """#!/bin/sh
case "$*" in *--server*) exec {rsync} "$@" ;; esac
[ -f {copies} ] || first=--bwlimit=2m
echo begun >> {copies}
exec {rsync} $first "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Move:
    """A job that trains on host `a`, and a host that it may go to."""

    ga: Ga
    a: Sshd
    b: Sshd
    copies: Path

    def begin(self, target: Mapping[str, object], home: Path) -> subprocess.Popen[str]:
        """Train, and have the job moved, until a quarter of its checkpoint has arrived below `home`."""
        config = job(self.ga.witnessed(RUN), [lab(self.a, "a"), target])
        watcher = self.ga.begin(self.ga.write(config), "--json")
        # It waits for the start, and is carried out with the first step.
        assert self.ga("migrate", "job-1", str(target["name"])).exit_code == 0
        wait_for(lambda: arrived_bytes(home) > BALLAST_BYTES // 4, "a quarter of the checkpoint", within_s=60)
        assert self.placement.state is PlacementState.COPYING
        return watcher

    def end(self, watcher: subprocess.Popen[str], *, sites: list[str], path: str | None) -> None:
        """To the job's end. sites: where its generations started; path: the way that the checkpoint took, if any."""
        said = self.ga.finish(watcher)
        assert (said.exit_code, said.last["migrations"]) == (0, 0 if path is None else 1), said
        assert [
            event.body["site"] for event in self.ga.events("generation") if event.body["state"] == "started"
        ] == sites
        sent = [event.body["path"] for event in self.ga.events("checkpoint") if event.body["action"] == "sent"]
        assert sent == ([] if path is None else [path])
        assert overlaps(self.ga.lives()) == []
        # Where it had stopped: the trainer reads every byte before it says so.
        checkpoint = self.placement.checkpoint
        assert checkpoint is not None
        assert f"goes on after step {checkpoint.step}\n" in self.ga.folders.trainer_log("job-1", 2).read_text()
        assert "trained again" not in self.ga.messages("warning")
        self.ga.assert_trained(STEPS)
        assert private_keys_in(self.a.home) == []

    @property
    def placement(self) -> PlacementRecord:
        """The move."""
        return self.ga.store.placements.of_job("job-1")[1]

    def rsyncs(self) -> list[psutil.Process]:
        """What copies from `a` to another machine."""
        found = []
        for process in psutil.process_iter(["name"]):
            with suppress(psutil.Error):
                run_dir = process.environ().get("GA_RUN_DIR", "")
                if process.info["name"] == "rsync" and run_dir.startswith(f"{folder(self.a.home)}/transfer/"):
                    found.append(process)
        return found


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    copies = tmp_path / "copies"
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "rsync").write_text(SLOW.format(rsync=shutil.which("rsync"), copies=copies))
    (slow / "rsync").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
        source = Sshd(tmp_path / "a")
    with source as a, Sshd(tmp_path / "b") as b, ga_in(tmp_path, a.home, b.home) as ga:
        ga.use_script("count.py")
        yield Move(ga=ga, a=a, b=b, copies=copies)


def host_b(move: Move) -> dict[str, object]:
    # By another name than `a`: one host is one machine, whatever its ports.
    return lab(move.b, "b", host="localhost")


def folder(home: Path) -> Path:
    return home / ".ga" / "jobs" / "job-1"


def arriving(home: Path) -> list[Path]:
    """Files of a checkpoint that has not arrived, under whatever name."""
    return [path for path in folder(home).glob("checkpoints/.incoming-*/**/*") if path.is_file()]


def arrived_bytes(home: Path) -> int:
    total = 0
    for path in arriving(home):
        # It may have got its name just now.
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def test_rsync_killed_in_the_middle_goes_on_with_what_has_arrived(move: Move) -> None:
    watcher = move.begin(host_b(move), move.b.home)
    (log,) = folder(move.b.home).glob("transfer/*/rsync.log")
    kept = move.ga.folder / "rsync.log"
    # It goes with the transfer.
    kept.hardlink_to(log)
    killed = move.rsyncs()
    assert killed
    for process in killed:
        process.kill()
    move.end(watcher, sites=["a", "b"], path="direct")
    assert move.copies.read_text().split() == ["begun"] * 2
    # The ballast is random: nothing of it can be compressed.
    received = [int(number) for number in re.findall(r"received (\d+) bytes", kept.read_text())]
    assert received[-1] < 0.8 * BALLAST_BYTES, kept.read_text()


def test_bit_that_flips_in_the_copy_is_noticed_and_the_file_brought_again(move: Move) -> None:
    watcher = move.begin(host_b(move), move.b.home)
    (ballast,) = (path for path in arriving(move.b.home) if "ballast" in path.name)
    with ballast.open("r+b") as file:
        (first,) = file.read(1)
        file.seek(0)
        file.write(bytes([first ^ 1]))
    assert move.placement.state is PlacementState.COPYING
    move.end(watcher, sites=["a", "b"], path="direct")
    assert move.copies.read_text().split() == ["begun"] * 2


@pytest.mark.parametrize("owner", ["its user", "a provider"])
def test_target_that_dies_during_the_copy_leaves_the_job_to_its_source(move: Move, owner: str) -> None:
    machine = VmFolder(move.ga.folders.provider("mock") / "vms" / "job-1-b-1")
    if owner == "its user":
        watcher = move.begin(host_b(move), move.b.home)
        move.b.stop()
    else:
        watcher = move.begin(mock("b"), machine.home)
        machine.kill_marked()
    move.end(watcher, sites=["a", "a"], path=None)
    assert move.placement.state is PlacementState.FAILED
    assert PlacementState.VERIFIED.value not in move.placement.times
