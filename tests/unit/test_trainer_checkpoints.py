"""Saving and restoring: all or nothing, verified, and never the last good one lost."""

from __future__ import annotations

import ast
import errno
import hashlib
import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ga_trainer

# Every save waits for the disk, however long that takes.
on_a_disk = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

CONTENT = {"weights.bin": b"\x00\x01" * 300, "deep/er/state.json": b"{}", ".hidden": b"", "ünï": b"x"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GA_CHECKPOINT_DIR", str(tmp_path / "checkpoints"))
    for name in ("GA_PROGRESS_FILE", "GA_STOP_SIGNAL", "GA_NODE_RANK", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with signals_kept():
        yield tmp_path / "checkpoints"


class signals_kept:  # noqa: N801 - reads as a statement
    def __enter__(self) -> None:
        self.before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


def fill(folder: Path, content: dict[str, bytes]) -> None:
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def save(run: ga_trainer.Run, step: int, content: dict[str, bytes] | None = None) -> None:
    with run.save(step) as folder:
        fill(folder, content or {"weights.bin": b"%d" % step})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path != folder / "manifest.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_travels_alone_to_python_3_8() -> None:
    source = Path(ga_trainer.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 8))
    assert len(source.splitlines()) <= 400


def test_nothing_saved_yet(folder: Path) -> None:
    run = ga_trainer.Run()
    assert run.restore() is None
    assert not folder.exists()


def test_works_without_ga(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GA_CHECKPOINT_DIR")
    run = ga_trainer.Run()
    save(run, 1)
    restored = run.restore()
    assert restored is not None
    assert restored.path == Path.cwd() / "checkpoints" / "step-000000001"


def test_save_and_restore(folder: Path) -> None:
    run = ga_trainer.Run()
    save(run, 120, CONTENT)
    restored = run.restore()
    assert restored is not None
    assert (restored.step, restored.path) == (120, folder / "step-000000120")
    assert read(restored.path) == CONTENT
    assert ga_trainer.Run().restore() == restored


@pytest.mark.parametrize("step", [-1, 1_000_000_000])
def test_steps_that_have_no_name(folder: Path, step: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 999999999"), ga_trainer.Run().save(step):
        pass


def test_step_that_is_no_whole_number(folder: Path) -> None:
    with pytest.raises(TypeError), ga_trainer.Run().save(1.5):  # type: ignore[arg-type]
        pass


@pytest.mark.parametrize("keep", [0, -1])
def test_keep_is_one_or_more(folder: Path, keep: int) -> None:
    with pytest.raises(ValueError, match="keep must be 1 or more"):
        ga_trainer.Run(keep=keep)


def link_inside(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")


def pipe_inside(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def own_manifest(folder: Path) -> None:
    fill(folder, {"manifest.json": b"{}", "weights.bin": b"1"})


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda _: None, "nothing was written"),
        (lambda folder: (folder / "empty").mkdir(), "nothing was written"),
        (link_inside, "plain files only"),
        (pipe_inside, "plain files only"),
        (own_manifest, "manifest.json is the checkpoint's own file"),
    ],
)
def test_what_is_no_checkpoint(folder: Path, misuse: Callable[[Path], object], message: str) -> None:
    run = ga_trainer.Run()
    save(run, 1)
    with pytest.raises(ValueError, match=message), run.save(2) as inside:
        misuse(inside)
    assert names(folder) == ["step-000000001"]


def save_and_fail(run: ga_trainer.Run, step: int, problem: BaseException) -> None:
    with run.save(step) as folder:
        fill(folder, CONTENT)
        raise problem


@pytest.mark.parametrize("problem", [OSError(errno.ENOSPC, "disk full"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("again", [False, True])
def test_exception_in_the_body_leaves_nothing(folder: Path, problem: BaseException, again: bool) -> None:
    run = ga_trainer.Run(keep=1)
    save(run, 1)
    step = 1 if again else 2
    with pytest.raises(type(problem)):
        save_and_fail(run, step, problem)
    assert names(folder) == ["step-000000001"]
    assert read(ga_trainer.verify(folder / "step-000000001").path) == {"weights.bin": b"1"}


def fails_at(real: Callable[..., object], number: int) -> mock.Mock:
    """`real`, but call `number` (from 0) finds the disk full."""
    calls = iter(range(1000))

    def perhaps(*arguments: object) -> object:
        if next(calls) == number:
            raise OSError(errno.ENOSPC, "disk full")
        return real(*arguments)

    return mock.Mock(side_effect=perhaps)


@pytest.mark.parametrize("function", ["fsync", "rename"])
@pytest.mark.parametrize("step", [7, 8], ids=["replacing", "adding"])
def test_failure_at_every_point_keeps_a_good_checkpoint(
    folder: Path, monkeypatch: pytest.MonkeyPatch, function: str, step: int
) -> None:
    """keep=1 and a replaced step are the hardest: there is no other checkpoint to fall back to."""
    real = getattr(os, function)
    failures = 0
    for number in range(20):
        run = ga_trainer.Run(keep=1)
        monkeypatch.setattr(os, function, real)
        for path in folder.glob("*"):
            path.rename(folder.parent / f"{path.name}-of-{number}")
        save(run, 7)
        monkeypatch.setattr(os, function, fails_at(real, number))
        try:
            save(run, step, CONTENT)
        except OSError:
            failures += 1
        else:
            break
        assert all(name.startswith("step-") for name in names(folder))
        restored = run.restore()
        assert restored is not None
        assert read(restored.path) in ({"weights.bin": b"7"}, CONTENT)
    # Written to disk: 4 files, 2 folders, the manifest, the checkpoint's folder, and the folder that lists it.
    assert failures == (2 if function == "rename" else 9)
    assert names(folder) == [f"step-{step:09d}"]


@on_a_disk
@given(st.lists(st.integers(0, 12), min_size=1, max_size=10), st.integers(1, 4))
def test_keeps_the_newest(steps: list[int], keep: int) -> None:
    with tempfile.TemporaryDirectory() as scratch, signals_kept():
        with mock.patch.dict(os.environ, {"GA_CHECKPOINT_DIR": scratch}):
            run = ga_trainer.Run(keep=keep)
        expected: set[int] = set()
        for step in steps:
            save(run, step)
            later = {other for other in expected if other > step}
            expected = later | set(sorted((expected - later) | {step})[-keep:])
            assert names(Path(scratch)) == [f"step-{number:09d}" for number in sorted(expected)]


def test_saving_a_step_again_replaces_it(folder: Path) -> None:
    run = ga_trainer.Run()
    save(run, 5)
    save(run, 5, CONTENT)
    assert names(folder) == ["step-000000005"]
    assert read(ga_trainer.verify(folder / "step-000000005").path) == CONTENT


def spoil_file(checkpoint: Path) -> None:
    (checkpoint / "weights.bin").write_bytes(b"X")


def lose_file(checkpoint: Path) -> None:
    (checkpoint / "weights.bin").unlink()


def link_file(checkpoint: Path) -> None:
    (checkpoint / "weights.bin").rename(checkpoint.parent / "elsewhere")
    (checkpoint / "weights.bin").symlink_to("../elsewhere")


def change_manifest(key: str, value: object) -> Callable[[Path], None]:
    def change(checkpoint: Path) -> None:
        manifest = json.loads((checkpoint / "manifest.json").read_text())
        (checkpoint / "manifest.json").write_text(json.dumps({**manifest, key: value}))

    return change


def escape(checkpoint: Path) -> None:
    """A manifest that agrees with itself and points outside."""
    files = [("../step-000000001/weights.bin", 1, hashlib.sha256(b"1").hexdigest())]
    entries = [dict(zip(("path", "size", "sha256"), file, strict=True)) for file in files]
    manifest = {"format": 1, "step": 2, "files": entries, "sha256": ga_trainer.digest(files)}
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "damage",
    [
        spoil_file,
        lose_file,
        link_file,
        escape,
        lambda checkpoint: (checkpoint / "manifest.json").write_bytes(b"\xff\x00"),
        lambda checkpoint: (checkpoint / "manifest.json").write_text("[1]"),
        change_manifest("format", 2),
        change_manifest("step", 3),
        change_manifest("step", "2"),
        change_manifest("files", []),
        change_manifest("files", [{"path": "weights.bin"}]),
        change_manifest("sha256", "0" * 64),
    ],
)
def test_damaged_newest_falls_back_and_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], object]
) -> None:
    run = ga_trainer.Run(keep=2)
    save(run, 1)
    save(run, 2)
    damage(folder / "step-000000002")
    restored = run.restore()
    assert restored is not None
    assert restored.step == 1
    assert "step-000000002 cannot be used" in caplog.text
    assert not (folder / "step-000000002").exists(), "it must not be taken for the newest by anybody else"
    caplog.clear()
    assert run.restore() == restored
    assert not caplog.text
    save(run, 3)
    assert [name for name in names(folder) if name != "elsewhere"] == ["step-000000001", "step-000000003"]


def test_garbage_is_ignored_and_left_alone(folder: Path) -> None:
    run = ga_trainer.Run(keep=1)
    save(run, 4)
    garbage = ["step-000000009", "step-12", "step-00000001x", "best", ".git"]
    for name in garbage:
        fill(folder / name, {"weights.bin": b"?"})
    fill(folder / "step-0000000099", {"manifest.json": b"{}"})
    fill(folder, {"step-000000008": b"a file"})
    restored = run.restore()
    assert restored is not None
    assert restored.step == 4
    save(run, 5)
    assert set(names(folder)) == {*garbage, "step-0000000099", "step-000000008", "step-000000005"}


def test_what_a_killed_save_left_is_swept(folder: Path) -> None:
    run = ga_trainer.Run()
    save(run, 1)
    fill(folder / ".tmp-step-000000002", {"weights.bin": b"half"})
    (folder / "step-000000001").rename(folder / ".old-step-000000001")  # killed between two renames
    restored = ga_trainer.Run().restore()
    assert restored is not None
    assert restored.step == 1
    assert names(folder) == ["step-000000001"]


@pytest.mark.parametrize(
    ("environment", "writes"),
    [
        ({}, True),
        ({"GA_NODE_RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"GA_NODE_RANK": "0", "LOCAL_RANK": "1"}, False),
        ({"GA_NODE_RANK": "1"}, False),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "8", "LOCAL_RANK": "0", "GA_NODE_RANK": "1"}, False),
    ],
)
def test_only_rank_zero_writes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], writes: bool
) -> None:
    save(ga_trainer.Run(), 1)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GA_PROGRESS_FILE", str(folder / "progress"))
    run = ga_trainer.Run()
    assert run.is_writer == writes
    assert run.restore() is not None
    run.report(step=1)
    assert (folder / "progress").exists() == writes
    if not writes:
        with pytest.raises(RuntimeError, match=r"if run\.is_writer"):
            save(run, 2)
