"""The example's training, with checkpoints that take a while to copy: `train_large.py MIB ARGUMENTS…`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import train  # type: ignore[import-not-found]  # the example, which lies beside this file where it runs

MIB = int(sys.argv.pop(1))


class Training(train.Training):  # type: ignore[misc]  # for the same reason
    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "ballast.bin").write_bytes(np.random.default_rng(self.step).bytes(MIB << 20))


train.Training = Training
train.main()
