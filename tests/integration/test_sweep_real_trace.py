"""On months of a real trace the compiled walk ends as the simulator does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.cli import ROOT, SAMPLES
from support.sweeps import row_of, scenario_of

pytest.importorskip("numba", reason="the extra `sweep` is not installed")

from gacli.config.sweep import load_sweep
from gacli.policies.pause_resume import PauseResume
from gacli.simulate.run import simulate
from gacli.sweep.columns import COLUMNS, PAUSES
from gacli.sweep.grid import Plan
from gacli.sweep.threshold import evaluate, policies

TRACES = ROOT.parent / "shared" / "traces" / "carbon"


@pytest.mark.skipif(not TRACES.is_dir(), reason="needs ../shared/traces/carbon, which is no part of the repository")
@pytest.mark.parametrize("zone", ["DE", "SE"])
def test_the_sample_ends_as_in_the_simulator(zone: str) -> None:
    plan = Plan(load_sweep(SAMPLES / "greenepoch.yaml", traces=TRACES))
    key = next(key for key in plan.keys if key.job.name == "deepseek-v3" and key.site.site.zone == zone)
    # Hourly polls, and a budget and periodic saves, which the sample does without.
    case = replace(plan.case(key), poll_s=3600.0, budget_percent=150.0, job=replace(key.job.job, save_every_s=20_000.0))
    case = replace(case, limit_s=case.limit_s - 86_400.0)
    spread = np.quantile(case.intensity_g_per_kwh, [0.3, 0.45, 0.6])
    scenario = scenario_of(case)
    most = 0.0
    for (pause, resume), row in zip(policies(3, 0, 3), evaluate(case, spread, 0, 3), strict=True):
        policy = PauseResume(
            pause_above_g_per_kwh=float(spread[pause]),
            resume_below_g_per_kwh=float(spread[resume]),
            budget_percent=150.0,
        )
        expected = row_of(simulate(scenario, policy), case.limit_s)
        assert row == pytest.approx(expected, rel=1e-9), dict(zip(COLUMNS, expected, strict=True))
        most = max(most, row[PAUSES])
    assert most > 30
