"""What figures rest on: the values that are stated beside every saving."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.energy import EmissionInterval


@dataclass(frozen=True, kw_only=True, slots=True)
class Accounted:
    """One interval of the ledger. signal, scope: of its reading; None where that is not recorded."""

    instance_id: str
    emission: EmissionInterval
    signal: Signal | None
    scope: Scope | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What figures rest on. Shares are percent of the IT energy, 0..100, but for extrapolated_percent, which is of the
    emissions: those under the last known value. signals and scopes include those of what is compared with, one each in
    a sound comparison. sources: name → share. estimated_percent: under readings of any quality but measured.
    modelled_percent: not wholly metered."""

    signals: tuple[Signal, ...]
    scopes: tuple[Scope, ...]
    sources: Mapping[str, float]
    qualities: Mapping[Quality, float]
    modelled_percent: float
    extrapolated_percent: float

    @property
    def estimated_percent(self) -> float:
        return sum(share for quality, share in self.qualities.items() if quality is not Quality.MEASURED)


def basis_of(accounted: Iterable[Accounted], compared: Iterable[Reading] = ()) -> Basis:
    """compared: readings that a baseline was computed with."""
    sources: dict[str, float] = defaultdict(float)
    qualities: dict[Quality, float] = defaultdict(float)
    signals: dict[Signal, None] = {}
    scopes: dict[Scope, None] = {}
    modelled_j = extrapolated_g = emissions_g = 0.0
    for one in accounted:
        emission = one.emission
        energy_j = emission.energy.energy_j
        sources[emission.carbon_source] += energy_j
        qualities[emission.quality] += energy_j
        modelled_j += energy_j if emission.energy.modelled else 0.0
        emissions_g += emission.emissions_g
        extrapolated_g += emission.emissions_g if emission.extrapolated else 0.0
        if one.signal is not None and one.scope is not None:
            signals[one.signal], scopes[one.scope] = None, None
    for reading in compared:
        signals[reading.signal], scopes[reading.scope] = None, None
    energy_j = sum(sources.values())
    return Basis(
        signals=tuple(signals),
        scopes=tuple(scopes),
        sources=MappingProxyType({source: _percent(part, energy_j) for source, part in sources.items()}),
        qualities=MappingProxyType({quality: _percent(part, energy_j) for quality, part in qualities.items()}),
        modelled_percent=_percent(modelled_j, energy_j),
        extrapolated_percent=_percent(extrapolated_g, emissions_g),
    )


def _percent(part: float, whole: float) -> float:
    return 100.0 * part / whole if whole > 0 else 0.0
