"""What a run tells, and how it hears that it should stop."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ga_trainer

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("GA_STOP_SIGNAL", "GA_NODE_RANK", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GA_CHECKPOINT_DIR", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GA_PROGRESS_FILE", str(tmp_path / "progress.jsonl"))
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield tmp_path / "progress.jsonl"
    for number, handler in before.items():
        signal.signal(number, handler)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_what_is_written(file: Path) -> None:
    run = ga_trainer.Run()
    run.report(step=1, total_steps=3, loss=0.25, accuracy=0.5)
    run.report(step=2, total_steps=3, loss=0.125)
    with run.save(2) as folder:
        (folder / "weights").write_bytes(b"12345")
    run.report(step=3, total_steps=3)
    run.complete()
    written = lines(file)
    assert written[3].pop("duration_s") >= 0.0
    assert written == [
        {"kind": "progress", "step": 1, "total": 3, "loss": 0.25, "metrics": {"accuracy": 0.5}},
        {"kind": "progress", "step": 2, "total": 3, "loss": 0.125, "metrics": {}},
        {"kind": "save_begin"},
        {"kind": "saved", "name": "step-000000002", "step": 2, "bytes": 5},
        {"kind": "progress", "step": 3, "total": 3, "loss": None, "metrics": {}},
        {"kind": "complete"},
    ]


@given(st.lists(st.floats(0.0, 0.3), min_size=1, max_size=60), st.booleans())
def test_throttled_but_first_and_last_always(pauses: list[float], total_known: bool) -> None:
    now_s = 1000.0
    at_s: list[float] = []
    written: list[int] = []
    progress = ga_trainer.Progress("unused", clock=lambda: now_s)

    def take(make: Any) -> None:
        written.append(make()["step"])
        at_s.append(now_s)

    progress._append = take  # type: ignore[method-assign]
    for step, pause in enumerate(pauses, start=1):
        now_s += pause
        progress.report(step, len(pauses) if total_known else None, None, {})
    assert written[0] == 1
    if total_known:
        assert written[-1] == len(pauses)
    throttled = at_s[:-1] if total_known else at_s
    assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(throttled))
    progress.flush()
    progress.flush()
    assert written[-1] == len(pauses)
    assert written == sorted(set(written)), "each at most once, in order"


def test_values_are_converted_only_when_written(file: Path) -> None:
    class OnGpu:
        waited = 0

        def __float__(self) -> float:
            self.waited += 1
            return 0.5

    loss = OnGpu()
    progress = ga_trainer.Progress(str(file), clock=lambda: 0.0)
    for step in range(1, 100):
        progress.report(step, None, loss, {})
    assert loss.waited == 1
    progress.flush()
    assert loss.waited == 2
    assert [line["step"] for line in lines(file)] == [1, 99]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_stays_json(file: Path, value: float) -> None:
    ga_trainer.Progress(str(file)).report(1, None, value, {"grad_norm": value, "fine": 1})
    assert lines(file) == [{"kind": "progress", "step": 1, "total": None, "loss": None, "metrics": {"fine": 1.0}}]


@pytest.mark.parametrize("place", ["/dev/full", "/nowhere/progress.jsonl"])
def test_trouble_is_told_once_and_training_goes_on(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    monkeypatch.setenv("GA_PROGRESS_FILE", place)
    run = ga_trainer.Run()
    for step in range(1, 4):
        run.report(step=step, total_steps=step)
    run.complete()
    assert caplog.text.count("training goes on") == 1
    assert place in caplog.text


def test_values_that_are_no_numbers_are_told(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = ga_trainer.Run()
    run.report(step=1, loss="low")
    run.report(step=2, total_steps=2, loss=0.5)
    assert caplog.text.count("training goes on") == 1
    assert [line["step"] for line in lines(file)] == [2]


def test_line_cut_short_spoils_no_later_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class HalfFull:
        def __init__(self, path: str, *_: object, **__: object) -> None:
            self.path = path

        def __enter__(self) -> HalfFull:
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, data: bytes) -> int:
            with Path(self.path).open("ab") as real:
                return real.write(data[:10])

    progress = ga_trainer.Progress(str(file))
    monkeypatch.setattr(ga_trainer, "open", HalfFull, raising=False)
    progress.write(kind="save_begin")
    monkeypatch.delattr(ga_trainer, "open")
    progress.write(kind="complete")
    assert json.loads(file.read_text().splitlines()[1]) == {"kind": "complete"}


def test_silent_without_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GA_PROGRESS_FILE")
    run = ga_trainer.Run()
    run.report(step=1, loss=0.5)
    run.complete()
    assert not file.exists()


@pytest.mark.parametrize(
    ("setting", "sent"),
    [(None, signal.SIGUSR1), (None, signal.SIGTERM), ("SIGUSR2", signal.SIGUSR2), ("SIGUSR2", signal.SIGTERM)],
)
def test_stop_signal(file: Path, monkeypatch: pytest.MonkeyPatch, setting: str | None, sent: signal.Signals) -> None:
    if setting:
        monkeypatch.setenv("GA_STOP_SIGNAL", setting)
    run = ga_trainer.Run()
    assert not run.should_stop()
    signal.raise_signal(sent)
    assert run.should_stop()
    with pytest.raises(SystemExit) as left:
        run.stop()
    assert left.value.code == ga_trainer.STOPPED == 75


def test_finished_script_ignores_a_late_request(file: Path) -> None:
    run = ga_trainer.Run()
    run.complete()
    signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(signal.SIGTERM)
    assert not run.should_stop()


def test_save_is_not_cut_by_the_signal(file: Path) -> None:
    run = ga_trainer.Run()
    with run.save(1) as folder:
        os.kill(os.getpid(), signal.SIGUSR1)
        (folder / "weights").write_bytes(b"1")
    assert run.should_stop()
    assert run.restore() is not None


def test_outside_the_main_thread_it_says_so(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    thread = threading.Thread(target=ga_trainer.Run)
    thread.start()
    thread.join()
    assert "cannot see requests to stop" in caplog.text
