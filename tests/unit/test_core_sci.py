"""SCI statements, hand-worked in tests/data/core/sci.yaml."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.emissions import emissions_of
from gacli.core.energy import JOULES_PER_KWH, EmissionInterval, EnergyInterval, Phase
from gacli.core.sci import FunctionalUnit, sci_of
from gacli.core.site import PowerModel, Site

START = datetime(2024, 5, 2, tzinfo=UTC)
SITE = Site(name="berlin", provider="mock", zone="DE", pue=1.25, power=PowerModel(idle_w=60, busy_w=300))
CASES = yaml.safe_load((Path(__file__).parent.parent / "data" / "core" / "sci.yaml").read_text(encoding="utf-8"))


def _energy(kwh: float, *, modelled: bool = False) -> EnergyInterval:
    return EnergyInterval(
        site="berlin",
        generation=1,
        phase=Phase.TRAIN,
        start=START,
        end=START + timedelta(hours=1),
        energy_j=kwh * JOULES_PER_KWH,
        meter="nvml",
        modelled=modelled,
    )


def _emission(
    kwh: float,
    pue: float = 1.0,
    intensity: float = 100.0,
    *,
    quality: Quality = Quality.MEASURED,
    source: str = "electricitymaps",
    modelled: bool = False,
    extrapolated: bool = False,
) -> EmissionInterval:
    return EmissionInterval(
        energy=_energy(kwh, modelled=modelled),
        zone="DE",
        pue=pue,
        intensity_g_per_kwh=intensity,
        emissions_g=kwh * pue * intensity,
        quality=quality,
        carbon_source=source,
        extrapolated=extrapolated,
    )


def _reading(hour: int, value: float, signal: Signal = Signal.AVERAGE, scope: Scope = Scope.LIFECYCLE) -> Reading:
    return Reading(
        zone="DE",
        at=START + timedelta(hours=hour),
        period_s=3600,
        intensity_g_per_kwh=value,
        signal=signal,
        scope=scope,
        quality=Quality.MEASURED,
        source="trace:DE.csv",
    )


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_hand_worked(case: dict[str, Any]) -> None:
    sci = sci_of(
        [_emission(*values) for values in case["intervals"]],
        unit=FunctionalUnit(case["unit"]),
        count=case["count"],
        embodied_g=case["embodied_g"],
        signal=Signal.AVERAGE,
        unknown_hardware=tuple(case.get("unknown_hardware", [])),
    )
    expected = case["expect"]
    assert sci.energy_kwh == pytest.approx(expected["energy_kwh"])
    assert sci.operational_g == pytest.approx(expected["operational_g"])
    assert sci.g_per_unit == pytest.approx(expected["g_per_unit"])
    assert sci.intensity_g_per_kwh == (None if expected["intensity"] is None else pytest.approx(expected["intensity"]))
    assert sci.complete is expected["complete"]


@pytest.mark.parametrize("count", [0, -1, math.nan, math.inf])
def test_a_rate_needs_something_to_be_counted(count: float) -> None:
    with pytest.raises(ValueError, match="per epoch needs a count above 0"):
        sci_of([], unit=FunctionalUnit.EPOCH, count=count, embodied_g=None, signal=Signal.MARGINAL)


@given(st.lists(st.integers(0, 900), min_size=1, max_size=6), st.floats(0, 10), st.integers(1, 10**6))
def test_steps_add_up_to_the_run(values: list[int], kwh: float, steps: int) -> None:
    parts = emissions_of(_energy(kwh), SITE, [_reading(hour, value) for hour, value in enumerate(values)])
    run, step = (
        sci_of(parts, unit=unit, count=count, embodied_g=3.0, signal=Signal.AVERAGE)
        for unit, count in ((FunctionalUnit.RUN, 1), (FunctionalUnit.STEP, steps))
    )
    assert step.g_per_unit * steps == pytest.approx(run.g_per_unit)
    assert run.energy_kwh == pytest.approx(kwh * SITE.pue)
