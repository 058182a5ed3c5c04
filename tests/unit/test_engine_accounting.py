"""The baselines of a job, from its own record: that they belong together, and what is said where there are none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.viewed_job import JOB, SITES, Run, at, finished, moved, readings, started

from gacli.core.carbon import Signal
from gacli.engine.accounting import Baselines, baselines_of
from gacli.engine.summary import account_of, summary_of

MINUTE_S = 60.0


def _of(run: Run) -> Baselines:
    return baselines_of(run.store, SITES, JOB, account_of(run.store, SITES, JOB))


def test_each_is_at_most_the_one_before_it() -> None:
    run = Run()
    finished(run)
    found = _of(run)
    assert [saving.baseline.policy for saving in found.savings] == ["stay", "best-site", "clairvoyant"]
    stay, best, bound = (saving.baseline.emissions_g for saving in found.savings)
    assert bound <= best + 1e-6 < stay
    assert (found.savings[0].baseline.site, found.savings[1].baseline.site) == ("frankfurt", "oregon")
    actual_g = found.savings[0].actual_g
    assert found.captured_percent == pytest.approx(100 * (stay - actual_g) / (stay - bound))


def test_stay_is_the_summarys() -> None:
    run = Run()
    finished(run)
    summary = summary_of(run.store, SITES, JOB)
    stay = _of(run).savings[0]
    assert summary["baseline"] == {
        "policy": "stay", "site": "frankfurt", "emissions_g": stay.baseline.emissions_g,
    }  # fmt: skip
    assert summary["saved_percent"] == stay.percent
    assert set(summary) == {
        "event", "job", "status", "detail", "generation", "migrations", "pauses", "steps", "wall_s", "clock_scale",
        "energy_kwh", "emissions_g", "modelled_percent", "baseline", "saved_percent", "sites", "checkpoint",
    }  # fmt: skip


def test_moves_take_what_the_jobs_own_took() -> None:
    run = Run()
    moved(run)
    times = _of(run).move_times
    assert times is not None
    # Stopped in 0.2 h and copied in 0.2 h; 0.2 h from start to first step, both times.
    assert times.downtime_s == pytest.approx(36 * MINUTE_S)
    # Oregon's own boot, frankfurt's own, and for a site that was never used the mean.
    assert times.boot_s == pytest.approx({"frankfurt": 30 * MINUTE_S, "oregon": 36 * MINUTE_S, "milan": 33 * MINUTE_S})


def test_before_any_move_it_is_assumed_on_the_jobs_clock() -> None:
    run = Run()
    started(run)
    times = _of(run).move_times
    assert times is not None
    # 5 s to stop on a clock that is 900 times as fast, no checkpoint yet; the start was observed.
    assert times.downtime_s == pytest.approx(5 * run.scale + 12 * MINUTE_S)


def test_nothing_before_the_first_step() -> None:
    assert _of(Run()) == Baselines()


def test_mixed_signals_are_told_and_stay_remains() -> None:
    run = Run()
    finished(run)
    fleet, account = [*SITES, replace(SITES[0], name="marginal", zone="XX")], account_of(run.store, SITES, JOB)
    found = baselines_of(run.store, fleet, JOB, account)
    assert found.left_out == ("marginal",)
    marginal = [replace(one, zone="XX", signal=Signal.MARGINAL) for one in readings("DE", at(0), 24)]
    run.store.ledger.record_readings(JOB, marginal)
    found = baselines_of(run.store, fleet, JOB, account)
    assert [saving.baseline.policy for saving in found.savings] == ["stay"]
    assert "average and marginal" in found.unavailable
    assert found.captured_percent is None
