"""The adapters for Lightning and Hugging Face, driven through the hooks those frameworks call."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import ga_trainer


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ga_trainer.Run]:
    monkeypatch.setenv("GA_CHECKPOINT_DIR", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GA_PROGRESS_FILE", str(tmp_path / "progress.jsonl"))
    for name in ("GA_STOP_SIGNAL", "GA_NODE_RANK", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM)}
    yield ga_trainer.Run()
    for number, handler in before.items():
        signal.signal(number, handler)


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    """A module that has only the names the adapter uses; `a.b` is found below `a`."""
    parent, _, child = name.rpartition(".")
    if parent:
        stand_in(monkeypatch, parent, **{child: None})
    module = ModuleType(name)
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, name, module)


class Base:
    """What both frameworks' callback classes are here."""


class LightningTrainer:
    """Calls the hooks as Lightning's loop does: once a batch, with `global_step` counting optimizer steps."""

    def __init__(self, callback: Any, *, total: float) -> None:
        self.callback = callback
        self.estimated_stepping_batches = total
        self.global_step = 0
        self.should_stop = False
        self.others_stop = False
        self.strategy = SimpleNamespace(reduce_boolean_decision=lambda mine, all: mine or self.others_stop)  # noqa: A006
        self.saved: list[Path] = []

    def save_checkpoint(self, path: Path) -> None:
        self.saved.append(path)
        path.write_bytes(b"%d" % self.global_step)

    def batch(self, *, last_of_step: bool = True) -> None:
        self.global_step += last_of_step
        self.callback.on_train_batch_end(self, None, {"loss": 0.5}, None, 0)


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pytorch_lightning", raising=False)
    stand_in(monkeypatch, "lightning.pytorch", Callback=Base)


def test_lightning_saves_each_so_many_optimizer_steps(run: ga_trainer.Run, lightning: None) -> None:
    callback = ga_trainer.lightning_callback(run, every=2)
    assert issubclass(type(callback), Base)
    trainer = LightningTrainer(callback, total=float("inf"))
    callback.on_train_start(trainer, None)
    for _ in range(4):
        trainer.batch(last_of_step=False)
        trainer.batch()
        trainer.batch(last_of_step=False)
    assert sorted(path.name for path in run.folder.iterdir()) == ["step-000000002", "step-000000004"]
    assert len(trainer.saved) == 2
    assert not trainer.should_stop


@pytest.mark.parametrize("asked_here", [True, False])
def test_lightning_saves_and_stops_when_any_process_is_asked(
    run: ga_trainer.Run, lightning: None, asked_here: bool
) -> None:
    callback = ga_trainer.lightning_callback(run, every=1000)
    trainer = LightningTrainer(callback, total=10)
    callback.on_train_start(trainer, None)
    trainer.batch()
    if asked_here:
        signal.raise_signal(signal.SIGUSR1)
    trainer.others_stop = not asked_here
    trainer.batch()
    assert trainer.should_stop
    restored = run.restore()
    assert restored is not None
    assert (restored.path / "lightning.ckpt").read_bytes() == b"2"


def test_lightning_of_the_script_is_used(run: ga_trainer.Run, lightning: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class OlderBase:
        pass

    stand_in(monkeypatch, "pytorch_lightning", Callback=OlderBase)
    assert isinstance(ga_trainer.lightning_callback(run, every=1), OlderBase)


def test_transformers_save_becomes_a_checkpoint_and_the_request_a_save(
    run: ga_trainer.Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, "transformers", TrainerCallback=Base)
    stand_in(monkeypatch, "torch.distributed", is_available=lambda: False)
    callback = ga_trainer.transformers_callback(run)
    assert issubclass(type(callback), Base)
    arguments = SimpleNamespace(output_dir=str(tmp_path / "output"))
    state = SimpleNamespace(global_step=7, max_steps=9, log_history=[{"loss": 0.5}, {"loss": 0.25}, {"eval": 1}])
    control = SimpleNamespace(should_save=False, should_training_stop=False)

    callback.on_step_end(arguments, state, control, model=None)
    assert not control.should_save
    assert '"loss": 0.25' in (tmp_path / "progress.jsonl").read_text()

    signal.raise_signal(signal.SIGUSR1)
    callback.on_step_end(arguments, state, control, model=None)
    assert control.should_save
    assert control.should_training_stop

    (tmp_path / "output" / "checkpoint-7" / "part").mkdir(parents=True)
    (tmp_path / "output" / "checkpoint-7" / "part" / "model.bin").write_bytes(b"7")
    callback.on_save(arguments, state, control, model=None)
    restored = run.restore()
    assert restored is not None
    assert restored.step == 7
    assert (restored.path / "part" / "model.bin").read_bytes() == b"7"
