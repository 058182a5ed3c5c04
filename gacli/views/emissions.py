"""A job's account with what it rests on, and a way not to compute it at every refresh."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gacli.core.carbon import Quality
from gacli.core.site import Site
from gacli.engine.summary import Account, account_of
from gacli.store import Store

# Real seconds for which an account is good enough for a display.
_KEPT_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Emissions:
    """quality_percent: share of the energy under readings of each quality; extrapolated_percent: share of the
    emissions under readings whose own period had ended. Both are 0..100."""

    account: Account
    quality_percent: Mapping[Quality, float]
    extrapolated_percent: float

    @property
    def saved_g(self) -> float | None:
        """Against the baseline; negative when more was emitted. None without a baseline."""
        baseline = self.account.baseline
        return None if baseline is None else baseline.emissions_g - self.account.emissions_g


def read_emissions(store: Store, sites: Sequence[Site], job_id: str) -> Emissions:
    """Reads every interval of the ledger."""
    account = account_of(store, sites, job_id)
    energy_j: dict[Quality, float] = defaultdict(float)
    for entry in store.ledger.entries(job_id):
        energy_j[entry.emission.quality] += entry.emission.energy.energy_j
    total_j = sum(energy_j.values())
    extrapolated_g = sum(total.extrapolated_g for total in account.totals)
    return Emissions(
        account=account,
        quality_percent=MappingProxyType(
            {quality: 100.0 * part_j / total_j for quality, part_j in energy_j.items() if total_j > 0}
        ),
        extrapolated_percent=100.0 * extrapolated_g / account.emissions_g if account.emissions_g > 0 else 0.0,
    )


class RecentEmissions:
    """The account of one job, computed again only when the last one is older than two seconds of real time."""

    def __init__(self, store: Store, sites: Sequence[Site], job_id: str) -> None:
        self._store = store
        self._sites = sites
        self._job_id = job_id
        self._known: tuple[float, Emissions] | None = None

    def at(self, epoch_s: float) -> Emissions:
        """Real seconds since 1970 in, an account that is at most two seconds old out."""
        if self._known is None or not 0 <= epoch_s - self._known[0] < _KEPT_S:
            self._known = (epoch_s, read_emissions(self._store, self._sites, self._job_id))
        return self._known[1]

    def forget(self) -> None:
        """The next one is computed anew."""
        self._known = None
