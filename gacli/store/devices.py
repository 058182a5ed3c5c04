"""The ledger's energy by device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gacli.core.energy import Phase
from gacli.ports.machine import EnergyPart
from gacli.store.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceEnergy:
    """What one device of an instance used in one phase of a generation, in J of IT energy. See `EnergyPart`."""

    instance_id: str
    site: str
    generation: int
    phase: Phase
    device: str
    meter: str
    uncertainty: str
    energy_j: float


class Devices:
    """The table `device_energy`. Its sums are those of the intervals, in whose transactions it grows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job_id: str, instance_id: str, generation: int, phase: Phase, parts: Sequence[EnergyPart]) -> None:
        """Add to what is there already."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO device_energy VALUES (?,?,?,?,?,?,?,?)"
                " ON CONFLICT (job_id, instance_id, generation, phase, device, meter, uncertainty)"
                " DO UPDATE SET energy_j = energy_j + excluded.energy_j",
                [
                    (job_id, instance_id, generation, phase, part.device, part.meter, part.uncertainty, part.energy_j)
                    for part in parts
                ],
            )

    def of_job(self, job_id: str) -> list[DeviceEnergy]:
        """By instance in the order in which they were asked for, then by generation, phase and device."""
        rows = self._database.connection.execute(
            "SELECT device_energy.*, instances.site FROM device_energy JOIN instances ON instances.id = instance_id"
            " WHERE device_energy.job_id = ?"
            " ORDER BY requested_at, instance_id, device_energy.generation, device_energy.phase, device, meter,"
            " uncertainty",
            (job_id,),
        )
        return [
            DeviceEnergy(
                instance_id=row["instance_id"],
                site=row["site"],
                generation=row["generation"],
                phase=Phase(row["phase"]),
                device=row["device"],
                meter=row["meter"],
                uncertainty=row["uncertainty"],
                energy_j=row["energy_j"],
            )
            for row in rows
        ]
