"""What estimates take for granted, as one value: so that they can be made again under other assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gacli.core.hardware import HARDWARE, Hardware
from gacli.core.network import KWH_PER_GB, Range


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumptions:
    """embodied: whether embodied emissions are stated. kwh_per_gb: of the network. hardware: embodied figures by name.

    Another PUE, or other readings, change the operational emissions: see `gacli.engine.recompute`.
    """

    embodied: bool = True
    kwh_per_gb: Range = KWH_PER_GB
    hardware: Mapping[str, Hardware] = field(default_factory=lambda: HARDWARE)
