"""What is read of one job, at moments of one run."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from support.viewed_job import EPOCH_S, JOB, SITES, Run, at, finished, moved, moving, started

from gacli.core.carbon import Quality, Signal
from gacli.core.job import JobState
from gacli.store.placements import Purpose
from gacli.views.emissions import RecentEmissions, read_emissions
from gacli.views.job_view import JobView, epoch_at, read_job
from gacli.views.placement_stages import Reached
from gacli.views.site_row import Role, legend
from gacli.views.trend import Trend


def view_of(run: Run, now: datetime) -> JobView:
    return read_job(run.store, JOB, SITES, now=now, emissions=read_emissions(run.store, SITES, JOB))


def test_a_job_that_has_done_nothing_yet() -> None:
    view = view_of(Run(), at(0))
    assert (view.state, view.where, view.step, view.underway) == (JobState.QUEUED, None, None, None)
    assert (view.steps_per_s, view.remaining_s, view.moves, view.decisions) == (None, None, 0, ())
    assert view.emissions.account.baseline is None
    assert view.emissions.saved_g is None


def test_a_running_job() -> None:
    run = Run()
    started(run)
    view = view_of(run, at(8.5))
    assert (view.state, view.where, view.generation) == (JobState.RUNNING, "frankfurt", 1)
    assert (view.step, view.total_steps, view.loss, view.metrics) == (1240, 4000, 0.1234, {"accuracy": 0.937})
    # 2760 steps at 0.04 a second, less the half hour since they were counted.
    assert view.remaining_s == pytest.approx(2760 / 0.04 - 1800)
    assert view.elapsed_s == 8.5 * 3600
    assert [site.role for site in view.sites] == [Role.HOLDS, Role.NONE, Role.NONE]
    assert view.signals == (Signal.AVERAGE,)


def test_remaining_time_is_never_negative() -> None:
    run = Run()
    started(run)
    assert view_of(run, at(100)).remaining_s == 0.0


def test_a_job_that_is_being_moved() -> None:
    run = Run()
    moving(run)
    view = view_of(run, at(8.9))
    assert (view.state, view.where, view.moves) == (JobState.MOVING, None, 0)
    assert [site.role for site in view.sites] == [Role.HELD, Role.TARGET, Role.NONE]
    assert view.underway is not None
    assert (view.underway.purpose, view.underway.source, view.underway.target) == (Purpose.MOVE, "frankfurt", "oregon")
    stages = {stage.name: stage.reached for stage in view.underway.stages}
    assert stages == {
        "boot": Reached.DONE, "checkpoint": Reached.DONE, "copy": Reached.NOW, "start": Reached.LATER,
        "release": Reached.LATER,
    }  # fmt: skip
    # Machines' times are real: 0.6 h of the job's clock at 900 times the pace.
    assert view.underway.stages[0].real_s == pytest.approx(0.6 * 3600 / 900)
    (step,) = view.steps.values()
    assert (step.done, step.total, step.unit) == (12_300_000, 40_000_000, "bytes")


@pytest.mark.parametrize(
    ("purpose", "has_source", "has_target", "stages"),
    [
        (Purpose.START, False, True, ["boot", "start"]),
        (Purpose.MOVE, True, True, ["boot", "checkpoint", "copy", "start", "release"]),
        (Purpose.PAUSE, True, False, ["checkpoint", "copy", "release"]),
        (Purpose.RESTART, False, True, ["start"]),
        (Purpose.STOP, False, False, []),
    ],
)
def test_stages_ahead(purpose: Purpose, has_source: bool, has_target: bool, stages: list[str]) -> None:
    run = Run()
    source = run.request("frankfurt", at(0)) if has_source else None
    run.plan(purpose, "why", at(1), source=source, target="oregon" if has_target else None)
    view = view_of(run, at(1))
    assert view.underway is not None
    assert [stage.name for stage in view.underway.stages] == stages


def test_a_finished_move() -> None:
    run = Run()
    moved(run)
    view = view_of(run, at(20))
    assert (view.where, view.moves, view.underway, view.steps) == ("oregon", 1, None, {})
    assert [site.role for site in view.sites] == [Role.NONE, Role.HOLDS, Role.NONE]
    assert view.emissions.account.baseline is not None
    assert view.emissions.account.baseline.site == "frankfurt"
    assert view.emissions.saved_g is not None
    assert view.emissions.saved_g > 0
    by_site = sum(site.emissions_g for site in view.sites)
    assert by_site == pytest.approx(view.emissions.account.emissions_g)


def test_the_clock_of_a_finished_job_stands_still() -> None:
    run = Run()
    finished(run)
    assert view_of(run, at(90)) == view_of(run, at(50))
    assert abs(view_of(run, at(90)).now - at(28.2)) < timedelta(seconds=1)
    assert view_of(run, at(90)).remaining_s is None


def test_a_blocked_site_says_why_and_until_when() -> None:
    run = Run()
    run.store.instances.block_site(JOB, "milan", at(2), "no capacity", fault=False)
    assert (view_of(run, at(1)).sites[2].role, view_of(run, at(1)).sites[2].because) == (Role.BLOCKED, "no capacity")
    assert view_of(run, at(3)).sites[2].role is Role.NONE


def test_readings_grow_old_and_then_stale() -> None:
    run = Run()  # readings reach to 72 h after the start
    fresh, old, stale = (view_of(run, at(hour)).sites[0].grid for hour in (71.5, 73.9, 74.1))
    assert (fresh.age_s, fresh.stale) == (1800, False)
    assert (old.age_s, old.stale) == (2.9 * 3600, False)
    assert stale.stale
    assert legend([stale]) == "t typical days · ! stale"
    assert fresh.reading is not None
    stand_in = replace(fresh, reading=replace(fresh.reading, stand_in="typical stands in"))
    assert legend([stand_in]) == "t typical days · ~ stands in, not compared"
    assert legend([]) == ""
    short = read_job(run.store, JOB, SITES, now=at(73.9), emissions=read_emissions(run.store, SITES, JOB), max_age_s=60)
    assert short.sites[0].grid.stale


def test_a_zone_without_readings() -> None:
    run = Run()
    elsewhere = dataclasses.replace(SITES[0], name="paris", zone="FR")
    view = read_job(run.store, JOB, [elsewhere], now=at(0), emissions=read_emissions(run.store, SITES, JOB))
    grid = view.sites[0].grid
    assert (grid.reading, grid.age_s, grid.stale, grid.trend, grid.range_g_per_kwh) == (
        None, None, False, Trend.UNKNOWN, None,
    )  # fmt: skip
    assert view.signals == ()


def test_what_the_account_rests_on() -> None:
    run = Run(quality=Quality.ESTIMATED)
    started(run)
    emissions = read_emissions(run.store, SITES, JOB)
    assert emissions.quality_percent == {Quality.ESTIMATED: pytest.approx(100)}
    # Half an hour at 60 W of 8 h at 290 W.
    assert emissions.account.modelled_percent == pytest.approx(100 * 30 / (30 + 7.5 * 290))
    assert emissions.extrapolated_percent == 0


def test_accounts_are_kept_for_two_real_seconds() -> None:
    run = Run()
    instance = started(run)
    recent = RecentEmissions(run.store, SITES, JOB)
    first = recent.at(EPOCH_S)
    run.use("frankfurt", instance, next(iter(first.account.totals)).phase, at(8), at(9), 60)
    assert recent.at(EPOCH_S + 1.9) is first
    assert recent.at(EPOCH_S + 2.0).account.energy_j > first.account.energy_j


def test_real_time_follows_from_the_jobs_clock() -> None:
    job = Run().store.jobs.get(JOB)
    assert epoch_at(job, at(0)) == EPOCH_S
    assert epoch_at(job, at(1)) == EPOCH_S + 4.0
