"""A job as one row of an `emissions.csv` in the columns of CodeCarbon, for tools that read those."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gacli.core.basis import Accounted
from gacli.core.energy import JOULES_PER_KWH, EmissionInterval
from gacli.errors import GaError
from gacli.store.devices import DeviceEnergy
from gacli.store.jobs import JobRecord
from gacli.views import formatting as fmt

COLUMNS = (
    "timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions", "emissions_rate", "cpu_power",
    "gpu_power", "ram_power", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed", "water_consumed",
    "country_name", "country_iso_code", "region", "cloud_provider", "cloud_region", "os", "python_version",
    "codecarbon_version", "cpu_count", "cpu_model", "gpu_count", "gpu_model", "longitude", "latitude", "ram_total_size",
    "tracking_mode", "cpu_utilization_percent", "gpu_utilization_percent", "ram_utilization_percent", "ram_used_gb",
    "on_cloud", "pue", "wue",
)  # fmt: skip
_ENERGY_OF = {"cpu": "cpu_energy", "gpu": "gpu_energy", "dram": "ram_energy"}
# Columns of version 3.3; a file with these is one of CodeCarbon's, of whatever version.
_NEEDED = ("timestamp", "project_name", "run_id", "duration", "emissions", "energy_consumed")


def codecarbon_row(
    job: JobRecord, accounted: Sequence[Accounted], devices: Sequence[DeviceEnergy], now: datetime
) -> dict[str, object]:
    """CodeCarbon's units: s, kg, kg/s, kWh with PUE. What ga does not know is empty. now: on the job's clock.

    Energy by device leaves out what only the whole machine is known of: it is in `energy_consumed` alone.
    """
    emissions = [one.emission for one in accounted]
    start = min((part.energy.start for part in emissions), default=now)
    end = max((part.energy.end for part in emissions), default=now)
    energy_j = sum(part.energy.energy_j for part in emissions)
    facility_j = sum(part.energy.energy_j * part.pue for part in emissions)
    emissions_g = sum(part.emissions_g for part in emissions)
    duration_s = (end - start).total_seconds()
    known = {
        "timestamp": end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "project_name": job.name,
        "run_id": job.job_id,
        "experiment_id": job.name,
        "duration": duration_s,
        "emissions": emissions_g / 1e3,
        "emissions_rate": emissions_g / 1e3 / duration_s if duration_s > 0 else 0.0,
        **_by_device(emissions, devices),
        "energy_consumed": facility_j / JOULES_PER_KWH,
        "region": "+".join(dict.fromkeys(part.zone for part in emissions)),
        "cloud_region": "+".join(dict.fromkeys(fmt.plain(part.energy.site) for part in emissions)),
        "tracking_mode": "machine",
        "pue": facility_j / energy_j if energy_j > 0 else None,
    }
    return {column: known.get(column) for column in COLUMNS}


def _by_device(emissions: Sequence[EmissionInterval], devices: Sequence[DeviceEnergy]) -> dict[str, float]:
    """Each at the mean PUE of its site."""
    sums: dict[str, tuple[float, float]] = {}
    for part in emissions:
        energy_j, facility_j = sums.get(part.energy.site, (0.0, 0.0))
        sums[part.energy.site] = (energy_j + part.energy.energy_j, facility_j + part.energy.energy_j * part.pue)
    found: dict[str, float] = {}
    for one in devices:
        column = _ENERGY_OF.get(one.device.rstrip("0123456789"))
        if column is not None and one.energy_j > 0:
            energy_j, facility_j = sums[one.site]
            found[column] = found.get(column, 0.0) + one.energy_j * (facility_j / energy_j) / JOULES_PER_KWH
    return found


def write_codecarbon(path: Path, row: Mapping[str, object]) -> None:
    """Adds the row to the file, in the place of one with the same `run_id`; the file is made if need be.

    A file of another version keeps its own columns: those that it lacks are left out. All or nothing. GaError when the
    file is something else or cannot be written.
    """
    try:
        header, rows = _read(path)
        if missing := [column for column in _NEEDED if column not in header]:
            raise GaError(
                f"{path}:1: expected the columns of CodeCarbon's emissions.csv, found none called {', '.join(missing)}",
                hint="name another file, or one that CodeCarbon has written",
            )
        mine = [_cell(row.get(column)) for column in header]
        place = header.index("run_id")
        known = [index for index, cells in enumerate(rows) if len(cells) > place and cells[place] == row["run_id"]]
        if known:
            rows[known[-1]] = mine
        else:
            rows.append(mine)
        _replace(path, [header, *rows])
    except (UnicodeDecodeError, csv.Error) as error:
        raise GaError(f"{path}: expected CSV in UTF-8: {error}", hint="name another file") from error
    except OSError as error:
        raise GaError(f"{path}: cannot be written: {error.strerror}") from error


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """The columns and rows that are there; those of a new file when it is missing or empty."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [cells for cells in csv.reader(file) if cells]
    except FileNotFoundError:
        lines = []
    return (lines[0], lines[1:]) if lines else (list(COLUMNS), [])


def _replace(path: Path, lines: Sequence[Sequence[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    # Where a link leads, so that it stays one.
    target = path.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    with tempfile.NamedTemporaryFile("w", dir=target.parent, newline="", encoding="utf-8", delete=False) as file:
        try:
            file.write(out.getvalue())
            file.close()
            Path(file.name).chmod(mode)
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _cell(value: object) -> str:
    return "" if value is None else str(value)
