"""What figures rest on: shares, sources, and that no mixture is hidden."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gacli.core.basis import Accounted, basis_of
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.energy import JOULES_PER_KWH, EmissionInterval, EnergyInterval, Phase

START = datetime(2024, 5, 2, tzinfo=UTC)


def _accounted(
    kwh: float,
    *,
    quality: Quality = Quality.MEASURED,
    source: str = "electricitymaps",
    modelled: bool = False,
    extrapolated: bool = False,
    scope: Scope | None = Scope.LIFECYCLE,
) -> Accounted:
    energy = EnergyInterval(
        site="berlin", generation=1, phase=Phase.TRAIN, start=START, end=START + timedelta(hours=1),
        energy_j=kwh * JOULES_PER_KWH, meter="nvml", modelled=modelled,
    )  # fmt: skip
    emission = EmissionInterval(
        energy=energy, zone="DE", pue=1.0, intensity_g_per_kwh=100.0, emissions_g=kwh * 100.0, quality=quality,
        carbon_source=source, extrapolated=extrapolated,
    )  # fmt: skip
    return Accounted(instance_id="i", emission=emission, signal=None if scope is None else Signal.AVERAGE, scope=scope)


def test_shares() -> None:
    basis = basis_of(
        [
            _accounted(5),
            _accounted(2, modelled=True, extrapolated=True),
            _accounted(2, quality=Quality.ESTIMATED),
            _accounted(1, quality=Quality.TYPICAL, source="typical", modelled=True),
        ]
    )
    assert dict(basis.sources) == pytest.approx({"electricitymaps": 90, "typical": 10})
    assert (basis.signals, basis.scopes) == ((Signal.AVERAGE,), (Scope.LIFECYCLE,))
    assert dict(basis.qualities) == pytest.approx({Quality.MEASURED: 70, Quality.ESTIMATED: 20, Quality.TYPICAL: 10})
    assert basis.estimated_percent == pytest.approx(30)
    assert (basis.modelled_percent, basis.extrapolated_percent) == pytest.approx((30, 20))


def test_no_mixture_is_hidden_and_no_energy_needed() -> None:
    compared = Reading(
        zone="DE", at=START, period_s=3600, intensity_g_per_kwh=1.0, signal=Signal.MARGINAL, scope=Scope.DIRECT,
        quality=Quality.MEASURED, source="watttime",
    )  # fmt: skip
    basis = basis_of([_accounted(0, modelled=True), _accounted(0, scope=None)], [compared])
    assert (basis.signals, basis.scopes) == (tuple(Signal), (Scope.LIFECYCLE, Scope.DIRECT))
    assert (basis.modelled_percent, basis.estimated_percent, basis.extrapolated_percent) == (0, 0, 0)
