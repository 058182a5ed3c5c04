"""Whole simulations against tables worked out by hand: every transition, second by second and gram by gram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.engine import START
from support.simulated import Told, small_scenario

from gacli.core.energy import EmissionInterval
from gacli.simulate.run import simulate

DATA = Path(__file__).parents[1] / "data" / "simulate"
CASES = [case for path in sorted(DATA.glob("*.yaml")) for case in yaml.safe_load(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_it_is_as_worked_out(case: dict[str, Any]) -> None:
    outcome = simulate(small_scenario(case), Told(answers=case.get("answers", {})))
    expect = case["expect"]
    starts = [interval.energy.start for interval in outcome.intervals]
    assert starts == sorted(starts)
    assert sorted(map(_row, outcome.intervals)) == sorted(expect["intervals"])
    asked = [second for first, last, step in expect["asked"] for second in range(first, last + 1, step)]
    assert [(decision.at - START).total_seconds() for decision in outcome.decisions] == asked
    finished_s = None if outcome.finished_at is None else (outcome.finished_at - START).total_seconds()
    assert finished_s == expect["finished_s"]
    assert outcome.deadline_met is expect.get("deadline_met")
    found = (outcome.moves, outcome.pauses, outcome.paused_s, outcome.lost_s)
    assert found == tuple(expect.get(key, 0) for key in ("moves", "pauses", "paused_s", "lost_s"))
    if "stops" in expect:
        assert {number: (at - START).total_seconds() for number, at in outcome.stops.items()} == expect["stops"]
    assert outcome.total.emissions_g == pytest.approx(expect["emissions_g"], rel=1e-12)


def _row(interval: EmissionInterval) -> str:
    energy = interval.energy
    start_s, end_s = ((instant - START).total_seconds() for instant in (energy.start, energy.end))
    return f"{energy.site} {energy.phase.value} {start_s:g} {end_s:g}"
