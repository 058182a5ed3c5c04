"""Who controls a job: a token that grows with every controller, checked in every transaction of its holder."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gacli.errors import GaError
from gacli.store.database import Database


class ControllerReplaced(GaError):
    """Another controller has taken the job over; this one must not write anything any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ControllerRecord:
    """The job's newest controller. since_epoch_s: real time at which it took over."""

    token: int
    host: str
    pid: int
    since_epoch_s: float


class Controllers:
    """The table `controllers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_over(self, job_id: str, *, host: str, pid: int, epoch_s: float) -> int:
        """Become the job's controller on this connection; from now on it refuses to write once somebody else has.

        The caller holds the job's lock: the controller before it is gone, or cannot write any more after this.
        """
        with self._database.transaction() as connection:
            row = connection.execute("SELECT token FROM controllers WHERE job_id = ?", (job_id,)).fetchone()
            token = 1 if row is None else int(row[0]) + 1
            connection.execute(
                "INSERT OR REPLACE INTO controllers (job_id, token, host, pid, since_epoch_s) VALUES (?,?,?,?,?)",
                (job_id, token, host, pid, epoch_s),
            )

        def guard(connection: sqlite3.Connection) -> None:
            present = connection.execute("SELECT token FROM controllers WHERE job_id = ?", (job_id,)).fetchone()
            if present is None or int(present[0]) != token:
                raise ControllerReplaced(f"{job_id}: another controller has taken over", hint="nothing is to be done")

        self._database.guard = guard
        return token

    def newest(self, job_id: str) -> ControllerRecord | None:
        row = self._database.connection.execute("SELECT * FROM controllers WHERE job_id = ?", (job_id,)).fetchone()
        if row is None:
            return None
        return ControllerRecord(
            token=row["token"], host=row["host"], pid=row["pid"], since_epoch_s=row["since_epoch_s"]
        )
