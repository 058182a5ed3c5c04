"""`TorchState` puts back every source of difference, and writes equal states as equal bytes."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import Any

import pytest

import ga_trainer

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


class Parts:
    """A model with drop-out, running statistics and a layer that is first used late; an optimizer with momentum, a
    schedule, a scaler, an order.
    """

    def __init__(self) -> None:
        import torch

        self.model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5))
        self.late = torch.nn.Linear(8, 8)
        self.optimizer = torch.optim.AdamW([*self.model.parameters(), *self.late.parameters()], lr=0.1)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, max_lr=0.1, total_steps=50)
        self.scaler = torch.amp.GradScaler("cpu")
        self.order = torch.Generator().manual_seed(3)
        self.state = ga_trainer.TorchState(
            model=self.model,
            late=self.late,
            optimizer=self.optimizer,
            scheduler=self.scheduler,
            scaler=self.scaler,
            order=self.order,
        )

    def train(self, steps: int) -> None:
        import numpy as np
        import torch

        for _ in range(steps):
            images = torch.rand(6, 4) + torch.randperm(4, generator=self.order) * random.random()
            outputs = self.model(images)
            if self.scheduler.last_epoch >= 3:
                outputs = outputs + self.late(outputs)
            loss = (outputs * float(np.random.normal())).pow(2).mean()
            self.optimizer.zero_grad()
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.scheduler.step()


def saved(state: ga_trainer.TorchState, folder: Path) -> bytes:
    folder.mkdir()
    state.save(folder)
    return (folder / "state.pt").read_bytes()


@pytest.mark.parametrize("before", [0, 1, 7])
def test_goes_on_as_if_nothing_had_happened(tmp_path: Path, before: int) -> None:
    whole = Parts()
    whole.train(before)
    middle = saved(whole.state, tmp_path / "middle")
    whole.train(5)
    expected = saved(whole.state, tmp_path / "expected")

    other = Parts()
    other.train(3)
    random.random()
    other.state.load(tmp_path / "middle")
    assert saved(other.state, tmp_path / "again") == middle
    other.train(5)
    assert saved(other.state, tmp_path / "found") == expected
    assert middle != expected


def test_other_parts_are_refused(tmp_path: Path) -> None:
    parts = Parts()
    parts.state.save(tmp_path)
    with pytest.raises(ValueError, match=r"holds \[.*'model', .*\], expected \['model'\]"):
        ga_trainer.TorchState(model=parts.model).load(tmp_path)


def test_what_could_not_be_read_back_fails_at_the_save(tmp_path: Path) -> None:
    class Schedule:
        def state_dict(self) -> dict[str, Any]:
            return {"path": tmp_path}

    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        ga_trainer.TorchState(schedule=Schedule()).save(tmp_path)
