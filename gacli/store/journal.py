"""What happened, in order: events, decisions, progress, and the commands that people gave."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gacli.core.decision import Action, Decision
from gacli.ports.machine import ProgressRecord, StepProgress
from gacli.store.database import Database, to_json, to_text, to_time

REFUSED: Final = "refused: "
"""Begins the outcome of a command that was not taken; the reason follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One thing that happened. at: the job's clock; epoch_s: real time; body: JSON-able values, units in the names."""

    event_id: int
    job_id: str
    at: datetime
    epoch_s: float
    kind: str
    body: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """The newest thing the script said. steps_per_s: on the job's clock, None until two reports are known."""

    generation: int
    at: datetime
    step: int
    total_steps: int | None
    loss: float | None
    steps_per_s: float | None
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What a person asked the controller to do."""

    command_id: int
    verb: str
    site: str | None


class Journal:
    """The tables `events`, `decisions`, `progress`, `live_steps` and `commands`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ----- events --------------------------------------------------------------------------------------------

    def event(self, job_id: str, at: datetime, epoch_s: float, kind: str, body: Mapping[str, object]) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO events (job_id, at, epoch_s, kind, body) VALUES (?,?,?,?,?)",
                (job_id, to_text(at), epoch_s, kind, to_json(body)),
            )

    def events(self, job_id: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """In order, those with an id above `after`."""
        rows = self._database.connection.execute(
            "SELECT * FROM events WHERE job_id = ? AND id > ? ORDER BY id LIMIT ?", (job_id, after, limit)
        )
        return [
            Event(
                event_id=row["id"],
                job_id=row["job_id"],
                at=to_time(row["at"]),
                epoch_s=row["epoch_s"],
                kind=row["kind"],
                body=json.loads(row["body"]),
            )
            for row in rows
        ]

    def last_event_id(self, job_id: str) -> int:
        row = self._database.connection.execute("SELECT MAX(id) FROM events WHERE job_id = ?", (job_id,)).fetchone()
        return int(row[0] or 0)

    # ----- decisions -----------------------------------------------------------------------------------------

    def decision(self, job_id: str, decision: Decision) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO decisions (job_id, at, policy, action, target, reason, numbers) VALUES (?,?,?,?,?,?,?)",
                (
                    job_id, to_text(decision.at), decision.policy, decision.action, decision.target, decision.reason,
                    to_json(dict(decision.numbers)),
                ),
            )  # fmt: skip

    def decisions(self, job_id: str, *, last: int | None = None) -> list[Decision]:
        """In order of time; only the newest `last` when given."""
        rows = self._database.connection.execute(
            "SELECT * FROM (SELECT * FROM decisions WHERE job_id = ? ORDER BY id DESC LIMIT ?) ORDER BY id",
            (job_id, -1 if last is None else last),
        )
        return [
            Decision(
                at=to_time(row["at"]),
                policy=row["policy"],
                action=Action(row["action"]),
                target=row["target"],
                reason=row["reason"],
                numbers=json.loads(row["numbers"]),
            )
            for row in rows
        ]

    # ----- progress ------------------------------------------------------------------------------------------

    def set_progress(
        self, job_id: str, generation: int, at: datetime, record: ProgressRecord, steps_per_s: float | None
    ) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO progress VALUES (?,?,?,?,?,?,?,?)",
                (
                    job_id, generation, to_text(at), record.step, record.total_steps, record.loss, steps_per_s,
                    to_json(dict(record.metrics)),
                ),
            )  # fmt: skip

    def progress(self, job_id: str) -> Progress | None:
        row = self._database.connection.execute("SELECT * FROM progress WHERE job_id = ?", (job_id,)).fetchone()
        return None if row is None else _progress(row)

    def set_live(self, job_id: str, key: str, step: StepProgress, epoch_s: float) -> None:
        """Show a long step; the newest word of each key counts."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO live_steps VALUES (?,?,?,?,?,?,?,?,?)",
                (job_id, key, step.what, step.detail, step.done, step.total, step.unit, step.rate, epoch_s),
            )

    def clear_live(self, job_id: str, key: str | None = None) -> None:
        """One step is over; without a key all are."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM live_steps WHERE job_id = ? AND (? IS NULL OR key = ?)", (job_id, key, key))

    def live(self, job_id: str) -> dict[str, StepProgress]:
        rows = self._database.connection.execute("SELECT * FROM live_steps WHERE job_id = ? ORDER BY key", (job_id,))
        return {
            row["key"]: StepProgress(
                what=row["what"],
                detail=row["detail"],
                done=row["done"],
                total=row["total"],
                unit=row["unit"],
                rate=row["rate"],
            )
            for row in rows
        }

    # ----- commands ------------------------------------------------------------------------------------------

    def give(self, job_id: str, verb: str, site: str | None, epoch_s: float) -> int:
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO commands (job_id, verb, site, epoch_s) VALUES (?,?,?,?)", (job_id, verb, site, epoch_s)
            )
            return int(cursor.lastrowid or 0)

    def pending(self, job_id: str) -> list[Command]:
        rows = self._database.connection.execute(
            "SELECT * FROM commands WHERE job_id = ? AND outcome IS NULL ORDER BY id", (job_id,)
        )
        return [Command(command_id=row["id"], verb=row["verb"], site=row["site"]) for row in rows]

    def take(self, command_id: int, outcome: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE commands SET outcome = ? WHERE id = ?", (outcome, command_id))

    def outcome(self, command_id: int) -> str | None:
        row = self._database.connection.execute("SELECT outcome FROM commands WHERE id = ?", (command_id,)).fetchone()
        return None if row is None else row["outcome"]


def _progress(row: sqlite3.Row) -> Progress:
    return Progress(
        generation=row["generation"],
        at=to_time(row["at"]),
        step=row["step"],
        total_steps=row["total_steps"],
        loss=row["loss"],
        steps_per_s=row["steps_per_s"],
        metrics=json.loads(row["metrics"]),
    )
