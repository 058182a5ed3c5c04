"""Instances that `ga` holds or has held, and sites that are out of reach for a while."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gacli.store.database import Database, to_text, to_time


class Holding(StrEnum):
    """REQUESTED before the provider was asked; RELEASING until the provider says that it is gone."""

    REQUESTED = "requested"
    HELD = "held"
    RELEASING = "releasing"
    GONE = "gone"


class Accounting(StrEnum):
    """How an instance's time is accounted: the first three are modelled, METERED waits for the agent's samples."""

    BOOT = "boot"
    IDLE = "idle"
    TRANSFER = "transfer"
    METERED = "metered"


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceRecord:
    instance_id: str
    job_id: str
    site: str
    state: Holding
    phase: Accounting
    generation: int
    requested_at: datetime
    accounted_until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteBlock:
    """Why a site is left alone. fault: see `Instances.block_site`."""

    because: str
    fault: bool


def _instance(row: sqlite3.Row) -> InstanceRecord:
    return InstanceRecord(
        instance_id=row["id"],
        job_id=row["job_id"],
        site=row["site"],
        state=Holding(row["state"]),
        phase=Accounting(row["phase"]),
        generation=row["generation"],
        requested_at=to_time(row["requested_at"]),
        accounted_until=to_time(row["accounted_until_at"]),
    )


class Instances:
    """The tables `instances` and `site_blocks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(self, *, instance_id: str, job_id: str, site: str, generation: int, at: datetime) -> None:
        """Record the intent to create, before the provider is asked."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO instances (id, job_id, site, state, phase, generation, requested_at, accounted_until_at)"
                " VALUES (?,?,?,?,?,?,?,?)",
                (instance_id, job_id, site, Holding.REQUESTED, Accounting.BOOT, generation, to_text(at), to_text(at)),
            )

    def get(self, instance_id: str) -> InstanceRecord:
        row = self._database.connection.execute("SELECT * FROM instances WHERE id = ?", (instance_id,)).fetchone()
        if row is None:
            raise KeyError(instance_id)
        return _instance(row)

    def of_job(self, job_id: str, *, gone: bool = False) -> list[InstanceRecord]:
        """In order of request; those that are gone only when asked for."""
        rows = self._database.connection.execute(
            "SELECT * FROM instances WHERE job_id = ? AND (? OR state != 'gone') ORDER BY requested_at, id",
            (job_id, gone),
        )
        return [_instance(row) for row in rows]

    def held(self, job_id: str) -> list[InstanceRecord]:
        """Those that the provider has given and that are not being given back."""
        return [instance for instance in self.of_job(job_id) if instance.state is Holding.HELD]

    def count_at(self, job_id: str, site: str) -> int:
        """How many instances the job ever had at the site: makes the next one's name."""
        row = self._database.connection.execute(
            "SELECT COUNT(*) FROM instances WHERE job_id = ? AND site = ?", (job_id, site)
        ).fetchone()
        return int(row[0])

    def set_state(self, instance_id: str, state: Holding, at: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE instances SET state = ?, gone_at = ? WHERE id = ?",
                (state, to_text(at) if state is Holding.GONE else None, instance_id),
            )

    def set_accounting(
        self, instance_id: str, *, phase: Accounting, until: datetime, generation: int | None = None
    ) -> None:
        """How it is accounted from `until` on; the ledger is complete up to there."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE instances SET phase = ?, accounted_until_at = ?, generation = COALESCE(?, generation)"
                " WHERE id = ?",
                (phase, to_text(until), generation, instance_id),
            )

    def block_site(self, job_id: str, site: str, until: datetime, because: str, *, fault: bool) -> None:
        """Leave a site alone until then. fault: something is wrong there, beyond having no machine for us now."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO site_blocks (job_id, site, until_at, because, fault) VALUES (?,?,?,?,?)",
                (job_id, site, to_text(until), because, fault),
            )

    def blocked_sites(self, job_id: str, now: datetime) -> dict[str, SiteBlock]:
        """By site name, those that are blocked at `now`."""
        rows = self._database.connection.execute(
            "SELECT site, because, fault FROM site_blocks WHERE job_id = ? AND until_at > ?", (job_id, to_text(now))
        )
        return {row["site"]: SiteBlock(because=row["because"], fault=bool(row["fault"])) for row in rows}
