"""Energy by device: it adds up, in the transaction that it is told in, and what is older than the table is in it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from gacli.core.energy import Phase
from gacli.ports.machine import EnergyPart
from gacli.store import Store

START = datetime(2024, 6, 1, tzinfo=UTC)


def part(device: str, energy_j: float, meter: str = "nvml", uncertainty: str = "counter") -> EnergyPart:
    return EnergyPart(device=device, energy_j=energy_j, meter=meter, uncertainty=uncertainty)


def with_instances(store: Store, *names: str) -> Store:
    store.jobs.create(
        name="job",
        config_path="train.yaml",
        config_text="",
        config_sha256="",
        clock_epoch_s=0.0,
        clock_start=START,
        clock_scale=1.0,
    )
    for name in names:
        store.instances.request(instance_id=name, job_id="job-1", site=f"site-{name}", generation=0, at=START)
    return store


def test_parts_of_a_kind_add_up_and_others_stay_apart() -> None:
    store = with_instances(Store(None), "b", "a")
    store.devices.add("job-1", "b", 1, Phase.TRAIN, [part("gpu0", 10.0), part("gpu1", 20.0)])
    store.devices.add("job-1", "b", 1, Phase.TRAIN, [part("gpu0", 1.0), part("gpu0", 2.0, "nvidia-smi", "integrated")])
    store.devices.add("job-1", "b", 1, Phase.CHECKPOINT, [part("gpu0", 4.0)])
    store.devices.add("job-1", "b", 2, Phase.TRAIN, [part("gpu0", 8.0)])
    store.devices.add("job-1", "a", 1, Phase.TRAIN, [part("gpu0", 16.0)])
    found = [
        (
            one.instance_id,
            one.site,
            one.generation,
            one.phase.value,
            one.device,
            one.meter,
            one.uncertainty,
            one.energy_j,
        )
        for one in store.devices.of_job("job-1")
    ]
    assert found == [
        ("a", "site-a", 1, "train", "gpu0", "nvml", "counter", 16.0),
        ("b", "site-b", 1, "checkpoint", "gpu0", "nvml", "counter", 4.0),
        ("b", "site-b", 1, "train", "gpu0", "nvidia-smi", "integrated", 2.0),
        ("b", "site-b", 1, "train", "gpu0", "nvml", "counter", 11.0),
        ("b", "site-b", 1, "train", "gpu1", "nvml", "counter", 20.0),
        ("b", "site-b", 2, "train", "gpu0", "nvml", "counter", 8.0),
    ]
    assert store.devices.of_job("job-2") == []


def test_a_transaction_that_fails_leaves_nothing() -> None:
    store = with_instances(Store(None), "a")

    def fail() -> None:
        with store.transaction():
            store.devices.add("job-1", "a", 1, Phase.TRAIN, [part("gpu0", 10.0)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.devices.of_job("job-1") == []


def test_what_was_recorded_before_there_were_devices_is_the_hosts(tmp_path: Path) -> None:
    """A store of the schema before, with a job in it, as an upgrade finds it."""
    path = tmp_path / "ga.db"
    folder = resources.files("gacli.store").joinpath("migrations")
    scripts = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    older = [name for name in scripts if name < "0004"]
    connection = sqlite3.connect(path)
    for name in older:
        connection.executescript(folder.joinpath(name).read_text(encoding="utf-8"))
    connection.execute(f"PRAGMA user_version = {len(older)}")
    connection.execute(
        "INSERT INTO jobs (id, name, number, config_path, config_text, config_sha256, clock_epoch_s, clock_start_at,"
        " clock_scale, state, created_epoch_s) VALUES ('job-1', 'job', 1, '', '', '', 0, '', 1, 'running', 0)"
    )
    connection.execute(
        "INSERT INTO instances (id, job_id, site, state, phase, generation, requested_at, accounted_until_at)"
        " VALUES ('i', 'job-1', 'a', 'held', 'metered', 1, '2024', '2024')"
    )
    for phase, energy_j, meter, modelled in (
        ("boot", 5.0, "model", 1),
        ("train", 10.0, "nvidia-smi+rapl", 0),
        ("train", 30.0, "nvidia-smi+rapl", 0),
        ("train", 1.0, "nvidia-smi+rapl", 1),
        ("checkpoint", 2.0, "rapl", 0),
    ):
        connection.execute(
            "INSERT INTO intervals (job_id, instance_id, site, zone, generation, phase, start_at, end_at, energy_j,"
            " pue, intensity_g_per_kwh, emissions_g, meter, modelled, quality, carbon_source, extrapolated)"
            " VALUES ('job-1', 'i', 'a', 'A', 1, ?, '2024', '2024', ?, 1, 1, 1, ?, ?, 'measured', 'x', 0)",
            (phase, energy_j, meter, modelled),
        )
    connection.commit()
    connection.close()
    store = Store(path)
    found = {
        (one.phase.value, one.device, one.meter, one.uncertainty): one.energy_j for one in store.devices.of_job("job-1")
    }
    assert found == {
        ("boot", "host", "model", "model"): 5.0,
        ("train", "host", "nvidia-smi+rapl", "integrated"): 40.0,
        ("train", "host", "nvidia-smi+rapl", "model"): 1.0,
        ("checkpoint", "host", "rapl", "counter"): 2.0,
    }
    store.devices.add("job-1", "i", 1, Phase.CHECKPOINT, [part("host", 3.0, "rapl", "counter")])
    store.close()
    again = Store(path)
    assert sum(one.energy_j for one in again.devices.of_job("job-1")) == 51.0
    again.close()
