"""Results as they come into their file, and how they are scored."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra `sweep` is not installed")

from gacli.config.sweep import load_sweep
from gacli.errors import GaError
from gacli.sweep import running
from gacli.sweep.columns import COLUMNS, DURATION_S, EMISSIONS_G, FINISHED
from gacli.sweep.grid import Plan
from gacli.sweep.results_file import ResultsFile
from gacli.sweep.running import run
from gacli.sweep.scoring import Scoring
from gacli.sweep.threshold import evaluate, policies

SMALL = Path(__file__).parents[1] / "data" / "sweep" / "small.yaml"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(load_sweep(SMALL))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "small.sweep"


@pytest.fixture(scope="module")
def filled(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResultsFile]:
    file = ResultsFile.begin(tmp_path_factory.mktemp("sweep") / "small.sweep", plan)
    for _ in run(plan, file, plan.chunks, workers=2):
        pass
    file.finish()
    yield file
    file.close()


def test_two_workers_and_one_after_a_cut_have_the_same_results(plan: Plan, path: Path, filled: ResultsFile) -> None:
    file = ResultsFile.begin(path, plan)
    done = run(plan, file, plan.chunks, workers=1)
    first = [next(done).number for _ in range(3)]
    file.close()  # as whoever is killed does
    with pytest.raises(GaError, match="found a sweep that was cut off"):
        ResultsFile.begin(path, plan)
    again = ResultsFile.resume(path, plan)
    missing = again.missing()
    assert [chunk.number for chunk in missing] == [c.number for c in plan.chunks if c.number not in first]
    for _ in run(plan, again, missing, workers=1):
        pass
    assert again.missing() == []
    for chunk in plan.chunks:
        assert np.array_equal(again.results(chunk), filled.results(chunk))
    again.close()


def test_a_finished_file_gives_way_to_a_new_sweep_and_is_all_that_resume_needs(plan: Plan, path: Path) -> None:
    file = ResultsFile.begin(path, plan)
    file.add(plan.chunks[0], np.zeros((len(plan.chunk_policies(plan.chunks[0])), len(COLUMNS))))
    file.finish()
    file.close()
    resumed = ResultsFile.resume(path, plan)
    assert len(resumed.missing()) == len(plan.chunks) - 1
    resumed.close()
    anew = ResultsFile.begin(path, plan)
    assert len(anew.missing()) == len(plan.chunks)
    anew.close()


def test_a_file_that_was_never_made_is_begun(plan: Plan, path: Path) -> None:
    for way in (ResultsFile.begin, ResultsFile.resume):
        path.write_bytes(b"")
        file = way(path, plan)
        assert len(file.missing()) == len(plan.chunks)
        file.close()


def test_results_of_another_sweep_are_not_gone_on_with(plan: Plan, path: Path) -> None:
    ResultsFile.begin(path, plan).close()
    series = {
        zone: replace(one, intensity_g_per_kwh=array("d", (value + 1 for value in one.intensity_g_per_kwh)))
        for zone, one in plan.sweep.series.items()
    }
    with pytest.raises(GaError, match="the file or its traces have changed"):
        ResultsFile.resume(path, Plan(replace(plan.sweep, series=series)))


@pytest.mark.parametrize(
    "content", [pytest.param(b"a letter to somebody", id="text"), pytest.param(None, id="database")]
)
def test_another_file_is_left_alone(plan: Plan, path: Path, content: bytes | None) -> None:
    if content is None:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE letters (text)")
        database.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    for way in (ResultsFile.begin, ResultsFile.resume):
        with pytest.raises(GaError):
            way(path, plan)
    assert path.read_bytes() == before


def test_scores_are_those_of_the_formula(plan: Plan, filled: ResultsFile) -> None:
    scoring = Scoring(plan, filled)
    given_up = 0
    for scored in scoring.scored():
        baseline = scored.baseline
        for row, saved, overhead, score in zip(
            scored.results, scored.saved_percent, scored.overhead_percent, scored.score, strict=True
        ):
            if row[FINISHED] != 1:
                given_up += 1
                assert np.isnan([saved, overhead, score]).all()
                continue
            expected_saved = (baseline.emissions_g - row[EMISSIONS_G]) / baseline.emissions_g * 100
            expected_overhead = (row[DURATION_S] - baseline.duration_s) / baseline.duration_s * 100
            assert saved == pytest.approx(expected_saved)
            assert overhead == pytest.approx(expected_overhead, abs=1e-9)
            assert score == pytest.approx((0.9 * saved / 100 + 1 - 0.1 * overhead / 200) / 2)
            assert overhead <= 200
    assert given_up


def test_the_best_policy_scores_as_no_other_of_its_job_and_site(plan: Plan, filled: ResultsFile) -> None:
    scoring = Scoring(plan, filled)
    best = scoring.best()
    assert [(point.key.job.name, point.key.site.name) for point in best] == [
        ("short", "windy"),
        ("short", "sunny"),
        ("long", "windy"),
        ("long", "sunny"),
    ]
    for point in best:
        scores = [
            float(np.nanmax(scored.score))
            for scored in scoring.scored()
            if (scored.key.job, scored.key.site) == (point.key.job, point.key.site)
        ]
        assert point.score == max(scores)
        # Never pausing scores one half.
        assert point.score > 0.5
        assert point.saved_percent > 0


def test_finer_grids_find_what_is_as_good_or_better(plan: Plan, filled: ResultsFile) -> None:
    coarse = Scoring(plan, filled).best()
    finer_plan = Plan(replace(plan.sweep, thresholds=plan.sweep.thresholds.model_copy(update={"refine": 3})))
    finer = Scoring(finer_plan, filled).best()
    assert [point.key for point in finer] == [point.key for point in coarse]
    assert all(after.score >= before.score for before, after in zip(coarse, finer, strict=True))
    assert any(after.score > before.score for before, after in zip(coarse, finer, strict=True))
    for point in finer:
        case = plan.case(point.key)
        thresholds = np.array(sorted({point.resume_below_g_per_kwh, point.pause_above_g_per_kwh}))
        pairs = policies(len(thresholds), 0, len(thresholds)).tolist()
        results = evaluate(case, thresholds, 0, len(thresholds))
        row = results[pairs.index([len(thresholds) - 1, 0])]
        assert (row[EMISSIONS_G], row[DURATION_S]) == (point.emissions_g, point.duration_s)


def test_a_backend_that_gives_everything_back_at_once_has_the_same_results(
    plan: Plan, path: Path, filled: ResultsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ray's does."""
    parallel_backends = pytest.importorskip("joblib._parallel_backends")
    monkeypatch.setattr(parallel_backends.ThreadingBackend, "supports_return_generator", False)
    monkeypatch.setattr(running, "_AT_A_TIME", 5)
    file = ResultsFile.begin(path, plan)
    done = [chunk.number for chunk in run(plan, file, plan.chunks, workers=2)]
    assert sorted(done) == [chunk.number for chunk in plan.chunks]
    assert all(np.array_equal(file.results(chunk), filled.results(chunk)) for chunk in plan.chunks)
    file.close()
