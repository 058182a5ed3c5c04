"""What it took to make the hardware: published figures, each with its source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# SCI counts hours: 4 years are 4 × 8,760 h.
LIFE_S = 4 * 8760 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hardware:
    """One piece of hardware and its embodied emissions.

    embodied_kg: kgCO2eq of making one, >= 0. life_s: expected life in s, > 0. source: where the figure is from, shown
    with every result. with_server: True when the figure already contains a GPU's share of the server around it.
    Raises ValueError for a figure out of range.
    """

    name: str
    embodied_kg: float
    source: str
    life_s: float = LIFE_S
    with_server: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.embodied_kg < float("inf"):
            raise ValueError(f"embodied_kg of {self.name} must be finite and at least 0, found {self.embodied_kg}")
        if not 0 < self.life_s < float("inf"):
            raise ValueError(f"life_s of {self.name} must be finite and above 0, found {self.life_s}")


SERVER = "server"

# All second-hand: published by others, for machines like these, not for the one in use. Hence overridable.
HARDWARE: Mapping[str, Hardware] = MappingProxyType(
    {
        "H100": Hardware(
            name="H100",
            embodied_kg=164.0,
            source="NVIDIA, product carbon footprint summary of the HGX H100 (1,312 kg for 8 GPUs), second-hand",
        ),
        "A100": Hardware(
            name="A100",
            embodied_kg=318.0,
            source="Chien et al., HotCarbon 2023: one GPU with its eighth of the instance, second-hand",
            with_server=True,
        ),
        SERVER: Hardware(
            name=SERVER,
            embodied_kg=2500.0,
            source="Luccioni et al., arXiv 2211.02001: a server without its GPUs, second-hand",
        ),
    }
)


def gpu_named(name: str, table: Mapping[str, Hardware] = HARDWARE) -> Hardware | None:
    """The figure for a GPU as its driver names it (`NVIDIA A100-SXM4-80GB` → A100); None when the table has none.

    A key of the table matches as a whole word, whatever the case; of several the longest.
    """
    keys = [key for key in table if key != SERVER and re.search(rf"(?<!\w){re.escape(key)}(?!\w)", name, re.IGNORECASE)]
    return table[max(keys, key=len)] if keys else None
