"""Hosts that cannot be used: unreachable, wrong key, another host key, programs missing. Real sshd and command line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bad import Ga, count, ga_in, job, lab, mock
from support.sshd import Sshd
from support.waiting import wait_for

from gacli.core.job import JobState
from gacli.transport.keys import make_key
from gacli.transport.pins import HostKey

pytestmark = pytest.mark.prove

# What a host needs besides rsync and Python; `login` of the test's sshd is a shell script.
PROGRAMS = ("sh", "cat", "mv", "rm", "mkdir", "sleep")
MISSING_RSYNC = "lab: expected the program rsync on the PATH, found none"


@pytest.fixture
def ga(tmp_path: Path, sshd: Sshd) -> Iterator[Ga]:
    with ga_in(tmp_path, sshd.home) as found:
        found.use_script("count.py")
        yield found


def fingerprint(sshd: Sshd) -> str:
    return HostKey.parse(sshd.host_key).fingerprint


def test_host_that_is_unreachable_fails_the_job_at_once(ga: Ga, sshd: Sshd) -> None:
    sshd.stop()
    said = ga("run", ga.write(job(count(10), [lab(sshd)])))
    said.refuses(
        1,
        f"no site can take the job: lab: no SSH connection to {sshd.user}@127.0.0.1:{sshd.port}",
        "Connection refused",
        "nothing was started; when the cause is mended, start it anew with: ga run",
    )
    assert f"check that the machine is on, and try from here: ssh -p {sshd.port}" in ga.messages("warning")
    assert ga.state() is JobState.FAILED


def test_job_goes_to_the_next_site_when_the_first_is_unreachable(ga: Ga, sshd: Sshd) -> None:
    sshd.stop()
    said = ga("run", "--json", ga.write(job(count(10), [lab(sshd), mock("b")])))
    assert said.exit_code == 0, said
    assert [site["site"] for site in said.last["sites"] if "train" in site["phases"]] == ["b"]
    assert f"no SSH connection to {sshd.user}@127.0.0.1:{sshd.port}" in ga.messages("warning")
    ga.assert_trained(10)


def test_key_that_the_host_does_not_know_fails_the_job_at_once(ga: Ga, sshd: Sshd) -> None:
    stranger = ga.folder / "stranger"
    make_key(stranger, comment="stranger")
    said = ga("run", ga.write(job(count(10), [lab(sshd, key_file=str(stranger))])))
    said.refuses(1, "no site can take the job", f"{sshd.user}@127.0.0.1:{sshd.port} refused every key", str(stranger))
    assert "check the user name, and that the public key is in authorized_keys there" in ga.messages("warning")


def test_host_key_changed_between_runs_stops_before_anything_is_sent(ga: Ga, sshd: Sshd) -> None:
    config = ga.write(job(count(5), [lab(sshd)]))
    assert ga("run", config).exit_code == 0
    before = fingerprint(sshd)
    sshd.swap_host_key()
    said = ga("run", config)
    said.refuses(1, "no site can take the job: lab: the host key has changed", before, fingerprint(sshd))
    assert "remove the old one from" in ga.messages("warning", "job-2")
    assert not list(sshd.home.glob(".ga/jobs/*"))


def only(sshd: Sshd, *programs: str) -> None:
    """From now on the login finds these programs alone; in force for every new command."""
    folder = sshd.folder / "few"
    folder.mkdir()
    for program in programs:
        found = shutil.which(program)
        assert found is not None
        (folder / program).symlink_to(found)
    login = sshd.folder / "login"
    login.write_text(login.read_text().replace(os.environ["PATH"], str(folder)))


def test_python_missing_on_the_host_is_named(ga: Ga, sshd: Sshd) -> None:
    only(sshd, *PROGRAMS, "rsync")
    said = ga("run", ga.write(job(count(10), [lab(sshd)])))
    said.refuses(1, "no site can take the job", "lab: expected the program python3 on the PATH, found none")
    assert "sudo apt-get install python3" in ga.messages("warning")


def test_rsync_missing_on_the_target_leaves_the_job_where_it_is(ga: Ga, sshd: Sshd) -> None:
    only(sshd, *PROGRAMS, "python3")
    watcher = ga.begin(ga.write(job(count(80), [mock("a"), lab(sshd)])), "--json")
    ga.await_step(3)
    ga("migrate", "job-1", "lab", "--wait").refuses(
        1, "job-1 was not moved to lab", MISSING_RSYNC, "apt-get install rsync"
    )
    said = ga.finish(watcher)
    assert (said.exit_code, said.last["generation"]) == (0, 1), said
    ga.assert_trained(80)


def test_host_key_that_changes_in_mid_job_blocks_it_and_never_starts_a_second_trainer(ga: Ga, sshd: Sshd) -> None:
    watcher = ga.begin(ga.write(job(count(240), [lab(sshd), mock("b", zone="FR")])), "--json")
    ga.await_copy()
    before = fingerprint(sshd)
    kept = ga.folder / "kept"
    kept.mkdir()
    for name in ("host_key", "host_key.pub"):
        shutil.copy(sshd.folder / name, kept / name)
    sshd.swap_host_key()
    # The first thing that is noticed may be no more than a lost connection.
    wait_for(lambda: "the host key has changed" in ga.store.jobs.get("job-1").detail, "the other key to be noticed")
    assert ga.state() is JobState.BLOCKED
    for told in (ga.messages("warning"), ga.store.jobs.get("job-1").detail):
        assert before in told
        assert fingerprint(sshd) in told
    assert "the training is left alone" in ga.store.jobs.get("job-1").detail

    # The training goes on meanwhile, and not even being told to move tempts ga into a second one.
    assert ga("migrate", "job-1", "b").exit_code == 0
    wait_for(lambda: ga.state() is JobState.BLOCKED and ga.store.placements.open("job-1"), "the move to wait for lab")
    reports = next(sshd.home.glob(".ga/jobs/job-1/gen/1/progress.jsonl"))
    size = reports.stat().st_size
    wait_for(lambda: reports.stat().st_size > size, "the trainer to go on")
    assert ga.store.jobs.get("job-1").generation == 1
    assert watcher.poll() is None

    sshd.stop()
    for name in ("host_key", "host_key.pub"):
        shutil.copy(kept / name, sshd.folder / name)
    sshd.start()
    said = ga.finish(watcher)
    assert (said.exit_code, said.last["generation"], said.last["migrations"]) == (0, 2, 1), said
    assert "lab answers again" in ga.messages("note")
    ga.assert_trained(240)
