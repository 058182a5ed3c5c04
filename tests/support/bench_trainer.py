"""The training whose moves are timed: its checkpoint, its record of steps, and what it needs by itself."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.bench_link import PlainCopy
from support.waiting import wait_for

import ga_trainer

SCRIPT = Path(__file__).parents[1] / "data" / "bench" / "heavy.py"
_SHARDS = 4
# `ga_trainer` says so when it leaves because it was asked to.
_STOPPED = 75


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """One start of the script; real seconds since 1970. saved_s: None while no checkpoint was asked for."""

    process_s: float
    first_step_s: float
    last_step_s: float
    last_step: int
    saved_s: float | None

    @property
    def load_s(self) -> float:
        """From the start of its process to its first step: Python, the checkpoint read and hashed, one step."""
        return self.first_step_s - self.process_s

    @property
    def save_s(self) -> float:
        """From the last step to a checkpoint that is hashed, on the disk, and in its place."""
        assert self.saved_s is not None
        return self.saved_s - self.last_step_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Heavy:
    """The script with checkpoints of `size_bytes`, in four files; it writes into `record`."""

    record: Path
    size_bytes: int

    @property
    def command(self) -> str:
        """For a shell in the folder of the script."""
        words = ["exec", "python3", SCRIPT.name, str(self.record), str(_SHARDS), str(self.size_bytes // _SHARDS)]
        return shlex.join(words)

    def life(self, generation: int) -> Life | None:
        """None until it has made a step."""
        text = self.record.read_text() if self.record.exists() else ""
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        noted: dict[str, list[dict[str, Any]]] = {"process": [], "step": [], "saved": []}
        for line in lines:
            if line["generation"] == generation:
                noted[line["what"]].append(line)
        if not noted["step"]:
            return None
        return Life(
            process_s=noted["process"][0]["at_s"],
            first_step_s=noted["step"][0]["at_s"],
            last_step_s=noted["step"][-1]["at_s"],
            last_step=noted["step"][-1]["step"],
            saved_s=noted["saved"][-1]["at_s"] if noted["saved"] else None,
        )

    def train_alone(self, folder: Path, generation: int) -> Life:
        """Without `ga`: from the checkpoint in `folder`, if there is one, to the next."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(ga_trainer.__file__).parent),
            "GA_CHECKPOINT_DIR": str(folder),
            "GA_GENERATION": str(generation),
        }
        with subprocess.Popen(["/bin/sh", "-c", self.command], cwd=SCRIPT.parent, env=environment) as trainer:
            try:
                wait_for(lambda: self.life(generation), "the script's first step", within_s=120)
                trainer.send_signal(signal.SIGUSR1)
                code = trainer.wait(timeout=120)
            finally:
                trainer.kill()
        assert code == _STOPPED, f"{self.command}: expected exit code {_STOPPED}, found {code}"
        life = self.life(generation)
        assert life is not None
        return life


class Alone:
    """What a move cannot save: the script, and a copy of its checkpoint, each by itself."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder
        self._heavy = Heavy(record=folder.with_suffix(".jsonl"), size_bytes=size_bytes)
        self._starts = 0
        self._loads_s: list[float] = []
        self._copies_s: list[float] = []

    def measure(self, copy: Callable[[Path], PlainCopy]) -> None:
        """Once more, in the order of a move: a fresh checkpoint is copied, and the script loads what has arrived."""
        self._train(self.folder)
        copied = copy(self.folder)
        self._copies_s.append(copied.taken_s)
        self._loads_s.append(self._train(copied.folder).load_s)
        shutil.rmtree(copied.folder)

    def _train(self, folder: Path) -> Life:
        self._starts += 1
        return self._heavy.train_alone(folder, self._starts)

    @property
    def load_s(self) -> float:
        return statistics.median(self._loads_s)

    @property
    def copy_s(self) -> float:
        return statistics.median(self._copies_s)
