"""The ledger's intervals as CSV."""

from __future__ import annotations

import csv
import io

import pytest
from support.viewed_job import JOB, Run, finished

from gacli.engine.accounted import read_accounted
from gacli.views.report_csv import COLUMNS, intervals_csv


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_nothing_is_lost_and_nothing_rounded() -> None:
    run = Run()
    finished(run)
    text = intervals_csv(JOB, read_accounted(run.store, JOB))
    rows = _rows(text)
    assert tuple(rows[0]) == COLUMNS
    assert "\r" not in text
    entries = [entry.emission for entry in run.store.ledger.entries(JOB)]
    assert [float(row["energy_j"]) for row in rows] == [entry.energy.energy_j for entry in entries]
    assert [float(row["emissions_g"]) for row in rows] == [entry.emissions_g for entry in entries]
    for row in rows:
        energy_kwh = float(row["energy_kwh"])
        assert energy_kwh == pytest.approx(float(row["power_w"]) * float(row["duration_s"]) / 3.6e6)
        assert float(row["emissions_g"]) == pytest.approx(
            energy_kwh * float(row["pue"]) * float(row["intensity_g_per_kwh"])
        )


def test_what_the_first_interval_says() -> None:
    run = Run()
    finished(run)
    row = _rows(intervals_csv(JOB, read_accounted(run.store, JOB)))[0]
    assert {name: row[name] for name in COLUMNS if name not in ("intensity_g_per_kwh", "emissions_g")} == {
        "job": JOB, "instance": "digits-1-frankfurt-1", "site": "frankfurt", "zone": "DE", "generation": "1",
        "phase": "boot", "start": "2024-06-03T00:00:00.000000Z", "end": "2024-06-03T00:24:00.000000Z",
        "duration_s": "1440.0", "energy_j": "86400.0", "energy_kwh": "0.024", "power_w": "60.0", "pue": "1.25",
        "meter": "model", "modelled": "true", "signal": "average", "scope": "lifecycle", "quality": "typical",
        "carbon_source": "typical", "extrapolated": "false",
    }  # fmt: skip


def test_a_job_without_energy_has_its_columns() -> None:
    assert intervals_csv(JOB, ()) == ",".join(COLUMNS) + "\n"
