"""Where a job and each of its generations keep their files."""

from __future__ import annotations

import os
from typing import Optional

from .files import Json, read_json, read_tail


class Run:
    """Where one generation keeps its files."""

    def __init__(self, job_dir: str, generation: int) -> None:
        self.job_dir = job_dir
        self.generation = generation
        self.folder = os.path.join(job_dir, "gen", str(generation))

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def read(self, name: str) -> Optional[Json]:
        return read_json(self.path(name))

    def has(self, name: str) -> bool:
        return os.path.exists(self.path(name))

    def tail(self) -> str:
        text = read_tail(self.path("trainer.log"), 4096).decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-20:])


def recorded_generation(job_dir: str) -> int:
    try:
        with open(os.path.join(job_dir, "generation")) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def checkpoint_folder(job_dir: str) -> str:
    noted = read_json(os.path.join(job_dir, "job.json")) or {}
    return os.path.realpath(os.path.join(job_dir, str(noted.get("checkpoint_dir", "checkpoints"))))
