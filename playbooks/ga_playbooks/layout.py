"""Where a job's files are on a machine, relative to the login's home."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from ga_playbooks.agent.nvml import BINDING
from gacli.errors import GaError
from gacli.ports.machine import WorkSpec

_JOB_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class JobFolder:
    """A job's folder on a machine. Its paths become part of commands there, so the id has plain characters only."""

    job_id: str

    def __post_init__(self) -> None:
        if not _JOB_ID.fullmatch(self.job_id):
            raise GaError(f"job id: expected letters, digits, '.', '_' and '-', found {self.job_id!r}")

    @property
    def path(self) -> str:
        return f".ga/jobs/{self.job_id}"

    @property
    def agent(self) -> str:
        return f"{self.path}/agent.pyz"

    @property
    def helper(self) -> str:
        return f"{self.path}/lib/ga_trainer.py"

    @property
    def nvml_binding(self) -> str:
        return f"{self.path}/lib/{BINDING}"

    @property
    def work(self) -> str:
        return f"{self.path}/work"


def checkpoint_folder(work: WorkSpec) -> str:
    """Where the script writes its checkpoints, relative to the job's folder."""
    if work.checkpoint_path is None:
        return "checkpoints"
    path = PurePosixPath(work.checkpoint_path)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise GaError(
            f"checkpoint path: expected a folder below the work folder, found {work.checkpoint_path!r}",
            hint="Let the script write to a folder of its own, such as `checkpoints`.",
        )
    return f"work/{path}"
