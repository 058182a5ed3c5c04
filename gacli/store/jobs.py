"""Jobs and their generations."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from datetime import datetime

from gacli.core.job import Checkpoint, JobState
from gacli.store.database import Database, to_json, to_text, to_time


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRecord:
    """One row of `jobs`. clock_*: see `gacli.clock.Anchor`. checkpoint: the controller's newest verified copy."""

    job_id: str
    name: str
    number: int
    config_path: str
    config_text: str
    config_sha256: str
    clock_epoch_s: float
    clock_start: datetime
    clock_scale: float
    state: JobState
    detail: str
    generation: int
    first_site: str | None
    unmovable_because: str
    checkpoint: Checkpoint | None
    crashes: int
    furthest_step: int
    created_epoch_s: float
    finished_epoch_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRecord:
    """One row of `generations`: one start of the job on one instance."""

    job_id: str
    generation: int
    instance_id: str
    site: str
    state: str
    from_step: int
    requested_at: datetime
    started_at: datetime | None
    first_step_at: datetime | None
    ended_at: datetime | None
    outcome: str
    last_seq: int


def checkpoint_json(checkpoint: Checkpoint | None) -> str | None:
    return None if checkpoint is None else to_json(asdict(checkpoint))


def checkpoint_of(text: str | None) -> Checkpoint | None:
    return None if text is None else Checkpoint(**json.loads(text))


def optional_time(text: str | None) -> datetime | None:
    return None if text is None else to_time(text)


def _job(row: sqlite3.Row) -> JobRecord:
    return JobRecord(
        job_id=row["id"],
        name=row["name"],
        number=row["number"],
        config_path=row["config_path"],
        config_text=row["config_text"],
        config_sha256=row["config_sha256"],
        clock_epoch_s=row["clock_epoch_s"],
        clock_start=to_time(row["clock_start_at"]),
        clock_scale=row["clock_scale"],
        state=JobState(row["state"]),
        detail=row["detail"],
        generation=row["generation"],
        first_site=row["first_site"],
        unmovable_because=row["unmovable_because"],
        checkpoint=checkpoint_of(row["checkpoint"]),
        crashes=row["crashes"],
        furthest_step=row["furthest_step"],
        created_epoch_s=row["created_epoch_s"],
        finished_epoch_s=row["finished_epoch_s"],
    )


def _generation(row: sqlite3.Row) -> GenerationRecord:
    return GenerationRecord(
        job_id=row["job_id"],
        generation=row["generation"],
        instance_id=row["instance_id"],
        site=row["site"],
        state=row["state"],
        from_step=row["from_step"],
        requested_at=to_time(row["requested_at"]),
        started_at=optional_time(row["started_at"]),
        first_step_at=optional_time(row["first_step_at"]),
        ended_at=optional_time(row["ended_at"]),
        outcome=row["outcome"],
        last_seq=row["last_seq"],
    )


class Jobs:
    """The tables `jobs` and `generations`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        *,
        name: str,
        config_path: str,
        config_text: str,
        config_sha256: str,
        clock_epoch_s: float,
        clock_start: datetime,
        clock_scale: float,
    ) -> JobRecord | None:
        """The next job of this name, or None when one of this name is unfinished (checked in the same transaction)."""
        with self._database.transaction() as connection:
            newest = self.newest(name)
            if newest is not None and not newest.state.final:
                return None
            number = 1 if newest is None else newest.number + 1
            job_id = f"{name}-{number}"
            connection.execute(
                "INSERT INTO jobs (id, name, number, config_path, config_text, config_sha256, clock_epoch_s,"
                " clock_start_at, clock_scale, state, created_epoch_s) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (
                    job_id, name, number, config_path, config_text, config_sha256, clock_epoch_s,
                    to_text(clock_start), clock_scale, JobState.QUEUED, clock_epoch_s,
                ),
            )  # fmt: skip
        return self.get(job_id)

    def find(self, reference: str) -> JobRecord | None:
        """By id (`digits-3`), else the newest of that name."""
        row = self._database.connection.execute("SELECT * FROM jobs WHERE id = ?", (reference,)).fetchone()
        return self.newest(reference) if row is None else _job(row)

    def get(self, job_id: str) -> JobRecord:
        """The job with this id; KeyError when there is none."""
        row = self._database.connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise KeyError(job_id)
        return _job(row)

    def newest(self, name: str) -> JobRecord | None:
        row = self._database.connection.execute(
            "SELECT * FROM jobs WHERE name = ? ORDER BY number DESC LIMIT 1", (name,)
        ).fetchone()
        return None if row is None else _job(row)

    def all(self) -> list[JobRecord]:
        """Every job, the newest first."""
        rows = self._database.connection.execute("SELECT * FROM jobs ORDER BY created_epoch_s DESC, number DESC")
        return [_job(row) for row in rows]

    def set_state(self, job_id: str, state: JobState, detail: str, *, finished_epoch_s: float | None = None) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, detail = ?, finished_epoch_s = ? WHERE id = ?",
                (state, detail, finished_epoch_s, job_id),
            )

    def set_first_site(self, job_id: str, site: str) -> None:
        """Where the job started first; later calls change nothing."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE jobs SET first_site = ? WHERE id = ? AND first_site IS NULL", (site, job_id))

    def set_unmovable(self, job_id: str, because: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE jobs SET unmovable_because = ? WHERE id = ?", (because, job_id))

    def set_checkpoint(self, job_id: str, checkpoint: Checkpoint) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE jobs SET checkpoint = ? WHERE id = ?", (checkpoint_json(checkpoint), job_id))

    def set_crashes(self, job_id: str, crashes: int, furthest_step: int) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET crashes = ?, furthest_step = ? WHERE id = ?", (crashes, furthest_step, job_id)
            )

    # ----- generations ---------------------------------------------------------------------------------------

    def begin_generation(
        self, job_id: str, *, generation: int, instance_id: str, site: str, from_step: int, at: datetime
    ) -> None:
        """Record the intent to start; the job's counter moves with it."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO generations (job_id, generation, instance_id, site, state, from_step, requested_at)"
                " VALUES (?,?,?,?,'starting',?,?)",
                (job_id, generation, instance_id, site, from_step, to_text(at)),
            )
            connection.execute("UPDATE jobs SET generation = ? WHERE id = ?", (generation, job_id))

    def generation(self, job_id: str, generation: int) -> GenerationRecord | None:
        row = self._database.connection.execute(
            "SELECT * FROM generations WHERE job_id = ? AND generation = ?", (job_id, generation)
        ).fetchone()
        return None if row is None else _generation(row)

    def generations(self, job_id: str) -> list[GenerationRecord]:
        """Ascending."""
        rows = self._database.connection.execute(
            "SELECT * FROM generations WHERE job_id = ? ORDER BY generation", (job_id,)
        )
        return [_generation(row) for row in rows]

    def generation_live(self, job_id: str, generation: int, at: datetime) -> None:
        """The agent's own word of when its trainer began."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE generations SET state = 'live', started_at = ? WHERE job_id = ? AND generation = ?"
                " AND state = 'starting'",
                (to_text(at), job_id, generation),
            )

    def generation_stepped(self, job_id: str, generation: int, at: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE generations SET first_step_at = ? WHERE job_id = ? AND generation = ?"
                " AND first_step_at IS NULL",
                (to_text(at), job_id, generation),
            )

    def generation_ended(self, job_id: str, generation: int, at: datetime, outcome: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE generations SET state = 'ended', ended_at = ?, outcome = ? WHERE job_id = ? AND generation = ?",
                (to_text(at), outcome, job_id, generation),
            )

    def set_last_seq(self, job_id: str, generation: int, last_seq: int) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE generations SET last_seq = ? WHERE job_id = ? AND generation = ?",
                (last_seq, job_id, generation),
            )
