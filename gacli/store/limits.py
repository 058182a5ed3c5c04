"""How far a job's GPUs are to be held back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gacli.core.limits import GpuLimit
from gacli.store.database import Database, to_text


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedLimit:
    """generation: the job's newest when it was asked for; trainers of later ones are started with it."""

    limit: GpuLimit
    generation: int


class Limits:
    """The table `limits`: what was wanted, from when on; the newest counts. Outcomes are events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def want(
        self, job_id: str, at: datetime, reason: str, *, power_w: float | None = None, clock_mhz: int | None = None
    ) -> GpuLimit:
        """Of each GPU, in W or MHz; with neither they are left alone again. ValueError as GpuLimit."""
        GpuLimit(limit_id=0, power_w=power_w, clock_mhz=clock_mhz)
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO limits (job_id, at, generation, power_w, clock_mhz, reason)"
                " SELECT id, ?, generation, ?, ?, ? FROM jobs WHERE id = ?",
                (to_text(at), power_w, clock_mhz, reason, job_id),
            )
            return GpuLimit(limit_id=int(cursor.lastrowid or 0), power_w=power_w, clock_mhz=clock_mhz)

    def wanted(self, job_id: str) -> WantedLimit | None:
        """None when nothing was ever asked for."""
        row = self._database.connection.execute(
            "SELECT * FROM limits WHERE job_id = ? ORDER BY id DESC LIMIT 1", (job_id,)
        ).fetchone()
        if row is None:
            return None
        limit = GpuLimit(limit_id=row["id"], power_w=row["power_w"], clock_mhz=row["clock_mhz"])
        return WantedLimit(limit=limit, generation=row["generation"])
