"""Placements: the journal of starting, moving, pausing and ending a job."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gacli.core.job import Checkpoint
from gacli.core.placement import PlacementState, check_transition
from gacli.store.database import Database, to_json, to_text, to_time
from gacli.store.jobs import checkpoint_json, checkpoint_of


class Purpose(StrEnum):
    """Why a placement exists; what follows when it is finished depends on it."""

    START = "start"
    MOVE = "move"
    RESTART = "restart"
    RECOVER = "recover"
    RESUME = "resume"
    PAUSE = "pause"
    WAIT = "wait"
    EVACUATE = "evacuate"
    STOP = "stop"
    FINISH = "finish"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacementRecord:
    """One row of `placements`. times: when each state was entered, on the job's clock."""

    placement_id: int
    job_id: str
    purpose: Purpose
    state: PlacementState
    reason: str
    source_instance: str | None
    target_instance: str | None
    target_site: str | None
    checkpoint: Checkpoint | None
    generation: int | None
    moved_bytes: int
    times: dict[str, datetime]
    detail: str
    finished: bool


def _placement(row: sqlite3.Row) -> PlacementRecord:
    return PlacementRecord(
        placement_id=row["id"],
        job_id=row["job_id"],
        purpose=Purpose(row["purpose"]),
        state=PlacementState(row["state"]),
        reason=row["reason"],
        source_instance=row["source_instance"],
        target_instance=row["target_instance"],
        target_site=row["target_site"],
        checkpoint=checkpoint_of(row["checkpoint"]),
        generation=row["generation"],
        moved_bytes=row["moved_bytes"],
        times={state: to_time(text) for state, text in json.loads(row["times"]).items()},
        detail=row["detail"],
        finished=bool(row["finished"]),
    )


class Placements:
    """The table `placements`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(
        self,
        job_id: str,
        *,
        purpose: Purpose,
        reason: str,
        source_instance: str | None,
        target_instance: str | None,
        target_site: str | None,
        checkpoint: Checkpoint | None,
        at: datetime,
    ) -> PlacementRecord:
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO placements (job_id, purpose, state, reason, source_instance, target_instance, target_site,"
                " checkpoint, times) VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    job_id, purpose, PlacementState.PLANNED, reason, source_instance, target_instance, target_site,
                    checkpoint_json(checkpoint), to_json({PlacementState.PLANNED.value: to_text(at)}),
                ),
            )  # fmt: skip
            return self.get(int(cursor.lastrowid or 0))

    def get(self, placement_id: int) -> PlacementRecord:
        row = self._database.connection.execute("SELECT * FROM placements WHERE id = ?", (placement_id,)).fetchone()
        if row is None:
            raise KeyError(placement_id)
        return _placement(row)

    def open(self, job_id: str) -> PlacementRecord | None:
        """The job's unfinished placement; there is never more than one."""
        row = self._database.connection.execute(
            "SELECT * FROM placements WHERE job_id = ? AND finished = 0", (job_id,)
        ).fetchone()
        return None if row is None else _placement(row)

    def of_job(self, job_id: str) -> list[PlacementRecord]:
        """In order."""
        rows = self._database.connection.execute("SELECT * FROM placements WHERE job_id = ? ORDER BY id", (job_id,))
        return [_placement(row) for row in rows]

    def enter(self, record: PlacementRecord, state: PlacementState, at: datetime, detail: str = "") -> PlacementRecord:
        """Move to the next state; an illegal transition raises ValueError and writes nothing."""
        check_transition(record.state, state)
        times = {name: to_text(time) for name, time in record.times.items()} | {state.value: to_text(at)}
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE placements SET state = ?, times = ?, detail = ?, finished = ? WHERE id = ?",
                (state, to_json(times), detail, int(state.final), record.placement_id),
            )
            return self.get(record.placement_id)

    def set_target(self, placement_id: int, instance_id: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE placements SET target_instance = ? WHERE id = ?", (instance_id, placement_id))

    def set_checkpoint(self, placement_id: int, checkpoint: Checkpoint | None) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE placements SET checkpoint = ? WHERE id = ?", (checkpoint_json(checkpoint), placement_id)
            )

    def become_finish(self, placement_id: int, reason: str) -> None:
        """The trainer turned out complete: nothing is started elsewhere any more, the source is only left."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE placements SET purpose = ?, reason = ?, target_instance = NULL, target_site = NULL"
                " WHERE id = ?",
                (Purpose.FINISH, reason, placement_id),
            )

    def set_generation(self, placement_id: int, generation: int) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE placements SET generation = ? WHERE id = ?", (generation, placement_id))

    def add_bytes(self, placement_id: int, moved_bytes: int) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE placements SET moved_bytes = moved_bytes + ? WHERE id = ?", (moved_bytes, placement_id)
            )
