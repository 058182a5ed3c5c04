"""The example's training, with checkpoints that take a while to copy: `train_large.py MIB ARGUMENTS…`.

It does not tell how many steps it will do: the policy would spare it moves that pay too late.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ga_trainer
import numpy as np
import train  # type: ignore[import-not-found]  # the example, which lies beside this file where it runs

MIB = int(sys.argv.pop(1))


class Training(train.Training):  # type: ignore[misc]  # for the same reason
    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "ballast.bin").write_bytes(np.random.default_rng(self.step).bytes(MIB << 20))


class Run(ga_trainer.Run):
    def report(self, *, step: int, total_steps: int | None = None, loss: object = None, **metrics: object) -> None:
        super().report(step=step, loss=loss, **metrics)


train.Training, ga_trainer.Run = Training, Run  # type: ignore[misc]
train.main()
