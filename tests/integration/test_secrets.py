"""A whole run between two hosts; all that it tells, writes, or shows in a process list is searched for secrets."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from support.bad import Ga, Said, count, ga_in, job, lab
from support.held_copies import HeldCopies
from support.secret_traces import Evidence, ProcessList, key_seed
from support.sshd import Sshd
from support.transfers import private_keys_in
from support.waiting import wait_for

from gacli.core.job import JobState

pytestmark = pytest.mark.prove

STEPS = 600
# Two generations are far from their end whenever they are asked to stop; the last one is soon there.
STEP_S = "0.$((GA_GENERATION < 3))"
BALLAST_BYTES = 1 << 20
PATIENCE_S = 60.0
# Shows that the script has the token, without showing it.
RUN = 'printf %s "$HF_TOKEN" | sha256sum; exec ' + count(
    STEPS, save_every=STEPS, ballast=BALLAST_BYTES, step_seconds=STEP_S
)


@dataclass(frozen=True, kw_only=True)
class World:
    """`ga`, the hosts `a` and `b`, and two tokens in the environment of `ga`: the job's, and one that is not for it."""

    ga: Ga
    hosts: Mapping[str, Sshd]
    copies: HeldCopies
    token: str = field(default_factory=lambda: f"hf_{secrets.token_hex(20)}")
    callers_token: str = field(default_factory=lambda: f"cloud_{secrets.token_hex(20)}")
    evidence: Evidence = field(default_factory=Evidence)

    def say(self, *arguments: str) -> Said:
        return self.keep(" ".join(arguments), self.ga(*arguments))

    def keep(self, what: str, said: Said) -> Said:
        self.evidence.add(f"ga {what}", f"{said.out}\n{said.err}".encode())
        return said

    def look(self, when: str) -> None:
        """Through all that is on a disk just now."""
        self.evidence.add_files(f"{when}: state", self.ga.folders.root)
        for name in ("home", "tmp"):
            self.evidence.add_files(f"{when}: {name}", self.ga.folder / name)
        for name, host in self.hosts.items():
            self.evidence.add_files(f"{when}: {name}", host.home)
            self.evidence.add(f"{when}: {name}: sshd.log", host.log.read_bytes())

    def await_running(self, generation: int) -> psutil.Process:
        """The trainer of that generation, once it has made a step."""

        def running() -> bool:
            progress = self.ga.store.journal.progress("job-1")
            return progress is not None and progress.generation == generation

        wait_for(running, f"generation {generation} to run", within_s=PATIENCE_S)
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                run_dir = process.environ().get("GA_RUN_DIR", "")
                if any(run_dir == str(host.home / f".ga/jobs/job-1/gen/{generation}") for host in self.hosts.values()):
                    return process
        raise AssertionError(f"no process belongs to generation {generation}")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    copies = HeldCopies(tmp_path / "copies", at_once=BALLAST_BYTES // 2)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", copies.path)
        source = Sshd(tmp_path / "a")
    with source as a, Sshd(tmp_path / "b") as b, ga_in(tmp_path, a.home, b.home) as ga:
        world = World(ga=ga, hosts={"a": a, "b": b}, copies=copies)
        for name in ("home", "tmp"):
            (tmp_path / name).mkdir()
        ga.environment |= {
            "HOME": str(tmp_path / "home"),
            "TMPDIR": str(tmp_path / "tmp"),
            "HF_TOKEN": world.token,
            "AWS_SECRET_ACCESS_KEY": world.callers_token,
        }
        ga.use_script("count.py")
        yield world


def test_whole_run_shows_its_secrets_to_nobody(world: World) -> None:
    ga, a, b = world.ga, world.hosts["a"], world.hosts["b"]
    # By two names: one host is one machine, whatever its ports.
    sites = [lab(a, "a"), lab(b, "b", host="localhost")]
    config = ga.write(job(RUN, sites, secrets=["HF_TOKEN"], setup=['test -n "$HF_TOKEN"']))
    with ProcessList() as processes:
        world.say("run", "--dry-run", str(config))
        watcher = ga.begin(config, "--json")
        trainer = world.await_running(1).environ()
        world.look("training")
        assert ga("migrate", "job-1", "b").exit_code == 0
        wait_for(lambda: world.copies.is_held, "the copy to be half-way", within_s=PATIENCE_S)
        world.look("copying")
        (transfer_key,) = private_keys_in(a.home)
        known = {
            "the login's key": key_seed(a.key_file),
            "the controller's key": key_seed(ga.folders.keys / "id_ed25519"),
            "the transfer's key": key_seed(transfer_key),
            "the job's token": world.token.encode(),
            "the caller's token": world.callers_token.encode(),
        }
        assert modes(transfer_key, a.home / ".ga/jobs/job-1", b.home / ".ga/jobs/job-1") == [0o600, 0o700, 0o700]
        assert modes(b.home / ".ssh/authorized_keys", b.home / ".ssh") == [0o600, 0o700]
        world.copies.let_go()
        world.await_running(2)
        assert world.say("pause", "job-1", "--wait").exit_code == 0
        world.keep("run", ga.finish(watcher))
        world.look("paused")
        del ga.environment["HF_TOKEN"]
        world.say("resume", "job-1").refuses(2, "secrets", "HF_TOKEN is not set")
        ga.environment["HF_TOKEN"] = world.token
        assert world.say("resume", "job-1", "--json").exit_code == 0
        for command in ("status job-1 --json", "status", "report --json", "logs job-1", "fleet list"):
            assert world.say(*command.split()).exit_code == 0, command
    ga.assert_trained(STEPS)
    world.look("over")
    world.evidence.add("process list", b"\n".join(processes.lines))

    # What was to happen has happened: the token was used, the key as well, and all that ran was seen.
    assert ga.state() is JobState.DONE
    assert hashlib.sha256(world.token.encode()).hexdigest() in ga.folders.trainer_log("job-1", 1).read_text()
    assert trainer["HF_TOKEN"] == world.token
    sent = [event.body for event in ga.events("checkpoint") if event.body["action"] == "sent"]
    assert [(body["site"], body["path"]) for body in sent[:1]] == [("b", "direct")]
    for words in (["gacli.engine.process"], ["agent.pyz", "launch"], ["ssh", "ssh_config"], ["--server", "--daemon"]):
        assert processes.shows(words), words

    own, transfers = "keys/id_ed25519", transfer_key.relative_to(a.home)
    in_their_files = {("the transfer's key", f"copying: a: {transfers}"), ("a private key", f"copying: a: {transfers}")}
    for when in ("training", "copying", "paused", "over"):
        in_their_files |= {(name, f"{when}: state: {own}") for name in ("the controller's key", "a private key")}
    assert world.evidence.leaks(known) == in_their_files
    assert world.callers_token not in trainer.values()
    assert modes(ga.folders.root, ga.folders.keys / "id_ed25519") == [0o700, 0o600]


def modes(*paths: Path) -> list[int]:
    return [path.stat().st_mode & 0o777 for path in paths]


# ----- the search itself: it must find what is there ---------------------------------------------------------------

SECRET = secrets.token_bytes(32)


@pytest.mark.parametrize(
    "content",
    [SECRET, SECRET.hex().encode(), *(b64encode(os.urandom(before) + SECRET + b"end") for before in range(5))],
    ids=["as it is", "hexadecimal", *(f"base64 after {before}" for before in range(5))],
)
def test_search_finds_a_secret_in_a_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "log").write_bytes(b"before " + content + b" after")
    (tmp_path / "other").write_bytes(os.urandom(1000))
    evidence = Evidence()
    evidence.add_files("here", tmp_path)
    assert evidence.leaks({"it": SECRET}) == {("it", "here: folder/log")}


def test_search_finds_a_key_by_its_content_alone(tmp_path: Path) -> None:
    sshd = Sshd(tmp_path)
    (tmp_path / "home" / "innocent").write_bytes(sshd.key_file.read_bytes().splitlines()[4])
    (tmp_path / "home" / "stranger").write_bytes(sshd.host_key_file.read_bytes())
    evidence = Evidence()
    evidence.add_files("here", tmp_path / "home")
    assert evidence.leaks({"it": key_seed(sshd.key_file)}) == {
        ("it", "here: innocent"),
        ("a private key", "here: stranger"),
    }


def test_search_finds_a_secret_in_a_process_list() -> None:
    word = secrets.token_hex(20)
    with (
        ProcessList() as processes,
        subprocess.Popen([sys.executable, "-c", "input()", word], stdin=subprocess.PIPE) as it,
    ):
        wait_for(lambda: processes.shows(["input()", word]), "the process to be seen")
        it.communicate()
    evidence = Evidence()
    evidence.add("process list", b"\n".join(processes.lines))
    assert evidence.leaks({"it": word.encode()}) == {("it", "process list")}
