"""A job as a row of CodeCarbon's emissions.csv."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from support.viewed_job import JOB, Run, at, finished, started

from gacli.core.energy import Phase
from gacli.engine.accounted import read_accounted
from gacli.errors import GaError
from gacli.ports.machine import EnergyPart
from gacli.views.codecarbon_csv import COLUMNS, codecarbon_row, write_codecarbon
from gacli.views.emissions import read_emissions


def _row(run: Run) -> dict[str, object]:
    devices = run.store.devices.of_job(JOB)
    return codecarbon_row(run.store.jobs.get(JOB), read_accounted(run.store, JOB), devices, at(40))


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_its_units() -> None:
    run = Run()
    finished(run)
    row = _row(run)
    account = read_emissions(run.store, (), JOB).account
    facility_kwh = sum(e.emission.energy.energy_j * e.emission.pue for e in run.store.ledger.entries(JOB)) / 3.6e6
    assert tuple(row) == COLUMNS
    assert row["emissions"] == pytest.approx(account.emissions_g / 1000)
    assert row["energy_consumed"] == pytest.approx(facility_kwh)
    assert row["duration"] == 28 * 3600
    assert row["emissions_rate"] == pytest.approx(account.emissions_g / 1000 / (28 * 3600))
    assert row["pue"] == pytest.approx(facility_kwh / (account.energy_j / 3.6e6))
    assert (row["project_name"], row["run_id"], row["timestamp"]) == ("digits", JOB, "2024-06-04T04:00:00")
    assert (row["region"], row["cloud_region"]) == ("DE+US-NW-PACW", "frankfurt+oregon")
    assert row["cpu_energy"] is None


def test_energy_by_device_has_the_pue_of_its_site() -> None:
    run = Run()
    finished(run)
    instances = run.store.instances.of_job(JOB, gone=True)
    for instance in instances:
        parts = [
            EnergyPart(device=device, energy_j=energy_j, meter="x", uncertainty="counter")
            for device, energy_j in {"gpu0": 3.6e6, "gpu10": 7.2e6, "cpu": 1.8e6, "dram": 0.0, "host": 9e9}.items()
        ]
        run.store.devices.add(JOB, instance.instance_id, 1, Phase.TRAIN, parts)
    pues = [{"frankfurt": 1.25, "oregon": 1.2}[instance.site] for instance in instances]
    row = _row(run)
    assert row["gpu_energy"] == pytest.approx(3.0 * sum(pues))
    assert row["cpu_energy"] == pytest.approx(0.5 * sum(pues))
    assert row["ram_energy"] is None


def test_a_new_file_and_the_same_job_again(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    run = Run()
    started(run)
    write_codecarbon(path, _row(run))
    first = _read(path)
    assert [row["run_id"] for row in first] == [JOB]
    assert tuple(first[0]) == COLUMNS
    write_codecarbon(path, {**_row(run), "run_id": "digits-2"})
    longer = Run()
    finished(longer)
    write_codecarbon(path, _row(longer))
    rows = _read(path)
    assert [row["run_id"] for row in rows] == [JOB, "digits-2"]
    assert float(rows[0]["emissions"]) > float(first[0]["emissions"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["emissions.csv"]


def test_a_file_of_another_version_keeps_its_columns_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    header = "run_id,timestamp,project_name,duration,emissions,energy_consumed,a_column_of_theirs"
    path.write_text(f'{header}\r\nx,2024-01-01T00:00:00,mine,1.0,2.0,3.0,"a, b"\r\n', encoding="utf-8")
    run = Run()
    finished(run)
    write_codecarbon(path, _row(run))
    rows = _read(path)
    assert ",".join(rows[0]) == header
    assert rows[0]["a_column_of_theirs"] == "a, b"
    assert (rows[1]["run_id"], rows[1]["duration"], rows[1]["a_column_of_theirs"]) == (JOB, "100800.0", "")


def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    path.touch(mode=0o600)
    run = Run()
    finished(run)
    write_codecarbon(path, _row(run))
    assert len(_read(path)) == 1
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "word"),
    [
        pytest.param(b"a,b\n1,2\n", "columns of CodeCarbon", id="another CSV"),
        pytest.param(b"\xff\xfe\x00", "UTF-8", id="no text"),
    ],
)
def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "emissions.csv"
    path.write_bytes(content)
    run = Run()
    finished(run)
    with pytest.raises(GaError, match=word):
        write_codecarbon(path, _row(run))
    assert path.read_bytes() == content


def test_a_folder_that_is_absent(tmp_path: Path) -> None:
    run = Run()
    finished(run)
    with pytest.raises(GaError, match=r"absent.emissions\.csv: cannot be written"):
        write_codecarbon(tmp_path / "absent" / "emissions.csv", _row(run))


def test_a_job_without_energy() -> None:
    row = _row(Run())
    assert (row["emissions"], row["duration"], row["pue"]) == (0.0, 0.0, None)
