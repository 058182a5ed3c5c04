"""Hosts that fall silent, and a host whose clock jumps: the training goes on there, and nowhere else beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from support.bad import Ga, count, ga_in, job, lab
from support.kill_checks import overlaps
from support.sshd import Sshd
from support.waiting import wait_for

from gacli.core.energy import Phase
from gacli.core.job import JobState
from gacli.core.placement import PlacementState

pytestmark = pytest.mark.prove

STEPS = 400
# The first generation is far from its end whenever it is asked to stop; later ones end at once.
RUN = count(STEPS, save_every=STEPS, step_seconds="0.$((GA_GENERATION == 1))")
SCALE = 60.0
HOUR_S = 3600.0
# What `python3` is on a host whose wall clock is off by as much as a file says, at every look at it; all that it tells
# is noted. The agent itself is the one that travels.
SHIFTED = """
import os, runpy, sys, time

def told(real=time.time):
    with open({shift!r}) as file:
        now = real() + float(file.read())
    with open({told!r}, "a") as file:
        print(sys.argv[1], now, file=file)
    return now

if sys.argv[1:3] != ["-I", "-S"]:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
del sys.argv[:3]
time.time, time.time_ns = told, lambda: int(told() * 1e9)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True, kw_only=True)
class Wire:
    """The only way to a network namespace. end, address: its end there; peer: the address of its end here."""

    namespace: Path
    end: str
    address: str
    peer: str

    def inside(self, command: str) -> list[str]:
        return ["nsenter", f"--net={self.namespace}", *command.split()]

    def set(self, state: str) -> None:
        subprocess.run(self.inside(f"ip link set {self.end} {state}"), check=True)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Skips the test where nobody may make a network namespace. It goes with us, however we end."""
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        with suppress(BrokenPipeError):
            os.write(holder.stdin.fileno(), b"?")
        if os.read(holder.stdout.fileno(), 1) != b"?":
            pytest.skip("needs the right to make a network namespace")
        pid, namespace = holder.pid, Path(f"/proc/{holder.pid}/ns/net")
        net = f"198.18.{pid % 256}"
        found = Wire(namespace=namespace, end=f"ga{pid}b", address=f"{net}.2", peer=f"{net}.1")
        for step in (
            f"ip link add ga{pid}a type veth peer name {found.end} netns {pid}".split(),
            f"ip address add {found.peer}/30 dev ga{pid}a".split(),
            f"ip link set ga{pid}a up".split(),
            found.inside(f"ip address add {found.address}/30 dev {found.end}"),
            found.inside(f"ip link set {found.end} up"),
        ):
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"needs the right to wire a network namespace: {done.stderr.strip()}")
        yield found


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A job that trains on host `a`, which nobody reaches for a while, and host `b`."""

    ga: Ga
    a: Sshd
    b: Sshd

    def begin(self, b: str, **changes: object) -> subprocess.Popen[str]:
        """b: the name by which `b` is reached."""
        sites = [lab(self.a, "a", host=self.a.address), lab(self.b, "b", host=b)]
        # Long enough for a script that cannot answer.
        config = job(self.ga.witnessed(RUN), sites, **{"checkpoint": {"grace": "5m"}, **changes})
        watcher = self.ga.begin(self.ga.write(config), "--json")
        self.ga.await_step(3, within_s=60)
        return watcher

    def gen(self, number: int) -> Path:
        return self.a.home / ".ga" / "jobs" / "job-1" / "gen" / str(number)

    def trainers(self) -> list[psutil.Process]:
        """Every live one of the job, on whatever host."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                run_dir = process.environ().get("GA_RUN_DIR", "")
                if process.cmdline()[1:2] == ["count.py"] and run_dir.startswith(str(self.ga.folder)):
                    found.append(process)
        return found

    def await_blocked(self) -> None:
        """While it stops, and for as long as a controller that lives would need for much else."""
        ga = self.ga
        ga.await_state(JobState.BLOCKED, within_s=90)
        said = ga("status", "job-1", "--json")
        assert (said.last["state"], said.last["generation"], said.last["moves"]) == ("blocked", 1, 0), said
        assert "waiting for a" in str(said.last["detail"]), said
        ready = next(instance for instance in ga.store.instances.of_job("job-1") if instance.site == "b")

        def waited() -> bool:
            """It accounts for the target, which stands ready, to the present."""
            assert {process.environ()["GA_RUN_DIR"] for process in self.trainers()} <= {str(self.gen(1))}
            now = ga.store.instances.get(ready.instance_id)
            return (now.accounted_until - ready.accounted_until).total_seconds() >= 2 * SCALE

        wait_for(waited, "the controller to wait", within_s=60)
        assert ga.state() is JobState.BLOCKED
        move = ga.store.placements.open("job-1")
        assert move is not None
        assert move.state is PlacementState.STOPPING
        assert [(life["event"], life["site"]) for life in ga.lives()][:1] == [("start", "a")]
        assert not any(life["site"] == "b" for life in ga.lives())

    def end(self, watcher: subprocess.Popen[str]) -> None:
        ga = self.ga
        said = ga.finish(watcher)
        assert (said.exit_code, said.last["generation"], said.last["migrations"]) == (0, 2, 1), said
        assert [life["site"] for life in ga.lives() if life["event"] == "start"] == ["a", "b"]
        assert overlaps(ga.lives()) == []
        assert "trained again" not in ga.messages("warning")
        ga.assert_trained(STEPS)


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Partition]:
    with Sshd(tmp_path / "a") as a, Sshd(tmp_path / "b") as b, ga_in(tmp_path, a.home, b.home) as ga:
        ga.use_script("count.py")
        yield Partition(ga=ga, a=a, b=b)


@pytest.fixture
def wired(tmp_path: Path, wire: Wire) -> Iterator[Partition]:
    far = Sshd(tmp_path / "a", address=wire.address, namespace=wire.namespace)
    near = Sshd(tmp_path / "b", address=wire.peer)
    with far as a, near as b, ga_in(tmp_path, a.home, b.home) as ga:
        ga.use_script("count.py")
        yield Partition(ga=ga, a=a, b=b)


def test_source_that_falls_silent_after_it_was_asked_to_stop_is_waited_for(silent: Partition) -> None:
    watcher = silent.begin("localhost")
    # It hears of the stop only when nobody hears of it any more.
    (trainer,) = silent.trainers()
    trainer.suspend()
    assert silent.ga("migrate", "job-1", "b").exit_code == 0
    wait_for(lambda: "sent, waiting" in silent.ga.messages("note"), "the stop to be asked for", within_s=60)
    silent.a.freeze()
    silent.a.cut()
    trainer.resume()
    wait_for((silent.gen(1) / "exit.json").exists, "the trainer to stop", within_s=60)
    silent.await_blocked()
    silent.a.thaw()
    silent.end(watcher)


def test_source_behind_a_dead_wire_trains_on_and_is_waited_for(wired: Partition, wire: Wire) -> None:
    watcher = wired.begin(wire.peer)
    wire.set("down")
    # What the system does by itself when nothing has come through for 45 s.
    subprocess.run(["ss", "--kill", "dst", wire.address], capture_output=True, check=False)
    assert wired.ga("migrate", "job-1", "b").exit_code == 0
    wired.await_blocked()
    reports = wired.gen(1) / "progress.jsonl"
    size = reports.stat().st_size
    wait_for(lambda: reports.stat().st_size > size, "the trainer to go on")
    assert len(wired.trainers()) == 1
    wire.set("up")
    wired.end(watcher)


def test_host_that_stays_silent_is_given_up_once_its_lease_has_run_out(wired: Partition, wire: Wire) -> None:
    watcher = wired.begin(wire.peer, lease="5s", checkpoint={"grace": "1s", "fetch": "10s"})
    wire.set("down")
    subprocess.run(["ss", "--kill", "dst", wire.address], capture_output=True, check=False)
    # By itself: nobody reaches it.
    wait_for((wired.gen(1) / "exit.json").exists, "the host to end the training", within_s=60)
    assert not any(life["site"] == "b" for life in wired.ga.lives())
    said = wired.ga.finish(watcher)
    assert (said.exit_code, said.last["generation"]) == (0, 2), said
    assert [life["site"] for life in wired.ga.lives() if life["event"] == "start"] == ["a", "b"]
    assert overlaps(wired.ga.lives()) == []
    assert json.loads((wired.gen(1) / "exit.json").read_text())["stopped_because"] == "lease"
    assert "lease" in wired.ga.messages("warning")
    wire.set("up")
    wired.ga.assert_trained(STEPS)


@dataclass(frozen=True, kw_only=True)
class WrongClock:
    """The wall clock of host `a`, as its agent is told it."""

    folder: Path

    def install(self) -> None:
        """Programs for the PATH of the host."""
        self.folder.mkdir()
        self.set(0.0)
        script = self.folder / "shifted.py"
        script.write_text(SHIFTED.format(shift=str(self.folder / "shift"), told=str(self.folder / "told")))
        python = self.folder / "python3"
        python.write_text(f'#!/bin/sh\nexec {shutil.which("python3")} -I -S {script} "$@"\n')
        python.chmod(0o755)

    def set(self, off_s: float) -> None:
        (self.folder / "next").write_text(str(off_s))
        (self.folder / "next").replace(self.folder / "shift")

    def told(self, verb: str) -> list[float]:
        lines = (line.split() for line in (self.folder / "told").read_text().splitlines())
        return [float(now) for asked_by, now in lines if asked_by == verb]


def test_clock_that_is_set_back_in_mid_run_changes_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = WrongClock(folder=tmp_path / "clock")
    clock.install()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{clock.folder}:{os.environ['PATH']}")
        host = Sshd(tmp_path / "a")
    with host as a, ga_in(tmp_path, a.home) as ga:
        ga.use_script("count.py")
        # The first generation lives to see the clock set back, the second begins by it.
        config = ga.write(job(ga.witnessed(count(40, end_at=24)), [lab(a, "a")]))
        watcher = ga.begin(config, "--json")
        ga.await_step(6, within_s=60)
        clock.set(-HOUR_S)
        said = ga.finish(watcher)
        assert (said.exit_code, said.last["generation"]) == (0, 2), said
        told_s = clock.told("launch")
        assert told_s[-1] < told_s[0] - HOUR_S / 2
        ga.assert_trained(40)
        assert overlaps(ga.lives()) == []

        records = [
            json.loads(line)
            for generation in (1, 2)
            for line in ga.folders.telemetry("job-1", generation).read_text().splitlines()
        ]
        ends = [number for number, record in enumerate(records, 1) if record["kind"] == "exit"]
        assert [record["seq"] for record in records] == [*range(1, ends[0] + 1), *range(1, ends[1] - ends[0] + 1)]
        # By the controller's clock.
        known = ga.store.jobs.get("job-1")
        assert known.finished_epoch_s is not None
        times = [record["t"] for record in records]
        assert times == sorted(times)
        assert known.created_epoch_s < times[0] < times[-1] < known.finished_epoch_s
        power = [record for record in records if record["kind"] == "power"]
        gaps_s = [after["t0"] - before["t1"] for before, after in pairwise(power)]
        assert [gap_s for gap_s in gaps_s if gap_s != 0] == [pytest.approx(1, abs=30)]  # the restart
        assert min(gaps_s) == 0

        intervals = sorted((entry.emission.energy for entry in ga.store.ledger.entries("job-1")), key=lambda e: e.start)
        assert all(before.end == after.start for before, after in pairwise(intervals))
        metered_j = sum(e.energy_j for e in intervals if e.phase in (Phase.TRAIN, Phase.CHECKPOINT))
        assert metered_j == pytest.approx(SCALE * sum(record["energy_j"] for record in power), rel=1e-3)
