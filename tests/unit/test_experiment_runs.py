"""Every job with every policy from every start, and what hindsight says of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.experiments import DATA, START, write_experiment

from gacli.config.experiment import load_experiment
from gacli.simulate.scenario import Outage
from gacli.sweep.experiment_runs import Runner, run_all, units_of

STATIC = {
    "{source: trace, folder: traces}": "{source: static, values: {XX-SUN: 100, XX-WIND: 200}}",
    "deadline: 50%": "gpus: 3",
    "policies: [stay, greedy-carbon]": "policies: [greedy-carbon]",
}


def test_run_that_stays_is_accounted_as_worked_out_by_hand(tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(tmp_path, STATIC | {"busy: 400W": "busy: 700W"}))
    (first, *_) = run_all(experiment, workers=1)
    # 3 GPUs: 6 min of boot and restart at 60 W; 10 h of work and 10 saves of 2 min at 700 W. PUE 1.2, 100 g/kWh.
    energy_j = 3 * (360 * 60 + (36_000 + 1200) * 700)
    stay, greedy = first.runs
    for run in (stay, greedy):
        assert run.energy_j == pytest.approx(energy_j, rel=1e-12)
        assert run.emissions_g == pytest.approx(energy_j / 3.6e6 * 1.2 * 100, rel=1e-12)
        assert (run.time_s, run.moves, run.pauses, run.lost_s) == (37_560, 0, 0, 0)
        assert run.deadline_met is None
        assert run.train_s == {"sun": 36_000, "wind": 0}
    assert (stay.policy, greedy.policy) == ("stay", "greedy-carbon")
    seen = first.hindsight
    assert seen is not None
    assert seen.best_site == "sun"
    assert seen.best_site_g == pytest.approx(stay.emissions_g, rel=1e-12)
    assert seen.best_moves_g == pytest.approx(stay.emissions_g, rel=1e-9)


def test_all_units_are_run_and_hindsight_is_never_beaten_by_staying(tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(tmp_path, {"busy: 400W": "busy: 700W"}))
    results = list(run_all(experiment, workers=1))
    assert [result.unit for result in results] == list(units_of(experiment))
    assert [result.unit.start for result in results] == list(experiment.starts)
    for result in results:
        assert [run.policy for run in result.runs] == ["stay", "greedy-carbon"]
        assert {run.start for run in result.runs} == {result.unit.start}
        seen = result.hindsight
        assert seen is not None
        assert seen.best_moves_g is not None
        stay_g = result.runs[0].emissions_g
        assert seen.best_moves_g <= seen.best_site_g * (1 + 1e-9) <= stay_g * (1 + 2e-9)
    # From noon on the sun sets, and the wind is better.
    assert results[1].runs[1].moves > 0
    assert results[1].runs[1].train_s["wind"] > 0


def test_nothing_is_said_of_best_moves_where_work_takes_another_energy_elsewhere(tmp_path: Path) -> None:
    for result in run_all(load_experiment(write_experiment(tmp_path)), workers=1):
        assert result.hindsight is not None
        assert result.hindsight.best_moves_g is None
        assert result.hindsight.best_site_g <= result.runs[0].emissions_g


def test_runs_repeat_to_the_last_digit(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, {"policies: [stay, greedy-carbon]": "policies: [random, hysteresis]"})
    first, second = (list(run_all(load_experiment(path), workers=1)) for _ in range(2))
    assert first == second


def test_units_do_not_depend_on_those_before_them(tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(tmp_path))
    units = units_of(experiment)
    runner = Runner(experiment)
    assert [runner(unit) for unit in units] == [Runner(experiment)(unit) for unit in reversed(units)][::-1]


def test_outage_costs_work_that_the_results_tell(tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(tmp_path))
    at = START + timedelta(hours=3, minutes=40)
    lost = replace(
        experiment, outages=(Outage(site="wind", start=at, end=at + timedelta(hours=2)),), starts=experiment.starts[:1]
    )
    (undisturbed, _), (disturbed,) = (list(run_all(one, workers=1)) for one in (experiment, lost))
    stay, other = undisturbed.runs[0], disturbed.runs[0]
    assert stay.lost_s == 0
    assert 0 < other.lost_s < 3600
    assert stay.train_s["wind"] == 36_000
    assert sum(other.train_s.values()) == pytest.approx(36_000 + other.lost_s)
    assert stay.time_s is not None
    assert other.time_s is not None
    assert other.time_s > stay.time_s


def test_run_that_is_given_up_has_no_time_and_no_hindsight(tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(tmp_path))
    everywhere = tuple(Outage(site=site.name, start=START, end=START + timedelta(days=9)) for site in experiment.sites)
    for result in run_all(replace(experiment, outages=everywhere), workers=1):
        assert result.hindsight is None
        assert {(run.time_s, run.deadline_met, run.emissions_g) for run in result.runs} == {(None, False, 0.0)}


def test_experiment_of_every_key_runs() -> None:
    experiment = load_experiment(DATA / "full.yaml")
    results = list(run_all(experiment, workers=1))
    assert len(results) == len(experiment.jobs) * len(experiment.starts)
    assert all(run.time_s is not None for result in results for run in result.runs)
