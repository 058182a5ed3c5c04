"""All jobs of a time, by job, site and zone."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pytest
from support.rendering import text_of
from support.viewed_job import EPOCH_S, JOB, SITES, START, Run, at, epoch_s, finished, readings
from syrupy.assertion import SnapshotAssertion

from gacli.core.carbon import Quality, Signal
from gacli.core.emissions import emissions_of
from gacli.core.energy import EnergyInterval, Phase
from gacli.core.job import JobState
from gacli.core.site import Site
from gacli.store.jobs import JobRecord
from gacli.views.carbon_output import csv_text
from gacli.views.overview import Overview, read_overview
from gacli.views.overview_output import overview_json, overview_rows, overview_table

DAY_S = 86400.0


def _second(run: Run, signal: Signal, created_epoch_s: float) -> str:
    """A job in real time that has trained at oregon for an hour, and goes on."""
    store = run.store
    job = store.jobs.create(
        name="words", config_path="words.yaml", config_text="", config_sha256="1", clock_epoch_s=created_epoch_s,
        clock_start=START, clock_scale=1.0,
    )  # fmt: skip
    assert job is not None
    told = [replace(one, signal=signal) for one in readings("US-NW-PACW", START, 4, Quality.MEASURED)]
    store.ledger.record_readings(job.job_id, told)
    instance = f"{job.job_id}-oregon-1"
    store.instances.request(instance_id=instance, job_id=job.job_id, site="oregon", generation=1, at=START)
    store.jobs.set_first_site(job.job_id, "oregon")
    store.jobs.set_state(job.job_id, JobState.RUNNING, "")
    interval = EnergyInterval(
        site="oregon", generation=1, phase=Phase.TRAIN, start=START, end=at(1), energy_j=3.6e6, meter="nvml",
        modelled=False,
    )  # fmt: skip
    store.ledger.append(job.job_id, instance, emissions_of(interval, SITES[1], told))
    return job.job_id


def _fleet(job: JobRecord) -> Sequence[Site]:
    return SITES


def _overview(signal: Signal = Signal.AVERAGE, *, since_s: float = DAY_S, later_s: float = 600.0) -> Overview:
    run = Run()
    finished(run)
    ended = epoch_s(at(28.2))
    _second(run, signal, ended)
    return read_overview(run.store, _fleet, since_s=since_s, now_epoch_s=ended + later_s)


def test_every_grouping_adds_up_to_the_same() -> None:
    overview = _overview()
    assert [row.job.job_id for row in overview.jobs] == ["words-1", JOB]
    for sums in (overview.sites, overview.zones):
        assert sum(one.energy_j for one in sums) == pytest.approx(overview.total.energy_j)
        assert sum(one.emissions_g for one in sums) == pytest.approx(overview.total.emissions_g)
    assert [(one.name, one.zone, one.jobs) for one in overview.sites] == [
        ("frankfurt", "DE", 1), ("oregon", "US-NW-PACW", 2),
    ]  # fmt: skip
    assert overview.total.jobs == 2


@pytest.mark.parametrize(
    ("since_s", "later_s", "jobs"),
    [
        pytest.param(700.0, 600.0, ["words-1", JOB], id="both"),
        pytest.param(500.0, 600.0, ["words-1"], id="the finished one is too old"),
        pytest.param(60.0, 1e7, ["words-1"], id="one that is not over is always there"),
    ],
)
def test_jobs_that_were_alive_since(since_s: float, later_s: float, jobs: list[str]) -> None:
    overview = _overview(since_s=since_s, later_s=later_s)
    assert [row.job.job_id for row in overview.jobs] == jobs


def test_average_and_marginal_savings_are_not_added_up() -> None:
    apart, together = _overview(Signal.MARGINAL).savings, _overview().savings
    assert [one.signals for one in apart] == [(Signal.MARGINAL,), (Signal.AVERAGE,)]
    assert [(one.signals, one.jobs) for one in together] == [((Signal.AVERAGE,), 2)]
    assert sum(one.baseline_g for one in apart) == pytest.approx(together[0].baseline_g)


def test_a_fleet_that_is_not_known_has_no_baseline() -> None:
    run = Run()
    finished(run)
    overview = read_overview(run.store, lambda job: (), since_s=DAY_S, now_epoch_s=EPOCH_S)
    assert overview.savings == ()
    assert overview.jobs[0].baseline is None
    assert overview.total.emissions_g > 0


@pytest.mark.parametrize("width", [80, 120])
def test_how_it_looks(width: int, snapshot: SnapshotAssertion) -> None:
    shown = text_of(overview_table(_overview()), width)
    assert max(map(len, shown.splitlines())) <= width
    assert shown == snapshot


def test_no_jobs_at_all() -> None:
    overview = read_overview(Run().store, _fleet, since_s=DAY_S, now_epoch_s=EPOCH_S)
    assert "digits-1" in text_of(overview_table(overview), 80)
    none = replace(overview, jobs=(), sites=(), zones=(), savings=())
    assert text_of(overview_table(none), 80).startswith("no job was alive since")
    assert overview_json(none)["jobs"] == []


def test_for_machines() -> None:
    record = json.loads(json.dumps(overview_json(_overview())))
    assert record["total"]["emissions_g"] == pytest.approx(sum(job["emissions_g"] for job in record["jobs"]))
    job = record["jobs"][1]
    assert (job["job"], job["clock_scale"], job["signals"], job["sources"]) == (JOB, 900.0, ["average"], ["typical"])
    assert job["baseline"]["site"] == "frankfurt"
    assert job["estimated_percent"] == pytest.approx(100)
    assert record["savings"][0]["jobs"] == 2
    assert 0 < record["savings"][0]["estimated_percent"] < 100


def test_as_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(overview_rows(_overview())))))
    sums: dict[str, float] = defaultdict(float)
    for row in rows:
        sums[row["by"]] += float(row["emissions_g"])
    assert list(sums) == ["job", "site", "zone", "all"]
    assert max(sums.values()) == pytest.approx(min(sums.values()))
    assert (rows[1]["name"], rows[1]["baseline_site"], rows[1]["signal"]) == (JOB, "frankfurt", "average")
