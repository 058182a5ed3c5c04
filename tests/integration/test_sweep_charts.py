"""Charts of a sweep, and what is written where nothing can be drawn."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("numba", reason="the extra `sweep` is not installed")
pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")

from gacli.config.sweep import load_sweep
from gacli.errors import GaError
from gacli.sweep.grid import Plan
from gacli.sweep.results_file import ResultsFile
from gacli.sweep.running import run
from gacli.sweep.scoring import Scoring
from gacli.views.sweep_charts import write_sweep_charts

SMALL = Path(__file__).parents[1] / "data" / "sweep" / "small.yaml"


@pytest.fixture
def plan() -> Plan:
    return Plan(load_sweep(SMALL))


@contextmanager
def scored(plan: Plan, path: Path) -> Iterator[Scoring]:
    with closing(ResultsFile.begin(path, plan)) as file:
        for _ in run(plan, file, plan.chunks, workers=1):
            pass
        yield Scoring(plan, file)


def test_charts_are_the_same_files_for_the_same_results(plan: Plan, tmp_path: Path) -> None:
    with scored(plan, tmp_path / "small.sweep") as scoring:
        best = scoring.best()
        written = [write_sweep_charts(plan, scoring, best, tmp_path / folder) for folder in ("one", "two")]
    assert [path.name for path in written[0]] == ["best.svg", "score-short.svg", "score-long.svg"]
    for one, two in zip(*written, strict=True):
        assert one.read_bytes() == two.read_bytes()
        assert ElementTree.parse(one).getroot().tag.endswith("svg")


def test_nothing_to_draw_is_told(plan: Plan, tmp_path: Path) -> None:
    with scored(plan, tmp_path / "small.sweep") as scoring, pytest.raises(GaError, match="every run was given up"):
        write_sweep_charts(plan, scoring, [], tmp_path)


def test_a_single_threshold_can_be_drawn(plan: Plan, tmp_path: Path) -> None:
    """A trace that never changes has one threshold."""
    flat = {
        zone: replace(one, intensity_g_per_kwh=array("d", [100.0] * len(one.intensity_g_per_kwh)))
        for zone, one in plan.sweep.series.items()
    }
    same = Plan(replace(plan.sweep, series=flat))
    assert same.policies == 12
    with scored(same, tmp_path / "flat.sweep") as scoring:
        # Never pausing scores one half.
        assert [point.score for point in scoring.best()] == [0.5] * 4
        assert write_sweep_charts(same, scoring, scoring.best(), tmp_path)
