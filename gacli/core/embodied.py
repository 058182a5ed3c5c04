"""The embodied share of a job: what making the hardware emitted, by the time and the part of it that was reserved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gacli.core.hardware import HARDWARE, SERVER, Hardware, gpu_named


@dataclass(frozen=True, kw_only=True, slots=True)
class ReservedHardware:
    """What of a machine an instance reserves.

    gpu: the GPU's name as the driver tells it, None without one. gpus: how many are reserved, >= 0; a part of one
    (MIG) counts as that part. server_share: resources reserved over the server's resources, 0 < share <= 1; 1 where
    the whole machine is held, and where nobody knows. Raises ValueError out of these ranges.
    """

    gpu: str | None = None
    gpus: float = 0.0
    server_share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.gpus < float("inf"):
            raise ValueError(f"gpus must be finite and at least 0, found {self.gpus}")
        if not 0 < self.server_share <= 1:
            raise ValueError(f"server_share must be above 0 and at most 1, found {self.server_share}")


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbodiedPart:
    """One kind of hardware: `share` pieces of it, reserved for `reserved_s`; emissions_g in gCO2eq."""

    hardware: Hardware
    share: float
    reserved_s: float
    emissions_g: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Embodied:
    """Embodied emissions, an estimate. unknown: GPUs without a figure; they are missing from the sum."""

    parts: tuple[EmbodiedPart, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def emissions_g(self) -> float:
        """The sum of the parts, in gCO2eq."""
        return sum(part.emissions_g for part in self.parts)

    def __add__(self, other: Embodied) -> Embodied:
        return Embodied(parts=self.parts + other.parts, unknown=tuple(dict.fromkeys((*self.unknown, *other.unknown))))


def embodied_share_g(hardware: Hardware, *, reserved_s: float, share: float) -> float:
    """SCI's M = TE × (time reserved / expected life) × (resources reserved / total resources), in gCO2eq.

    reserved_s: s, >= 0. share: pieces of the hardware that were reserved, >= 0: 0.25 of one server, 4 of one GPU.
    Raises ValueError for a negative or non-finite quantity.
    """
    for name, value in {"reserved_s": reserved_s, "share": share}.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be finite and at least 0, found {value}")
    return 1000.0 * hardware.embodied_kg * (reserved_s / hardware.life_s) * share


def embodied_of(reserved: ReservedHardware, held_s: float, table: Mapping[str, Hardware] = HARDWARE) -> Embodied:
    """The embodied share of one instance that was held for `held_s` seconds, idle times included.

    A figure that contains the server (`with_server`) stands for both; then the server is not counted again. A GPU that
    the table does not have is named in `unknown` and its server is counted.
    """
    parts: list[EmbodiedPart] = []
    gpu = gpu_named(reserved.gpu, table) if reserved.gpu is not None and reserved.gpus > 0 else None
    if gpu is not None:
        parts.append(_part(gpu, reserved.gpus, held_s))
    if SERVER in table and not (gpu is not None and gpu.with_server):
        parts.append(_part(table[SERVER], reserved.server_share, held_s))
    missing = gpu is None and reserved.gpu is not None and reserved.gpus > 0
    return Embodied(parts=tuple(parts), unknown=(reserved.gpu,) if missing and reserved.gpu is not None else ())


def _part(hardware: Hardware, share: float, held_s: float) -> EmbodiedPart:
    return EmbodiedPart(
        hardware=hardware,
        share=share,
        reserved_s=held_s,
        emissions_g=embodied_share_g(hardware, reserved_s=held_s, share=share),
    )
