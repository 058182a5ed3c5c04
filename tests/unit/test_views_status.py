"""`ga status`, for people and machines."""

from __future__ import annotations

import json

import pytest
from support.rendering import text_of
from support.viewed_job import EPOCH_S, JOB, SITES, START, Run, at, finished, moved, started
from syrupy.assertion import SnapshotAssertion

from gacli.core.job import JobState
from gacli.store import Store
from gacli.views.status import print_job, print_jobs, read_status, status_table


def _two_jobs() -> Run:
    run = Run()
    finished(run)
    created = run.store.jobs.create(
        name="resnet", config_path="x.yaml", config_text="", config_sha256="0", clock_epoch_s=EPOCH_S + 3600,
        clock_start=START, clock_scale=1.0,
    )  # fmt: skip
    assert created is not None
    return run


def test_all_jobs_the_newest_first(snapshot: SnapshotAssertion) -> None:
    rows = read_status(_two_jobs().store, lambda _job: SITES)
    assert [(row.job_id, row.state, row.where) for row in rows] == [
        ("resnet-1", JobState.QUEUED, None),
        (JOB, JobState.DONE, None),
    ]
    assert text_of(status_table(rows), 100) == snapshot


def test_no_jobs() -> None:
    assert text_of(status_table(read_status(Store(None), lambda _job: SITES)), 80) == (
        "no jobs yet: start one with `ga run FILE.yaml`"
    )


def test_all_jobs_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    print_jobs(_two_jobs().store, lambda _job: SITES, as_json=True)
    resnet, digits = json.loads(capsys.readouterr().out)["jobs"]
    assert (resnet["state"], resnet["emissions_g"], resnet["baseline"]) == ("queued", 0, None)
    assert resnet["created_at"] == "2027-01-15T09:00:00.000000Z"
    assert (digits["step"], digits["total_steps"], digits["baseline"]["site"]) == (4000, 4000, "frankfurt")
    assert digits["saved_percent"] == pytest.approx(
        100 * (1 - digits["emissions_g"] / digits["baseline"]["emissions_g"])
    )


@pytest.mark.parametrize(("has_controller", "warned"), [(True, False), (False, True)])
def test_one_job_for_people(has_controller: bool, warned: bool, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run()
    started(run)
    print_job(run.store, JOB, SITES, now=at(8), has_controller=has_controller, max_age_s=7200, as_json=False)
    shown = capsys.readouterr().out
    assert "running at frankfurt" in shown
    assert ("no controller" in shown) is warned


@pytest.mark.parametrize("state", [JobState.PAUSED, JobState.DONE])
def test_a_job_that_needs_no_controller_is_not_called_forsaken(
    state: JobState, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run()
    started(run)
    run.state(at(8), state)
    print_job(run.store, JOB, SITES, now=at(8), has_controller=False, max_age_s=7200, as_json=False)
    assert "no controller" not in capsys.readouterr().out


def test_one_job_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run()
    moved(run)
    print_job(run.store, JOB, SITES, now=at(20), has_controller=True, max_age_s=7200, as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert (record["job"], record["state"], record["site"], record["moves"]) == (JOB, "running", "oregon", 1)
    assert record["at"] == "2024-06-03T20:00:00.000000Z"
    assert record["remaining_s"] == pytest.approx(1200 / 0.04)
    assert (record["has_controller"], record["clock_scale"]) == (True, 900)
    oregon = record["sites"][1]
    assert (oregon["role"], oregon["quality"], oregon["stale"]) == ("holds", "typical", False)
    assert sum(site["emissions_g"] for site in record["sites"]) == pytest.approx(record["emissions_g"])
    assert sum(site["energy_kwh"] for site in record["sites"]) == pytest.approx(record["energy_kwh"])
