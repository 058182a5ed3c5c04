"""Tasks: started once, looked at without blocking, their result taken once."""

from __future__ import annotations

import threading

import pytest

from gacli.engine.tasks import Done, InlineTasks, ThreadTasks
from gacli.ports.machine import OnStep, StepProgress


def test_a_task_runs_beside_the_loop_and_is_taken_once() -> None:
    tasks, gate, calls = ThreadTasks(), threading.Event(), []

    def work(on_step: OnStep) -> int:
        calls.append(1)
        on_step(StepProgress(what="copying", done=1.0, total=2.0))
        gate.wait(10)
        return 7

    assert tasks.once("copy", work) is None
    assert tasks.busy("copy")
    while not tasks.progress():
        pass
    assert tasks.progress()["copy"].what == "copying"
    assert tasks.once("copy", work) is None
    gate.set()
    done: Done[int] | None = None
    while done is None:
        done = tasks.once("copy", work)
    assert done.unwrap() == 7
    assert calls == [1]
    assert not tasks.busy("copy")
    assert tasks.progress() == {}
    tasks.close()


def test_an_error_is_handed_over_not_lost() -> None:
    def fail(_on_step: OnStep) -> None:
        raise OSError("disk")

    done = InlineTasks().once("x", fail)
    assert done is not None
    with pytest.raises(OSError, match="disk"):
        done.unwrap()


def test_closing_does_not_wait_for_what_hangs() -> None:
    tasks, gate = ThreadTasks(workers=1), threading.Event()
    tasks.once("hangs", lambda _on_step: gate.wait(60))
    tasks.close()
    gate.set()
