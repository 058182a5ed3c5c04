"""The playbooks on real files and processes: this machine under another home stands for two machines."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from ga_playbooks.agent.manifests import manifest_digest
from ga_playbooks.bundle import agent_zip
from ga_playbooks.remote_machine import RemoteMachine
from gacli.core.site import PowerModel
from gacli.errors import CheckpointInvalid, DiskFull, GaError, LockHeld, StaleGeneration
from gacli.ports.host import Completed, OnCopy
from gacli.ports.machine import ExitRecord, Poll, StartSpec, StepProgress, WorkSpec
from gacli.transport.local import LocalHost

TRAIN = """
import ga_trainer, time
run = ga_trainer.Run()
found = run.restore()
step = found.step if found else 0
print("from", step, flush=True)
while not run.should_stop():
    step += 1
    run.report(step=step, total_steps=100000, loss=1.0)
    time.sleep(0.02)
with run.save(step) as folder:
    (folder / "weights.bin").write_bytes(b"%d" % step * 1000)
    (folder / "more").mkdir()
    (folder / "more" / "rng.txt").write_text("7")
run.stop()
"""


class WatchedHost(LocalHost):
    """Counts round trips, and can damage what passes."""

    def __init__(self, home: Path, label: str) -> None:
        super().__init__(home, label)
        self.home = home
        self.trips: list[str] = []
        self.damage: Callable[[Path], None] | None = None

    @override
    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0) -> Completed:
        self.trips.append("run")
        return super().run(argv, stdin=stdin, timeout_s=timeout_s)

    @override
    def push(
        self,
        source: Path,
        target: str,
        *,
        files: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        mirror: bool = False,
        on_copy: OnCopy | None = None,
    ) -> None:
        self.trips.append("push")
        super().push(source, target, files=files, exclude=exclude, mirror=mirror, on_copy=on_copy)
        self._harm(self.home / target)

    @override
    def pull(
        self, source: str, target: Path, *, files: Sequence[str] | None = None, on_copy: OnCopy | None = None
    ) -> None:
        self.trips.append("pull")
        super().pull(source, target, files=files, on_copy=on_copy)
        self._harm(target)

    def _harm(self, folder: Path) -> None:
        if self.damage is not None:
            self.damage(folder)


class Place:
    """A machine, its host, and the steps it told."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        self.host = WatchedHost(home, home.name)
        self.machine = RemoteMachine(self.host)
        self.job = home / ".ga" / "jobs" / "job-1"
        self.steps: list[StepProgress] = []

    def prepare(self, work: WorkSpec) -> list[str]:
        """Returns the round trips that it took."""
        self.host.trips.clear()
        self.machine.prepare(work, self.steps.append)
        return list(self.host.trips)

    def start(self, work: WorkSpec, generation: int, command: str = "python3 train.py") -> None:
        self.machine.start(
            work,
            StartSpec(
                generation=generation,
                site=self.host.label,
                command=command,
                signal="SIGUSR1",
                grace_s=20,
                sample_s=0.2,
                power=PowerModel(idle_w=50, busy_w=300),
                epoch_s=time.time(),
            ),
        )

    def wait(self, generation: int, until: Callable[[Poll], object]) -> Poll:
        deadline = time.monotonic() + 30
        while not until(poll := self.machine.poll("job-1", generation, 0)):
            assert time.monotonic() < deadline, poll
            time.sleep(0.05)
        return poll

    def stop(self, generation: int) -> ExitRecord:
        self.machine.request_stop("job-1", generation, signal="SIGUSR1", grace_s=20)
        ended = self.wait(generation, lambda poll: poll.status.exit and not poll.status.lock_held).status.exit
        assert ended
        return ended


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Place, Place]]:
    monkeypatch.setenv("GA_METER", "model")
    both = Place(tmp_path / "oslo"), Place(tmp_path / "rome")
    yield both
    for place in both:
        place.machine.teardown("job-1")
        assert not place.job.exists()


@pytest.fixture
def work(tmp_path: Path) -> WorkSpec:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train.py").write_text(TRAIN)
    (folder / "scratch.tmp").write_text("not copied")
    return WorkSpec(job_id="job-1", work_folder=folder, exclude=("*.tmp",))


def test_a_job_moves_from_one_machine_to_another(places: tuple[Place, Place], work: WorkSpec, tmp_path: Path) -> None:
    oslo, rome = places
    kept = tmp_path / "kept"
    oslo.prepare(work)
    oslo.start(work, 1)
    oslo.start(work, 1)
    with pytest.raises(LockHeld):
        oslo.start(work, 2)
    oslo.wait(1, lambda poll: poll.progress)
    ended = oslo.stop(1)
    assert (ended.exit_code, ended.stop_requested, ended.forced) == (75, True, False)
    with pytest.raises(StaleGeneration):
        oslo.start(work, 1)
    poll = oslo.machine.poll("job-1", 1, 0)
    assert [saved.step for saved in poll.checkpoints] == [poll.progress[-1].step]
    (checkpoint,) = oslo.machine.checkpoints("job-1")
    assert (checkpoint.step, checkpoint.files) == (poll.progress[-1].step, 2)

    oslo.machine.fetch_checkpoint("job-1", checkpoint, kept, oslo.steps.append)
    rome.prepare(work)
    rome.machine.send_checkpoint("job-1", checkpoint, kept, rome.steps.append)
    assert rome.machine.checkpoints("job-1") == [checkpoint]
    rome.start(work, 2)
    first = rome.wait(2, lambda poll: poll.progress).progress[0]
    assert first.step > checkpoint.step
    assert rome.machine.logs("job-1", 2, 0, 1000) == f"from {checkpoint.step}\n".encode()
    assert rome.machine.logs("job-1", 2, 5, 1) == str(checkpoint.step)[:1].encode()
    assert {step.what for step in rome.steps} >= {"checking", "copying work folder", "copying checkpoint"}

    for place in places:
        place.host.trips.clear()
    oslo.machine.fetch_checkpoint("job-1", checkpoint, kept, oslo.steps.append)
    rome.stop(2)
    rome.machine.send_checkpoint("job-1", checkpoint, kept, rome.steps.append)
    assert "push" not in rome.host.trips
    assert oslo.host.trips == []
    # What generation 2 went on to do was given up by sending the older checkpoint again.
    assert rome.machine.checkpoints("job-1") == [checkpoint]


def test_preparing_again_is_quick_and_leaves_what_scripts_wrote(places: tuple[Place, Place], work: WorkSpec) -> None:
    oslo, _ = places
    work = replace(work, setup=("echo one >> out.txt", "echo $MINE >> out.txt"), env={"MINE": "two"})
    first = oslo.prepare(work)
    assert (oslo.job / "work" / "out.txt").read_text() == "one\ntwo\n"
    assert not (oslo.job / "work" / "scratch.tmp").exists()
    assert oslo.prepare(work) == ["run", "push"]
    assert len(first) == 1 + 2 + 1 + 2
    (oslo.job / "agent.pyz").write_text("damaged")
    (work.work_folder / "train.py").write_text("new")
    assert oslo.prepare(work) == ["run", "run", "push"]
    assert (oslo.job / "agent.pyz").read_bytes() == agent_zip()
    assert (oslo.job / "work" / "train.py").read_text() == "new"
    assert (oslo.job / "work" / "out.txt").read_text() == "one\ntwo\n"
    assert [(step.detail, step.done, step.total) for step in oslo.steps if step.what == "setting up"] == [
        ("echo one >> out.txt", 0, 2),
        ("echo $MINE >> out.txt", 1, 2),
    ]
    assert oslo.job.stat().st_mode & 0o777 == 0o700


def test_a_failed_setup_step_is_told_and_the_next_try_goes_on_there(
    places: tuple[Place, Place], work: WorkSpec
) -> None:
    oslo, _ = places
    work = replace(work, setup=("echo first >> out.txt", "echo broken >&2; test -f fixed; false; true"))
    with pytest.raises(GaError) as raised:
        oslo.prepare(work)
    assert "set-up step 2 of 2" in str(raised.value)
    assert "exit code 1:\nbroken" in str(raised.value)
    assert "broken" in (oslo.job / "setup.log").read_text()
    with pytest.raises(GaError):
        oslo.prepare(work)
    assert (oslo.job / "work" / "out.txt").read_text() == "first\n"
    oslo.prepare(replace(work, setup=(work.setup[0], "echo fixed >> out.txt")))
    assert (oslo.job / "work" / "out.txt").read_text() == "first\nfirst\nfixed\n"


@pytest.mark.parametrize(
    ("missing", "hint"), [("rsync", "apt-get install rsync"), ("python3", "apt-get install python3")]
)
def test_a_missing_program_is_named(
    places: tuple[Place, Place],
    work: WorkSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
    hint: str,
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in {"sh", "python3", "rsync"} - {missing}:
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(programs))
        with pytest.raises(GaError, match=hint):
            places[0].prepare(work)


def test_too_little_space_is_refused(places: tuple[Place, Place], work: WorkSpec) -> None:
    with pytest.raises(DiskFull, match=r"expected 1073741824\.0 GiB"):
        places[0].prepare(replace(work, min_free_bytes=1 << 60))


def save_step(place: Place, step: int, content: bytes = b"weights") -> None:
    folder = place.job / "checkpoints" / f"step-{step:09d}"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(content)
    files = [{"path": "model.bin", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}]
    digest = manifest_digest(files)
    manifest = {"format": 1, "step": step, "files": files, "sha256": digest}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def damage(times: int) -> Callable[[Path], None]:
    left = [times]

    def flip(folder: Path) -> None:
        if left[0] > 0:
            left[0] -= 1
            (folder / "model.bin").write_bytes(b"WEIGHTS")

    return flip


def test_a_damaged_copy_is_made_again_once(places: tuple[Place, Place], work: WorkSpec, tmp_path: Path) -> None:
    oslo, rome = places
    for place in places:
        place.prepare(work)
    save_step(oslo, 5)
    (checkpoint,) = oslo.machine.checkpoints("job-1")
    for place, copy in ((oslo, oslo.machine.fetch_checkpoint), (rome, rome.machine.send_checkpoint)):
        place.host.damage = damage(times=2)
        with pytest.raises(CheckpointInvalid, match=r"model\.bin"):
            copy("job-1", checkpoint, tmp_path / "kept", place.steps.append)
        place.host.damage = damage(times=1)
        copy("job-1", checkpoint, tmp_path / "kept", place.steps.append)
    assert (tmp_path / "kept" / "step-000000005" / "model.bin").read_bytes() == b"weights"
    assert rome.machine.checkpoints("job-1") == [checkpoint]


def test_damage_on_either_side_is_told_apart(places: tuple[Place, Place], work: WorkSpec, tmp_path: Path) -> None:
    oslo, rome = places
    for place in places:
        place.prepare(work)
    save_step(oslo, 5)
    (checkpoint,) = oslo.machine.checkpoints("job-1")
    kept = tmp_path / "kept"
    oslo.machine.fetch_checkpoint("job-1", checkpoint, kept, oslo.steps.append)
    (kept / checkpoint.name / "model.bin").write_bytes(b"WEIGHTS")
    with pytest.raises(CheckpointInvalid, match="copy on this machine is damaged"):
        rome.machine.send_checkpoint("job-1", checkpoint, kept, rome.steps.append)
    # A damaged local copy is replaced by fetching again; a damaged source is refused and the local copy stays.
    oslo.machine.fetch_checkpoint("job-1", checkpoint, kept, oslo.steps.append)
    assert (kept / checkpoint.name / "model.bin").read_bytes() == b"weights"
    (oslo.job / "checkpoints" / checkpoint.name / "model.bin").write_bytes(b"WEIGHTS")
    oslo.machine.fetch_checkpoint("job-1", checkpoint, kept, oslo.steps.append)
    with pytest.raises(CheckpointInvalid, match="files there are damaged"):
        oslo.machine.fetch_checkpoint("job-1", checkpoint, tmp_path / "other", oslo.steps.append)
    with pytest.raises(CheckpointInvalid, match="expected checkpoint"):
        oslo.machine.fetch_checkpoint("job-1", replace(checkpoint, sha256="0" * 64), kept, oslo.steps.append)


def test_only_complete_checkpoints_count_newest_first(places: tuple[Place, Place], work: WorkSpec) -> None:
    oslo, _ = places
    oslo.prepare(work)
    for step in (30, 4, 200, 1000):
        save_step(oslo, step)
    folder = oslo.job / "checkpoints"
    (folder / "step-000000200" / "model.bin").write_bytes(b"short")
    (folder / "step-000001000" / "manifest.json").write_text("{}")
    (folder / "step-000000030").rename(folder / ".tmp-step-000000030")
    assert [one.step for one in oslo.machine.checkpoints("job-1")] == [4]


def test_a_folder_without_manifests_is_one_checkpoint(
    places: tuple[Place, Place], work: WorkSpec, tmp_path: Path
) -> None:
    oslo, rome = places
    kept = tmp_path / "kept"
    work = replace(work, checkpoint_path="out/ckpt")
    command = (
        'mkdir -p "$GA_CHECKPOINT_DIR/deep"; cd "$GA_CHECKPOINT_DIR"; cat last.pt; '
        'echo "weights $GA_GENERATION" > last.pt; echo a > deep/a; echo half > .tmp-half; sleep %s'
    )
    (work.work_folder / "out" / "ckpt").mkdir(parents=True)
    (work.work_folder / "out" / "ckpt" / "last.pt").write_text("of an earlier run on the controller")
    oslo.prepare(work)
    oslo.start(work, 1, command % 60)
    oslo.wait(1, lambda _: (oslo.job / "work" / "out" / "ckpt" / ".tmp-half").exists())
    assert oslo.machine.checkpoints("job-1") == []
    oslo.stop(1)
    (first,) = oslo.machine.checkpoints("job-1")
    assert (first.name, first.step, first.files) == ("whole", -1, 2)
    oslo.machine.fetch_checkpoint("job-1", first, kept, oslo.steps.append)
    assert (kept / "whole" / "last.pt").read_text() == "weights 1\n"

    rome.prepare(work)
    (rome.job / "work" / "out" / "ckpt" / "stale.pt").write_text("from long ago")
    rome.machine.send_checkpoint("job-1", first, kept, rome.steps.append)
    assert rome.machine.checkpoints("job-1") == [first]
    assert not (rome.job / "work" / "out" / "ckpt" / "stale.pt").exists()
    rome.prepare(work)
    rome.start(work, 2, command % 0)
    rome.wait(2, lambda poll: poll.status.exit)
    assert rome.machine.logs("job-1", 2, 0, 100) == b"weights 1\n"
    (second,) = rome.machine.checkpoints("job-1")
    assert second.sha256 != first.sha256
    rome.machine.fetch_checkpoint("job-1", second, kept, rome.steps.append)
    assert (kept / "whole" / "last.pt").read_text() == "weights 2\n"
    assert sorted(path.name for path in kept.iterdir()) == ["whole"]


def test_teardown_kills_and_removes_and_may_be_repeated(places: tuple[Place, Place], work: WorkSpec) -> None:
    oslo, _ = places
    oslo.machine.teardown("job-1")
    oslo.prepare(work)
    oslo.start(work, 1)
    oslo.wait(1, lambda poll: poll.progress)
    oslo.machine.teardown("job-1")
    assert not oslo.job.exists()
    assert oslo.machine.checkpoints("job-1") == []
    with pytest.raises(GaError, match="no folder on this machine"):
        oslo.machine.poll("job-1", 1, 0)


def test_long_telemetry_arrives_whole(places: tuple[Place, Place], work: WorkSpec) -> None:
    oslo, _ = places
    oslo.prepare(work)
    oslo.start(work, 1, "true")
    last = oslo.wait(1, lambda poll: poll.status.exit).status.last_seq
    path = oslo.job / "gen" / "1" / "telemetry.jsonl"
    record = '{{"seq":{},"t":1.0,"kind":"progress","step":{},"pad":"{}"}}\n'
    with path.open("a") as file:
        file.writelines(record.format(seq, seq, "x" * 900) for seq in range(last + 1, last + 3001))
    poll = oslo.machine.poll("job-1", 1, last)
    assert [progress.seq for progress in poll.progress] == list(range(last + 1, last + 3001))
    assert poll.status.last_seq == last + 3000
