"""The baseline `stay`: hand-worked runs in tests/data/core/baseline.yaml, and what must hold always."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gacli.core.baseline import saved_percent, stayed, work_of
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.emissions import emissions_of, total_of
from gacli.core.energy import JOULES_PER_KWH, EnergyInterval, Phase
from gacli.core.site import PowerModel, Site
from gacli.errors import CarbonUnavailable

START = datetime(2024, 5, 2, tzinfo=UTC)
BERLIN = Site(name="berlin", provider="mock", zone="DE", pue=1.25, power=PowerModel(idle_w=60, busy_w=300))
CASES = yaml.safe_load((Path(__file__).parent.parent / "data" / "core" / "baseline.yaml").read_text(encoding="utf-8"))


def _at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def _interval(site: str, generation: int, phase: str, start_h: float, end_h: float, kwh: float) -> EnergyInterval:
    return EnergyInterval(
        site=site,
        generation=generation,
        phase=Phase(phase),
        start=_at(start_h),
        end=_at(end_h),
        energy_j=kwh * JOULES_PER_KWH,
        meter="model",
        modelled=True,
    )


def _reading(start_h: float, period_h: float, value: float) -> Reading:
    return Reading(
        zone="DE",
        at=_at(start_h),
        period_s=period_h * 3600,
        intensity_g_per_kwh=value,
        signal=Signal.AVERAGE,
        scope=Scope.LIFECYCLE,
        quality=Quality.MEASURED,
        source="test",
    )


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_stayed(case: dict[str, Any]) -> None:
    intervals = [_interval(*values) for values in case["intervals"]]
    stops = {generation: _at(hour) for generation, hour in case.get("stops", {}).items()}
    readings = [_reading(*values) for values in case["readings"]]
    baseline = stayed(work_of(intervals, BERLIN, stops), BERLIN, readings)
    expected = case["expect"]
    assert (baseline.policy, baseline.site) == ("stay", "berlin")
    assert baseline.energy_j / JOULES_PER_KWH == pytest.approx(expected["energy_kwh"])
    assert baseline.emissions_g == pytest.approx(expected["emissions_g"])
    assert baseline.end == (None if expected["end_h"] is None else _at(expected["end_h"]))


def test_no_readings() -> None:
    with pytest.raises(CarbonUnavailable, match="zone DE"):
        stayed([_interval("berlin", 1, "train", 0, 1, 0.4)], BERLIN, [])


@pytest.mark.parametrize(
    ("baseline_g", "actual_g", "percent"),
    [(200, 150, 25), (200, 200, 0), (200, 250, -25), (200, 0, 100), (0, 0, None), (0, 5, None)],
)
def test_saved_percent(baseline_g: float, actual_g: float, percent: float | None) -> None:
    assert saved_percent(baseline_g, actual_g) == percent


@st.composite
def _runs(draw: st.DrawFn) -> list[EnergyInterval]:
    """A gapless run that never moved: boot, then training and periodic checkpoints."""
    phases = ["boot", *draw(st.lists(st.sampled_from(["train", "train", "checkpoint"]), max_size=12))]
    run: list[EnergyInterval] = []
    cursor_min = draw(st.integers(0, 600))
    for phase in phases:
        end_min = cursor_min + draw(st.integers(1, 90))
        kwh = draw(st.floats(0, 5, allow_subnormal=False))
        run.append(_interval("berlin", int(phase != "boot"), phase, cursor_min / 60, end_min / 60, kwh))
        cursor_min = end_min
    return run


_days = st.lists(st.integers(0, 900), min_size=1, max_size=40).map(
    lambda values: [_reading(hour, 1, value) for hour, value in enumerate(values)]
)


@given(_runs(), _days)
def test_a_run_that_never_moved_is_its_own_baseline(run: list[EnergyInterval], readings: list[Reading]) -> None:
    actual = total_of(part for interval in run for part in emissions_of(interval, BERLIN, readings))
    baseline = stayed(work_of(run, BERLIN, {}), BERLIN, readings)
    assert baseline.emissions_g == pytest.approx(actual.emissions_g)
    assert baseline.energy_j == pytest.approx(actual.energy_j)
    assert baseline.end == run[-1].end


@given(_runs(), _days, st.integers(0, 20), st.integers(1, 600))
def test_a_gap_in_the_work_changes_nothing(
    run: list[EnergyInterval], readings: list[Reading], index: int, gap_min: int
) -> None:
    """What happens between two steps, a pause or a move, is not the baseline's."""
    later = [
        replace(
            interval, start=interval.start + timedelta(minutes=gap_min), end=interval.end + timedelta(minutes=gap_min)
        )
        for interval in run[1 + index :]
    ]
    spread = [*run[: 1 + index], *later]
    assert stayed(work_of(spread, BERLIN, {}), BERLIN, readings) == stayed(work_of(run, BERLIN, {}), BERLIN, readings)


@given(_runs(), _days, st.floats(0.05, 0.95), st.integers(0, 20), st.integers(0, 1500))
def test_splitting_an_interval_changes_nothing(
    run: list[EnergyInterval], readings: list[Reading], share: float, index: int, stop_min: int
) -> None:
    stops = {1: START + timedelta(minutes=stop_min)}
    whole = run[index % len(run)]
    middle = whole.start + (whole.end - whole.start) * share
    exact = (middle - whole.start) / (whole.end - whole.start)
    split = [interval for interval in run if interval is not whole] + [
        replace(whole, end=middle, energy_j=whole.energy_j * exact),
        replace(whole, start=middle, energy_j=whole.energy_j * (1 - exact)),
    ]
    first, second = (stayed(work_of(intervals, BERLIN, stops), BERLIN, readings) for intervals in (run, split))
    assert second.emissions_g == pytest.approx(first.emissions_g, rel=1e-6, abs=1e-6)
    assert second.end == first.end
