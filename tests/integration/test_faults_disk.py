"""Disks that are too small: at the target of a move, and at the controller. Nothing is lost, both sizes are named."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bad import Ga, count, ga_in, job, lab, mock
from support.sshd import Sshd
from support.waiting import wait_for

from ga_playbooks.remote_machine import RemoteMachine
from ga_trainer import seal, verify
from gacli.core.job import Checkpoint, JobState
from gacli.errors import DiskFull
from gacli.ports.machine import WorkSpec
from gacli.transport.pins import Pins
from gacli.transport.ssh import SshHost

pytestmark = pytest.mark.prove

MIB = 2**20
NAMESPACE = ["unshare", "--user", "--mount", "--map-current-user", "--keep-caps"]


def mount(folder: Path, size: int) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]


@contextlib.contextmanager
def small(folder: Path, size: int) -> Iterator[None]:
    """A file system of `size` bytes at `folder`; skips the test where nobody may mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(mount(folder, size), capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"needs the right to mount a small file system: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def ga(tmp_path: Path) -> Iterator[Ga]:
    with ga_in(tmp_path, tmp_path / "sshd" / "home") as found:
        found.use_script("count.py")
        yield found


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A host whose home has 16 MiB: mounted here, or in a namespace that only its sshd is in."""
    host = Sshd(tmp_path / "sshd")
    if subprocess.run(mount(host.home, 16 * MIB), capture_output=True, check=False).returncode == 0:
        try:
            with host:
                yield host
        finally:
            subprocess.run(["umount", "--lazy", str(host.home)], check=True)
        return
    tried = subprocess.run([*NAMESPACE, *mount(host.home, 16 * MIB)], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"needs the right to mount a small file system, or user namespaces: {tried.stderr.strip()}")
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    wrapper = tmp_path / "wrapper" / "sshd"
    wrapper.parent.mkdir()
    inside = f'{shlex.join(mount(host.home, 16 * MIB))} && exec {sshd} "$@"'
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join([*NAMESPACE, "sh", "-c", inside, "sshd"])} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    with host:
        yield host


def test_target_too_small_for_a_known_checkpoint_is_given_up_before_the_source_stops(ga: Ga, tiny: Sshd) -> None:
    watcher = ga.begin(ga.write(job(count(90, ballast=12 * MIB), [mock("a"), lab(tiny)])), "--json")
    ga.await_copy()
    said = ga("migrate", "job-1", "lab", "--wait")
    said.refuses(1, "job-1 was not moved to lab", "lab: expected", "of free space, found", "larger disk")
    ended = ga.finish(watcher)
    assert (ended.exit_code, ended.last["generation"], ended.last["migrations"]) == (0, 1, 0), ended
    assert ga.kept_step() == 90


def test_target_too_small_for_the_last_checkpoint_gives_the_job_back_to_its_source(ga: Ga, tiny: Sshd) -> None:
    # Nothing was saved or copied before the move, so that nobody could know how large the checkpoint would be.
    run = count(90, ballast=20 * MIB, save_every=1000)
    watcher = ga.begin(ga.write(job(run, [mock("a"), lab(tiny)])), "--json")
    ga.await_step(10)
    said = ga("migrate", "job-1", "lab", "--wait")
    said.refuses(1, "job-1 was not moved to lab", "not enough free space", "larger disk")
    ended = ga.finish(watcher)
    assert (ended.exit_code, ended.last["generation"], ended.last["migrations"]) == (0, 2, 0), ended
    assert [event.body["site"] for event in ga.events("generation") if event.body["state"] == "started"] == ["a", "a"]
    assert ga.kept_step() == 90
    assert "trained again" not in ga.messages("warning")


def test_host_that_is_too_small_is_told_with_both_sizes(ga: Ga, tiny: Sshd, pins: Pins) -> None:
    machine = RemoteMachine(SshHost(tiny.endpoint(), pins=pins, label="lab"))
    with contextlib.closing(machine), pytest.raises(DiskFull) as refused:
        machine.prepare(WorkSpec(job_id="job-1", work_folder=ga.work, min_free_bytes=32 * MIB), lambda _step: None)
    assert len(set(re.findall(r"(?:expected|found) ([\d.]+ \w+)", refused.value.message))) == 2, refused.value


def test_checkpoint_that_is_too_large_is_told_with_both_sizes(ga: Ga, tiny: Sshd, pins: Pins) -> None:
    folder = ga.folder / "step-000000001"
    folder.mkdir()
    (folder / "ballast").write_bytes(bytes(20 * MIB))
    seal(folder, 1)
    found = verify(folder)
    checkpoint = Checkpoint(name=folder.name, step=1, sha256=found.sha256, size_bytes=20 * MIB, files=1)
    machine = RemoteMachine(SshHost(tiny.endpoint(), pins=pins, label="lab"))
    with contextlib.closing(machine):
        machine.prepare(WorkSpec(job_id="job-1", work_folder=ga.work), lambda _step: None)
        with pytest.raises(DiskFull) as refused:
            machine.send_checkpoint("job-1", checkpoint, ga.folder, lambda _step: None)
    assert str(20 * MIB) in refused.value.message
    assert re.search(r"\b1[0-6]\d{6}\b", refused.value.message), refused.value


def test_copy_that_is_too_large_for_the_controller_waits_until_there_is_room(ga: Ga, sshd: Sshd) -> None:
    with small(ga.folders.root, 8 * MIB):
        watcher = ga.begin(ga.write(job(count(60, ballast=12 * MIB), [lab(sshd)])), "--json")
        wait_for(lambda: "no copy to the controller this time" in ga.messages("note"), "a copy to be refused")
        note = ga.messages("note")
        assert re.search(r"expected \d+ bytes for checkpoint step-\d+, found \d+ free", note), note
        ga.await_state(JobState.BLOCKED)
        assert "found" in ga.store.jobs.get("job-1").detail
        subprocess.run(["mount", "-o", f"remount,size={64 * MIB}", str(ga.folders.root)], check=True)
        ended = ga.finish(watcher)
        assert (ended.exit_code, ended.last["generation"], ended.last["status"]) == (0, 1, "done"), ended
        assert ga.kept_step() == 60
        ga.assert_nothing_left(sshd.home)


def test_controller_on_a_full_disk_ends_clearly_and_is_continued(ga: Ga, sshd: Sshd) -> None:
    with small(ga.folders.root, 8 * MIB):
        watcher = ga.begin(ga.write(job(count(160), [lab(sshd)])), "--json")
        ga.await_copy()
        filler = ga.folders.root / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        ga.finish(watcher).refuses(
            1,
            "job-1 has lost its controller while",
            "a trainer that runs goes on by itself",
            f"bytes are free at {ga.folders.root}: make room there, then continue with: ga resume job-1",
        )
        ga("stop", "job-1").refuses(1, "ga.db: cannot be written: database or disk is full", "free some space there")
        filler.unlink()
        ended = ga("resume", "job-1", "--json")
        assert (ended.exit_code, ended.last["generation"], ended.last["status"]) == (0, 1, "done"), ended
        ga.assert_trained(160)
        ga.assert_nothing_left(sshd.home)
