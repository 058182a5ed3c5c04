"""What an account takes for granted, as one value: so that it can be computed again under other assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gacli.core.carbon import Scope, Signal
from gacli.core.hardware import HARDWARE, Hardware
from gacli.core.network import KWH_PER_GB, Range
from gacli.core.site import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumptions:
    """The default is the record as it was made.

    pue: in place of every site's own, >= 1; None keeps theirs. embodied: whether embodied emissions are stated.
    kwh_per_gb: of the network. hardware: embodied figures by name. signal, scope: which readings to take; None for
    those that the job was told. Raises ValueError when pue is below 1 or not finite.
    """

    pue: float | None = None
    embodied: bool = True
    kwh_per_gb: Range = KWH_PER_GB
    hardware: Mapping[str, Hardware] = field(default_factory=lambda: HARDWARE)
    signal: Signal | None = None
    scope: Scope | None = None

    def __post_init__(self) -> None:
        if self.pue is not None and not 1 <= self.pue < float("inf"):
            raise ValueError(f"pue must be finite and at least 1, found {self.pue}")

    def applied_to(self, site: Site) -> Site:
        """The site as these assumptions see it."""
        return site if self.pue is None else replace(site, pue=self.pue)
