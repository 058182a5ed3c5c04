"""Commands on what is not there, on what is over, and with a state folder that cannot be used: one clear message."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bad import Ga, count, ga_in, job, mock

from gacli.core.job import JobState

USAGE = {
    "no such command": (["frobnicate"], "No such command 'frobnicate'"),
    "no such option": (["run", "--bogus", "job.yaml"], "No such option: --bogus"),
    "argument missing": (["run"], "Missing argument 'config'"),
    "second argument missing": (["migrate", "job"], "Missing argument 'site'"),
    "argument too many": (["stop", "a", "b"], "Got unexpected extra argument"),
    "no number": (["logs", "--generation", "two"], "Invalid value for '--generation'"),
}


@pytest.fixture
def ga(tmp_path: Path) -> Iterator[Ga]:
    with ga_in(tmp_path) as found:
        yield found


@pytest.mark.parametrize(("arguments", "expect"), USAGE.values(), ids=USAGE)
def test_usage_that_cannot_be_understood_exits_with_2(ga: Ga, arguments: list[str], expect: str) -> None:
    ga(*arguments).refuses(2, "Usage: ga", expect)
    assert not ga.folders.root.exists()


@pytest.mark.parametrize("command", ["watch", "logs", "report"])
def test_without_any_job_there_is_nothing_to_look_at(ga: Ga, command: str) -> None:
    ga(command).refuses(1, "there is no job yet", "start one with `ga run train.yaml`")


@pytest.mark.parametrize("command", ["status", "watch", "logs", "report", "pause", "resume", "stop", "migrate x"])
def test_job_that_does_not_exist_is_not_found(ga: Ga, command: str) -> None:
    ga(*command.split(), "x").refuses(1, "no job is called 'x'; known are: none", "`ga status` lists the jobs")


@pytest.mark.slow
def test_job_that_is_over_takes_no_command_and_can_still_be_looked_at(ga: Ga) -> None:
    ga.use_script("count.py")
    config = ga.write(job(count(5), [mock("a"), mock("b", zone="FR")]))
    assert ga("run", config).exit_code == 0
    steer = (["pause", "job"], ["stop", "job-1"], ["migrate", "job", "b"], ["resume", "job"])
    for arguments, said in zip(steer, ga.each(*steer), strict=True):
        said.refuses(1, f"job-1 is over (done): there is nothing to {arguments[0]}")
    looks = ga.each(["status", "job"], ["watch", "job"], ["logs", "job"], ["report", "job"], ["status", "other"])
    assert [said.exit_code for said in looks] == [0, 0, 0, 0, 1]
    looks[-1].refuses(1, "no job is called 'other'; known are: job-1")
    ga.assert_trained(5)


@pytest.mark.slow
def test_command_that_the_job_cannot_follow_changes_nothing(ga: Ga) -> None:
    ga.use_script("count.py")
    config = job(count(600), [mock("a"), mock("b", zone="FR")])
    assert ga("run", "--detach", ga.write(config)).exit_code == 0
    ga.await_step(3)
    ga("migrate", "job", "c").refuses(1, "job-1 has no site 'c'; its fleet is: a, b")
    same = ga("migrate", "job", "a", "--wait")
    assert (same.exit_code, same.out) == (0, "job-1: the job runs at a already (running)\n")
    other = ga.write({**config, "restarts": 7}, "other.yaml")
    again = ga("run", other, "--detach")
    assert ga.store.jobs.get("job-1").generation == 1
    assert len(ga.store.jobs.all()) == 1, again

    assert ga("pause", "job", "--wait").exit_code == 0
    assert ga.state() is JobState.PAUSED
    kept = ga.kept_step()
    ga("migrate", "job", "b").refuses(1, "job-1: the job is paused; resume it first, with: ga resume job-1")
    ga("run", ga.folder / "job.yaml").refuses(1, "job-1 is paused", "continue it with: ga resume job-1")
    assert (ga.state(), ga.kept_step()) == (JobState.PAUSED, kept)
    assert ga("stop", "job", "--wait").exit_code == 0
    assert (ga.state(), ga.kept_step()) == (JobState.STOPPED, kept)


# ----- the state folder ------------------------------------------------------------------------------------------

NEEDS_STATE = (["status"], ["check", "job.yaml"], ["run", "job.yaml"])


@pytest.mark.parametrize("arguments", NEEDS_STATE, ids=lambda arguments: arguments[0])
def test_state_folder_that_cannot_be_made_is_named(ga: Ga, arguments: list[str]) -> None:
    ga.write(job("true", [mock("a")]))
    (ga.folder / "file").write_text("in the way")
    for root in (ga.folder / "file", ga.folder / "file" / "below"):
        ga.environment["GA_STATE_DIR"] = str(root)
        ga(*arguments).refuses(1, f"{root}: the state folder cannot be made", "set GA_STATE_DIR to a folder")


def test_state_folder_that_is_no_store_is_named(ga: Ga) -> None:
    ga.folders.root.mkdir()
    ga.folders.database.write_text("this is no database, and long enough to look at" * 100)
    ga("status").refuses(1, f"{ga.folders.database}: cannot be used as ga's store: file is not a database")
    assert ga.folders.database.read_text().startswith("this is no database")


@pytest.mark.parametrize("arguments", NEEDS_STATE, ids=lambda arguments: arguments[0])
@pytest.mark.parametrize(("takes", "expect"), [("ro", "unable to open database file"), ("rw", "disk is full")])
def test_state_folder_on_a_disk_that_takes_nothing_is_named(
    ga: Ga, arguments: list[str], takes: str, expect: str
) -> None:
    ga.write(job("true", [mock("a")]))
    root = ga.folders.root
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size=64k,{takes}", "tmpfs", str(root)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"needs the right to mount a file system: {mounted.stderr.strip()}")
    try:
        if takes == "rw":
            with pytest.raises(OSError, match="No space left"):
                (root / "filler").write_bytes(bytes(65536 + 1))
        ga(*arguments).refuses(1, f"{root}/ga.db: cannot be used as ga's store: ", expect, "set GA_STATE_DIR")
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)
