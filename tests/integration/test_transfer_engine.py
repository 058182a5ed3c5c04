"""Whole moves by the real `ga` between two hosts: `ga` is killed meanwhile, there is no straight way, a file is bad."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from support.bad import Ga, count, ga_in, job, lab
from support.held_copies import HeldCopies
from support.secret_traces import Evidence, key_seed
from support.sshd import Sshd
from support.transfers import private_keys_in
from support.waiting import wait_for

pytestmark = pytest.mark.prove

STEPS = 600
# The first generation is far from its end whenever it is asked to stop; later ones are soon there, and save no more.
STEP_S = "0.$((GA_GENERATION == 1))"
SAVE_EVERY = f"$((GA_GENERATION == 1 ? 10 : {STEPS}))"
BALLAST_BYTES = 4 << 20
PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Move:
    """A job that runs on `a`, and the empty host `b`. copies: those that `a` makes to `b`."""

    ga: Ga
    a: Sshd
    b: Sshd
    copies: HeldCopies

    @property
    def homes(self) -> list[Path]:
        return [self.a.home, self.b.home]

    def begin(self, *, train_to: int = 1) -> None:
        """Train, and have it moved once it has come to that step."""
        command = count(STEPS, save_every=SAVE_EVERY, ballast=BALLAST_BYTES, step_seconds=STEP_S)
        # By two names: one host is one machine, whatever its ports.
        sites = [lab(self.a, "a"), lab(self.b, "b", host="localhost")]
        self.ga.begin(self.ga.write(job(command, sites)), "--json")
        self.ga.await_step(train_to, within_s=PATIENCE_S)
        assert self.ga("migrate", "job-1", "b").exit_code == 0

    def await_held(self) -> bytes:
        """Half of the checkpoint is on its way, and the rest waits. Returns what is secret of the key for it."""
        wait_for(lambda: self.copies.is_held, "the copy to be half-way", within_s=PATIENCE_S)
        (key,) = self.keys()
        assert key.is_relative_to(self.a.home)
        assert len(self.lines()) == 1
        return key_seed(key)

    def await_moved(self) -> None:
        """To the job's end, which may take several lives of `ga`."""
        said = self.ga("run", "--json", self.ga.folder / "job.yaml", timeout_s=180)
        assert (said.exit_code, said.last["migrations"]) == (0, 1), said
        self.ga.assert_trained(STEPS)

    def sent(self) -> list[tuple[object, object]]:
        found = [event.body for event in self.ga.events("checkpoint") if event.body["action"] == "sent"]
        return [(body["site"], body["path"]) for body in found]

    def told_units(self) -> set[object]:
        """Units of what was told of copies from machine to machine."""
        steps = [event.body for event in self.ga.events("step") if event.body["what"] == "copying checkpoint"]
        return {body["unit"] for body in steps if str(body["key"]).startswith("move:")}

    def keys(self) -> list[Path]:
        """Private keys in the homes of both hosts."""
        return [key for home in self.homes for key in private_keys_in(home)]

    def lines(self) -> list[str]:
        """Lines of transfers that let somebody in."""
        files = [home / ".ssh" / "authorized_keys" for home in self.homes]
        return [line for file in files if file.is_file() for line in file.read_text().splitlines() if line]

    def copying(self) -> list[psutil.Process]:
        """What copies from `a`: rsync, and ssh with what stands before it."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                run_dir = process.environ().get("GA_RUN_DIR", "")
                if run_dir.startswith(f"{self.a.home}/.ga/jobs/job-1/transfer/"):
                    found.append(process)
        return found

    def kill_controllers(self) -> None:
        """Every process of `ga` on this machine: viewers and controllers."""
        for process in self._controllers():
            process.kill()
        wait_for(lambda: not self._controllers(), "ga to be dead", within_s=PATIENCE_S)

    def _controllers(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                ours = process.environ().get("GA_STATE_DIR") == str(self.ga.folders.root)
                if ours and any("gacli" in word or word.endswith("/ga") for word in process.cmdline()):
                    found.append(process)
        return found

    def assert_no_secret_left(self, secret: bytes) -> None:
        """Neither on the hosts nor in anything that `ga` keeps: its store, its logs, its copies."""
        assert self.lines() == []
        evidence = Evidence()
        for name, folder in (("state", self.ga.folders.root), ("a", self.a.home), ("b", self.b.home)):
            evidence.add_files(name, folder)
        assert evidence.leaks({"it": secret}) == {("a private key", "state: keys/id_ed25519")}


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    copies = HeldCopies(tmp_path / "copies", at_once=BALLAST_BYTES // 2)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", copies.path)
        source = Sshd(tmp_path / "a")
    with source as a, Sshd(tmp_path / "b") as b, ga_in(tmp_path, a.home, b.home) as ga:
        ga.use_script("count.py")
        yield Move(ga=ga, a=a, b=b, copies=copies)


def test_copy_goes_on_to_its_end_while_ga_is_dead(move: Move) -> None:
    """Who comes after the dead one has nothing left to copy."""
    move.begin()
    secret = move.await_held()
    wait_for(move.told_units, "word of the copy", within_s=PATIENCE_S)
    move.kill_controllers()
    assert move.copying()
    move.copies.let_go()
    wait_for(lambda: not move.copying(), "the copy to end", within_s=PATIENCE_S)
    move.await_moved()
    assert move.sent() == [("b", "direct")]
    all_of_it, *asked_again = move.copies.passed_bytes
    assert all_of_it >= BALLAST_BYTES
    assert sum(asked_again) < 0.01 * BALLAST_BYTES
    assert move.told_units() == {"bytes"}
    move.assert_no_secret_left(secret)


def test_copy_that_was_killed_with_ga_goes_on_with_what_has_arrived(move: Move) -> None:
    move.begin()
    secret = move.await_held()
    move.kill_controllers()
    (rsync,) = (process for process in move.copying() if process.name() == "rsync")
    pusher = rsync.parent()
    assert pusher is not None
    # Who pushes would begin again by itself; the rest ends by itself.
    for process in (pusher, rsync):
        process.kill()
    move.copies.let_go()
    wait_for(lambda: not move.copying(), "the copy to be dead", within_s=PATIENCE_S)
    move.await_moved()
    assert move.sent() == [("b", "direct")]
    # The ballast is random: nothing of it can be compressed.
    first, second = move.copies.passed_bytes
    assert first < 0.75 * BALLAST_BYTES
    assert second < 0.75 * BALLAST_BYTES
    move.assert_no_secret_left(secret)


def test_move_goes_through_this_machine_when_the_target_lets_nobody_in(move: Move) -> None:
    (move.b.home / ".ssh").write_text("no folder")
    move.begin()
    move.await_moved()
    assert move.sent() == [("b", "relay")]
    assert "no straight way from a to b" in move.ga.messages("note")
    assert move.keys() == []


def test_checkpoint_damaged_at_its_source_gives_way_to_the_one_before(move: Move) -> None:
    """The newest is damaged while it is copied; one from before goes on, and what that costs is said."""
    move.begin(train_to=11)
    move.await_held()
    folder = move.a.home / ".ga" / "jobs" / "job-1" / "checkpoints"
    newest = max(path for path in folder.iterdir() if path.name.startswith("step-"))
    with (newest / "ballast").open("r+b") as file:
        file.seek(-1, 2)
        (last,) = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))
    move.copies.let_go()
    move.await_moved()
    assert "ballast" in move.ga.messages("warning")
    assert "trained again" in move.ga.messages("warning")
    assert move.keys() == []
    assert move.lines() == []
