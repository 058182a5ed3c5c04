"""How much the GPUs of a job are held back."""

from __future__ import annotations

import math
from dataclasses import dataclass

from typing_extensions import override


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuLimit:
    """A limit for each GPU: of its power in W, or of its graphics clock in MHz; with neither, none.

    limit_id: by which what came of it is known again, ascending. Raises ValueError when both are given, or one is not
    above 0.
    """

    limit_id: int
    power_w: float | None = None
    clock_mhz: int | None = None

    def __post_init__(self) -> None:
        if self.power_w is not None and self.clock_mhz is not None:
            raise ValueError("either power_w or clock_mhz may be limited, found both")
        for name, value in {"power_w": self.power_w, "clock_mhz": self.clock_mhz}.items():
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and above 0, found {value}")

    @property
    def off(self) -> bool:
        return self.power_w is None and self.clock_mhz is None

    @override
    def __str__(self) -> str:
        if self.power_w is not None:
            return f"{self.power_w:g} W"
        return "no limit" if self.clock_mhz is None else f"{self.clock_mhz} MHz"
