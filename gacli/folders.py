"""Every path of `ga`'s state folder, in one place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folders:
    """The state folder's layout; nothing is made until it is needed."""

    root: Path

    @classmethod
    def of_user(cls) -> Folders:
        """`$GA_STATE_DIR`, else `$XDG_STATE_HOME/ga`, else `~/.local/state/ga`."""
        chosen = os.environ.get("GA_STATE_DIR")
        if chosen:
            return cls(Path(chosen).expanduser().absolute())
        base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        return cls(Path(base).expanduser() / "ga")

    def make(self) -> None:
        """Create the root, readable by the user alone."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def database(self) -> Path:
        return self.root / "ga.db"

    @property
    def answers(self) -> Path:
        """What carbon services have answered: only a cache."""
        return self.root / "answers.db"

    @property
    def store_id(self) -> Path:
        """Tells this state folder's instances from those of others."""
        return self.root / "store-id"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def pins(self) -> Path:
        return self.root / "pins"

    def provider(self, name: str) -> Path:
        return self.root / "providers" / name

    def job(self, job_id: str) -> Path:
        return self.root / "jobs" / job_id

    def checkpoints(self, job_id: str) -> Path:
        """The controller's verified copies."""
        return self.job(job_id) / "checkpoints"

    def telemetry(self, job_id: str, generation: int) -> Path:
        """The agent's JSON lines of one generation, verbatim."""
        return self.job(job_id) / "telemetry" / f"g{generation:04d}.jsonl"

    def controller_log(self, job_id: str) -> Path:
        return self.job(job_id) / "controller.log"

    def controller_lock(self, job_id: str) -> Path:
        return self.job(job_id) / "controller.lock"

    def trainer_log(self, job_id: str, generation: int) -> Path:
        """The trainer's output of one generation, as far as it has been fetched."""
        return self.job(job_id) / "logs" / f"g{generation:04d}.log"
