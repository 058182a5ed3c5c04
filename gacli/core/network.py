"""Energy and emissions of bytes on the network: an estimate, always as a range."""

from __future__ import annotations

from dataclasses import dataclass

BYTES_PER_GB = 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """A default with the bounds of what is published, 0 <= low <= default <= high; ValueError otherwise."""

    low: float
    default: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.default <= self.high < float("inf"):
            raise ValueError(f"a range needs 0 <= low <= default <= high, finite, found {self}")

    def times(self, factor: float) -> Range:
        """The range with each value multiplied; factor >= 0."""
        return Range(low=self.low * factor, default=self.default * factor, high=self.high * factor)

    def __add__(self, other: Range) -> Range:
        return Range(low=self.low + other.low, default=self.default + other.default, high=self.high + other.high)


# Aslan et al. 2018 (doi:10.1111/jiec.12630): 0.06 kWh/GB for 2015, halving about every two years, which would be near
# 0.001 today; whether the decline went on is disputed, so the old value stays as the upper end.
KWH_PER_GB = Range(low=0.001, default=0.007, high=0.06)


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkUse:
    """Of one transfer or of several: energy_kwh in kWh, emissions_g in gCO2eq. Without PUE: no data centre's energy."""

    moved_bytes: int = 0
    energy_kwh: Range = Range(low=0.0, default=0.0, high=0.0)
    emissions_g: Range = Range(low=0.0, default=0.0, high=0.0)

    def __add__(self, other: NetworkUse) -> NetworkUse:
        return NetworkUse(
            moved_bytes=self.moved_bytes + other.moved_bytes,
            energy_kwh=self.energy_kwh + other.energy_kwh,
            emissions_g=self.emissions_g + other.emissions_g,
        )


def network_use(
    moved_bytes: int,
    source_g_per_kwh: float,
    target_g_per_kwh: float,
    kwh_per_gb: Range = KWH_PER_GB,
) -> NetworkUse:
    """What it took to carry `moved_bytes` (GB of 10^9 bytes) from one zone to another.

    emissions = energy × the mean of both ends' intensities (gCO2eq/kWh, at the time of the transfer): nobody knows the
    zones between. Bytes that went through the controller were carried twice: add up two transfers. Raises ValueError
    for a negative or non-finite quantity.
    """
    for name, value in {
        "moved_bytes": moved_bytes,
        "source_g_per_kwh": source_g_per_kwh,
        "target_g_per_kwh": target_g_per_kwh,
    }.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be finite and at least 0, found {value}")
    energy_kwh = kwh_per_gb.times(moved_bytes / BYTES_PER_GB)
    return NetworkUse(
        moved_bytes=moved_bytes,
        energy_kwh=energy_kwh,
        emissions_g=energy_kwh.times((source_g_per_kwh + target_g_per_kwh) / 2),
    )
