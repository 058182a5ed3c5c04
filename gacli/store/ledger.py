"""The ledger: energy and emissions by instance, phase and reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.emissions import merge
from gacli.core.energy import EmissionInterval, EnergyInterval, Phase
from gacli.store.database import Database, to_text, to_time


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerEntry:
    """One interval of the ledger."""

    instance_id: str
    emission: EmissionInterval


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerTotal:
    """Sums over one site and phase. extrapolated_g: emissions under readings whose own period had ended."""

    site: str
    zone: str
    phase: Phase
    time_s: float
    energy_j: float
    emissions_g: float
    modelled_j: float
    extrapolated_g: float


def _entry(row: sqlite3.Row) -> LedgerEntry:
    energy = EnergyInterval(
        site=row["site"],
        generation=row["generation"],
        phase=Phase(row["phase"]),
        start=to_time(row["start_at"]),
        end=to_time(row["end_at"]),
        energy_j=row["energy_j"],
        meter=row["meter"],
        modelled=bool(row["modelled"]),
    )
    emission = EmissionInterval(
        energy=energy,
        zone=row["zone"],
        pue=row["pue"],
        intensity_g_per_kwh=row["intensity_g_per_kwh"],
        emissions_g=row["emissions_g"],
        quality=Quality(row["quality"]),
        carbon_source=row["carbon_source"],
        extrapolated=bool(row["extrapolated"]),
    )
    return LedgerEntry(instance_id=row["instance_id"], emission=emission)


class Ledger:
    """The tables `intervals` and `readings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, job_id: str, instance_id: str, parts: Sequence[EmissionInterval]) -> None:
        """Add intervals that follow the instance's last one; one that merely continues it makes it longer."""
        with self._database.transaction() as connection:
            last = connection.execute(
                "SELECT * FROM intervals WHERE instance_id = ? ORDER BY id DESC LIMIT 1", (instance_id,)
            ).fetchone()
            before = [] if last is None else [_entry(last).emission]
            joined = merge([*before, *parts])
            if before and joined[0] != before[0]:
                grown = joined[0]
                connection.execute(
                    "UPDATE intervals SET end_at = ?, energy_j = ?, emissions_g = ? WHERE id = ?",
                    (to_text(grown.energy.end), grown.energy.energy_j, grown.emissions_g, last["id"]),
                )
            for part in joined[len(before) :]:
                self._insert(connection, job_id, instance_id, part)

    @staticmethod
    def _insert(connection: sqlite3.Connection, job_id: str, instance_id: str, part: EmissionInterval) -> None:
        energy = part.energy
        connection.execute(
            "INSERT INTO intervals (job_id, instance_id, site, zone, generation, phase, start_at, end_at, energy_j,"
            " pue, intensity_g_per_kwh, emissions_g, meter, modelled, quality, carbon_source, extrapolated)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                job_id, instance_id, energy.site, part.zone, energy.generation, energy.phase, to_text(energy.start),
                to_text(energy.end), energy.energy_j, part.pue, part.intensity_g_per_kwh, part.emissions_g,
                energy.meter, energy.modelled, part.quality, part.carbon_source, part.extrapolated,
            ),
        )  # fmt: skip

    def entries(self, job_id: str) -> list[LedgerEntry]:
        """Every interval of the job, in the order of time."""
        rows = self._database.connection.execute(
            "SELECT * FROM intervals WHERE job_id = ? ORDER BY start_at, id", (job_id,)
        )
        return [_entry(row) for row in rows]

    def totals(self, job_id: str) -> list[LedgerTotal]:
        """By site and phase, sites in the order in which they were used."""
        rows = self._database.connection.execute(
            "SELECT site, zone, phase, SUM((julianday(end_at) - julianday(start_at)) * 86400.0) AS time_s,"
            " SUM(energy_j) AS energy_j, SUM(emissions_g) AS emissions_g, SUM(energy_j * modelled) AS modelled_j,"
            " SUM(emissions_g * extrapolated) AS extrapolated_g"
            " FROM intervals WHERE job_id = ? GROUP BY site, phase ORDER BY MIN(id)",
            (job_id,),
        )
        return [
            LedgerTotal(
                site=row["site"],
                zone=row["zone"],
                phase=Phase(row["phase"]),
                time_s=row["time_s"],
                energy_j=row["energy_j"],
                emissions_g=row["emissions_g"],
                modelled_j=row["modelled_j"],
                extrapolated_g=row["extrapolated_g"],
            )
            for row in rows
        ]

    def record_readings(self, job_id: str, readings: Sequence[Reading]) -> int:
        """Keep what the job was told, once per zone and instant; the first answer stays. Returns how many are new."""
        with self._database.transaction() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO readings VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                [
                    (
                        job_id, reading.zone, to_text(reading.at), reading.period_s, reading.intensity_g_per_kwh,
                        reading.signal, reading.scope, reading.quality, reading.source, reading.renewable_percent,
                        reading.stand_in,
                    )
                    for reading in readings
                ],
            )  # fmt: skip
            return connection.total_changes - before

    def readings(self, job_id: str, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Recorded readings in force in [start, end], ascending; the one in force at `start` included."""
        rows = self._database.connection.execute(
            "SELECT * FROM readings WHERE job_id = ? AND zone = ? AND at <= ? AND at >= COALESCE("
            " (SELECT MAX(at) FROM readings WHERE job_id = ? AND zone = ? AND at <= ?), '') ORDER BY at",
            (job_id, zone, to_text(end), job_id, zone, to_text(start)),
        )
        return [
            Reading(
                zone=row["zone"],
                at=to_time(row["at"]),
                period_s=row["period_s"],
                intensity_g_per_kwh=row["intensity_g_per_kwh"],
                signal=Signal(row["signal"]),
                scope=Scope(row["scope"]),
                quality=Quality(row["quality"]),
                source=row["source"],
                renewable_percent=row["renewable_percent"],
                stand_in=row["stand_in"],
            )
            for row in rows
        ]
