"""The states of a job and of the operation that places it, with their transitions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands.

    QUEUED → PLACING → RUNNING ⇄ MOVING; RUNNING → PAUSING → PAUSED → PLACING; RUNNING → FINISHING → DONE.
    PAUSED: by people, who will resume it. WAITING: by its policy, which decides when and where it goes on.
    BLOCKED: waits for a machine that does not answer; nothing is assumed about it.
    """

    QUEUED = "queued"
    PLACING = "placing"
    RUNNING = "running"
    MOVING = "moving"
    PAUSING = "pausing"
    PAUSED = "paused"
    WAITING = "waiting"
    BLOCKED = "blocked"
    FINISHING = "finishing"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        """True when nothing more will happen to the job."""
        return self in (JobState.DONE, JobState.FAILED, JobState.STOPPED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A verified checkpoint: a directory with a manifest.

    name: folder name under the checkpoint folder. step: training step it holds, -1 when the script told none.
    sha256: digest over the sorted (path, size, file sha256) of the manifest; equal content has an equal digest.
    size_bytes: sum of the files' sizes.
    """

    name: str
    step: int
    sha256: str
    size_bytes: int
    files: int
