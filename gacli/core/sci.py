"""Software Carbon Intensity (ISO/IEC 21031:2024): emissions per functional unit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gacli.core.carbon import Signal
from gacli.core.energy import JOULES_PER_KWH, EmissionInterval


class FunctionalUnit(StrEnum):
    """What R counts."""

    RUN = "run"
    STEP = "step"
    EPOCH = "epoch"


@dataclass(frozen=True, kw_only=True, slots=True)
class SciStatement:
    """SCI = (O + M) per R, with O = E × I, and everything that has to be said beside it.

    unit, count: R and how many of it were done, > 0. energy_kwh: E, PUE included. operational_g: O, location-based,
    without certificates or offsets. embodied_g: M, or None when it was left out; then the value is no complete SCI.
    unknown_hardware: what M lacks a figure for. signal: whether I is average or marginal. The network is not in it.
    """

    unit: FunctionalUnit
    count: float
    energy_kwh: float
    operational_g: float
    embodied_g: float | None
    signal: Signal
    unknown_hardware: tuple[str, ...] = ()

    @property
    def g_per_unit(self) -> float:
        """(O + M) / R in gCO2eq per unit; O / R without M."""
        return (self.operational_g + (self.embodied_g or 0.0)) / self.count

    @property
    def intensity_g_per_kwh(self) -> float | None:
        """I as it was on average over E; None without energy."""
        return self.operational_g / self.energy_kwh if self.energy_kwh > 0 else None

    @property
    def complete(self) -> bool:
        """True when O and M are both in it, and M lacks nothing."""
        return self.embodied_g is not None and not self.unknown_hardware


def sci_of(
    intervals: Iterable[EmissionInterval],
    *,
    unit: FunctionalUnit,
    count: float,
    embodied_g: float | None,
    signal: Signal,
    unknown_hardware: tuple[str, ...] = (),
) -> SciStatement:
    """The statement for everything that the job used, moves included.

    count: functional units done; 1 for a run. Raises ValueError unless count is finite and above 0.
    """
    if not 0 < count < float("inf"):
        raise ValueError(f"an SCI per {unit.value} needs a count above 0, found {count}")
    energy_kwh = operational_g = 0.0
    for interval in intervals:
        energy_kwh += interval.energy.energy_j / JOULES_PER_KWH * interval.pue
        operational_g += interval.emissions_g
    return SciStatement(
        unit=unit,
        count=count,
        energy_kwh=energy_kwh,
        operational_g=operational_g,
        embodied_g=embodied_g,
        signal=signal,
        unknown_hardware=unknown_hardware,
    )
