"""Energy intervals and their emissions: the arithmetic of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gacli.core.carbon import Quality

JOULES_PER_KWH = 3_600_000.0


class Phase(StrEnum):
    """What an instance did with the energy."""

    BOOT = "boot"
    IDLE = "idle"
    TRAIN = "train"
    CHECKPOINT = "checkpoint"
    TRANSFER = "transfer"


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyInterval:
    """IT energy that one instance used over `[start, end)` on the job's clock.

    energy_j: J, >= 0, spread evenly over the interval, PUE not included. meter: `nvml`, `rapl`, `nvidia-smi`, or
    `model` (joined by `+` where parts differ). modelled: True when any part of it is a model, not a meter.
    generation: 0 for the time before the first trainer.
    """

    site: str
    generation: int
    phase: Phase
    start: datetime
    end: datetime
    energy_j: float
    meter: str
    modelled: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EmissionInterval:
    """A part of an energy interval under one reading.

    emissions_g = energy_j / 3.6e6 * pue * intensity_g_per_kwh, in gCO2eq. quality and carbon_source are the
    reading's; `extrapolated` is True where the reading's own period had ended (the last known value was held).
    """

    energy: EnergyInterval
    zone: str
    pue: float
    intensity_g_per_kwh: float
    emissions_g: float
    quality: Quality
    carbon_source: str
    extrapolated: bool
