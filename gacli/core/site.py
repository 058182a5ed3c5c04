"""A place where a job can run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class PowerModel:
    """What one instance draws, for planning and wherever nothing is metered.

    idle_w: switched on, no training, in W. busy_w: training at full load, in W. idle_w <= busy_w. stated: False where
    nobody has said it of this machine and it is a default.
    """

    idle_w: float
    busy_w: float
    stated: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A provider's region (or an SSH host) with its grid zone, hardware, PUE, price and capacity.

    zone: Electricity Maps' name, such as `US-CAL-CISO`. pue: facility energy over IT energy, >= 1.
    capacity: instances that may be held there at a time, >= 1. options: the provider's own section of the YAML.
    """

    name: str
    provider: str
    zone: str
    pue: float
    power: PowerModel
    price_usd_per_hour: float = 0.0
    capacity: int = 1
    options: Mapping[str, object] = field(default_factory=dict)

    def facility_rate_g_per_s(self, power_w: float, intensity_g_per_kwh: float) -> float:
        """Emissions in gCO2eq/s of an instance that draws `power_w` here at this intensity, PUE included."""
        return power_w * self.pue * intensity_g_per_kwh / 3_600_000.0
