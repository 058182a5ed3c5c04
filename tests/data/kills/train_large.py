"""The example's training, with checkpoints that take a while to copy: `train_large.py MIB ARGUMENTS…`.

It does not tell how many steps it will do: the policy would spare it moves that pay too late. Asked to stop, it lives
on for a while after its checkpoint is there: whoever takes that for its end starts a second trainer beside it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import train  # type: ignore[import-not-found]  # the example, which lies beside this file where it runs
from typing_extensions import override

import ga_trainer

LINGERS_S = 2.0
MIB = int(sys.argv.pop(1))


class Training(train.Training):  # type: ignore[misc]  # for the same reason
    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "ballast.bin").write_bytes(np.random.default_rng(self.step).bytes(MIB << 20))


class Run(ga_trainer.Run):
    @override
    def report(self, *, step: int, total_steps: int | None = None, loss: Any = None, **metrics: Any) -> None:
        super().report(step=step, loss=loss, **metrics)

    @override
    def stop(self) -> NoReturn:
        time.sleep(LINGERS_S)
        super().stop()


train.Training, ga_trainer.Run = Training, Run  # type: ignore[misc]
train.main()
