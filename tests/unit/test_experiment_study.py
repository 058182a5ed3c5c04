"""What runs say together: means, spreads, savings against `stay` from the same start, and against a bound."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.experiments import START, write_experiment

from gacli.config.experiment import Experiment, load_experiment
from gacli.sweep.experiment_runs import Hindsight, Run, Unit, UnitResult, run_all
from gacli.sweep.study import ALL_JOBS, Reference, Row, Study, spread_of, study_of

TWO_JOBS = {
    "deadline: 50%}": "deadline: 50%}\n  - {name: free, work: 5h}",
    "policies: [stay, greedy-carbon]": "policies: [stay, greedy-carbon, clairvoyant]",
}


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return load_experiment(write_experiment(tmp_path, TWO_JOBS))


def result(
    experiment: Experiment, job: int, start: int, emitted_g: list[float | None], best_moves_g: float
) -> UnitResult:
    """emitted_g: by policy, None: given up."""
    name, at = experiment.jobs[job].name, experiment.starts[start]
    runs = tuple(
        Run(
            job=name,
            policy=policy,
            start=at,
            emissions_g=5.0 if mass_g is None else mass_g,
            energy_j=1000.0,
            time_s=None if mass_g is None else 3600.0 * (start + 1),
            moves=start,
            pauses=2 * start,
            paused_s=60.0,
            lost_s=0.0,
            deadline_met=None if job == 1 else mass_g is not None,
            train_s={"sun": 30.0, "wind": 10.0},
        )
        for policy, mass_g in zip(experiment.policies, emitted_g, strict=True)
    )
    seen = Hindsight(job=name, start=at, best_site="sun", best_site_g=90.0, best_moves_g=best_moves_g)
    return UnitResult(unit=Unit(job=job, start=at), runs=runs, hindsight=seen)


def row(study: Study, job: str, policy: str) -> Row:
    return next(one for one in study.rows if (one.job, one.policy) == (job, policy))


def reference(study: Study, job: str, name: str) -> Reference:
    return next(one for one in study.references if (one.job, one.name) == (job, name))


def test_savings_are_of_sums_and_of_single_starts(experiment: Experiment) -> None:
    results = [
        result(experiment, 0, 0, [100.0, 80.0, 60.0], 70.0),
        result(experiment, 0, 1, [300.0, 270.0, 250.0], 240.0),
        result(experiment, 1, 0, [100.0, 110.0, 50.0], 50.0),
        result(experiment, 1, 1, [100.0, 100.0, 50.0], 50.0),
    ]
    study = study_of(experiment, reversed(results))
    assert [run.start for run in study.runs[:6]] == [experiment.starts[0]] * 3 + [experiment.starts[1]] * 3
    greedy = row(study, "short", "greedy-carbon")
    assert greedy.saved_percent == pytest.approx(12.5)  # 50 g of 400 g
    assert greedy.saved_each_percent is not None
    assert greedy.saved_each_percent.mean == pytest.approx(15.0)  # 20 % and 10 %
    # The bound is 60 g (clairvoyant) and 240 g (moves): 100 g can be saved.
    assert greedy.of_bound_percent == pytest.approx(50.0)
    assert row(study, "short", "clairvoyant").of_bound_percent == pytest.approx(90.0)
    bound = reference(study, "short", "bound")
    assert bound.saved_percent == pytest.approx(25.0)
    assert bound.emissions_g is not None
    assert bound.emissions_g.mean == pytest.approx(150.0)
    assert row(study, "free", "greedy-carbon").saved_percent == pytest.approx(-5.0)
    assert row(study, ALL_JOBS, "greedy-carbon").saved_percent == pytest.approx(100 * (600 - 560) / 600)
    stay = row(study, "short", "stay")
    assert (stay.saved_percent, stay.of_bound_percent) == (0.0, 0.0)


def test_times_moves_deadlines_and_places_are_told(experiment: Experiment) -> None:
    results = [result(experiment, 0, start, [100.0, 80.0, 60.0], 70.0) for start in (0, 1)]
    results += [result(experiment, 1, start, [100.0, 80.0, 60.0], 70.0) for start in (0, 1)]
    study = study_of(experiment, results)
    greedy = row(study, "short", "greedy-carbon")
    assert greedy.time_s is not None
    assert greedy.moves is not None
    assert greedy.pauses is not None
    assert (greedy.time_s.mean, greedy.time_s.std) == (5400, 1800)
    assert (greedy.moves.mean, greedy.pauses.mean) == (0.5, 1)
    assert (greedy.deadlines, greedy.deadlines_met, greedy.runs, greedy.given_up) == (2, 2, 2, 0)
    assert greedy.train_share == {"sun": 0.75, "wind": 0.25}
    assert row(study, "free", "greedy-carbon").deadlines == 0
    assert row(study, ALL_JOBS, "greedy-carbon").deadlines == 2


def test_runs_that_were_given_up_are_counted_and_left_out(experiment: Experiment) -> None:
    results = [
        result(experiment, 0, 0, [100.0, None, 60.0], 70.0),
        result(experiment, 0, 1, [300.0, 270.0, 250.0], 240.0),
        result(experiment, 1, 0, [None, 80.0, None], 70.0),
        replace(result(experiment, 1, 1, [None, 80.0, None], 70.0), hindsight=None),
    ]
    study = study_of(experiment, results)
    greedy = row(study, "short", "greedy-carbon")
    assert (greedy.runs, greedy.given_up, greedy.deadlines, greedy.deadlines_met) == (2, 1, 2, 1)
    assert greedy.saved_percent == pytest.approx(10.0)
    assert greedy.emissions_g is not None
    assert greedy.emissions_g.mean == 270.0
    lost = row(study, "free", "stay")
    assert (lost.given_up, lost.emissions_g, lost.time_s, lost.saved_percent) == (2, None, None, None)
    assert row(study, "free", "greedy-carbon").saved_percent is None


def test_bound_takes_no_perfect_run_that_was_late(experiment: Experiment) -> None:
    late = result(experiment, 0, 0, [100.0, 80.0, 10.0], 70.0)
    late = replace(late, runs=(*late.runs[:2], replace(late.runs[2], deadline_met=False)))
    study = study_of(experiment, [late, *(result(experiment, 1, start, [9.0, 9.0, 9.0], 9.0) for start in (0, 1))])
    bound = reference(study, "short", "bound")
    assert bound.emissions_g is not None
    assert bound.emissions_g.mean == 70.0


def test_nothing_is_said_of_the_bound_where_nothing_can_be_saved(experiment: Experiment) -> None:
    results = [result(experiment, job, start, [9.0, 9.0, 9.0], 9.0) for job in (0, 1) for start in (0, 1)]
    assert {one.of_bound_percent for one in study_of(experiment, results).rows} == {None}


def test_real_runs_are_bounded_by_what_perfect_foresight_reaches(tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(tmp_path, {"work: 10h": "work: 6h", "busy: 400W": "busy: 700W"}))
    experiment = replace(experiment, starts=tuple(START + timedelta(hours=hour) for hour in range(0, 24, 3)))
    results = list(run_all(experiment, workers=1))
    study = study_of(experiment, results)
    moves = reference(study, "short", "best moves")
    assert moves.emissions_g is not None
    for one in study.rows:
        assert one.emissions_g is not None
        assert moves.emissions_g.mean <= one.emissions_g.mean * (1 + 1e-9)
        assert sum(one.train_share.values()) == pytest.approx(1.0)
    random.Random(1).shuffle(results)
    assert study_of(experiment, results) == study


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=60))
def test_spread(values: list[float]) -> None:
    spread = spread_of(values)
    assert spread is not None
    assert spread.mean == pytest.approx(fmean(values))
    assert spread.std == pytest.approx(pstdev(values))
    assert min(values) <= spread.p5 * (1 + 1e-9)
    assert spread.p5 <= spread.p95
    assert spread.p95 <= max(values) * (1 + 1e-9)


def test_spread_of_hundred_and_one_values_is_theirs() -> None:
    spread = spread_of([float(value) for value in range(101)])
    assert spread is not None
    assert (spread.p5, spread.p95, spread.mean) == (5.0, 95.0, 50.0)
    assert spread_of([]) is None
