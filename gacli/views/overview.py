"""`ga report --since`: all jobs of a time together, by job, site and zone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain

from gacli.core.baseline import Baseline
from gacli.core.basis import Accounted, Basis, basis_of
from gacli.core.carbon import Signal
from gacli.core.site import Site
from gacli.engine.accounted import read_accounted
from gacli.engine.summary import account_of
from gacli.store import Store
from gacli.store.jobs import JobRecord
from gacli.store.ledger import LedgerTotal


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRow:
    """One job as a whole, also what it used before. baseline: None where there is none to state."""

    job: JobRecord
    totals: tuple[LedgerTotal, ...]
    accounted: tuple[Accounted, ...]
    baseline: Baseline | None
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class Sum:
    """Time of instances in s, IT energy in J, emissions in gCO2eq with PUE. name: of what is summed; zone: of a site,
    else empty. jobs: how many jobs are in it."""

    name: str
    zone: str
    jobs: int
    time_s: float
    energy_j: float
    emissions_g: float
    modelled_j: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SavingsSum:
    """Jobs with a baseline, all under the same signals: average and marginal figures are never added up."""

    signals: tuple[Signal, ...]
    policy: str
    jobs: int
    baseline_g: float
    emissions_g: float
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """Jobs that were alive at some time since `since`, the newest first; sums by what has emitted most."""

    since: datetime
    until: datetime
    jobs: tuple[JobRow, ...]
    sites: tuple[Sum, ...]
    zones: tuple[Sum, ...]
    total: Sum
    savings: tuple[SavingsSum, ...]


def read_overview(
    store: Store, sites_of: Callable[[JobRecord], Sequence[Site]], *, since_s: float, now_epoch_s: float
) -> Overview:
    """since_s: how long ago, in real time. sites_of: a job's fleet, empty where it is not known any more."""
    from_epoch_s = now_epoch_s - since_s
    chosen = [job for job in store.jobs.all() if job.finished_epoch_s is None or job.finished_epoch_s >= from_epoch_s]
    rows = tuple(_row(store, job, sites_of(job)) for job in chosen)
    return Overview(
        since=datetime.fromtimestamp(from_epoch_s, UTC),
        until=datetime.fromtimestamp(now_epoch_s, UTC),
        jobs=rows,
        sites=_sums(rows, lambda total: (total.site, total.zone)),
        zones=_sums(rows, lambda total: (total.zone, "")),
        total=_sum("all jobs", "", [(row.job.job_id, total) for row in rows for total in row.totals]),
        savings=_savings(rows),
    )


def job_sum(row: JobRow) -> Sum:
    """What the job has used and emitted, whatever the site and phase."""
    return _sum(row.job.job_id, "", [(row.job.job_id, total) for total in row.totals])


def _row(store: Store, job: JobRecord, sites: Sequence[Site]) -> JobRow:
    account = account_of(store, sites, job.job_id)
    accounted = read_accounted(store, job.job_id)
    return JobRow(
        job=job,
        totals=tuple(account.totals),
        accounted=accounted,
        baseline=account.baseline,
        basis=basis_of(accounted),
    )


def _sums(rows: Sequence[JobRow], key_of: Callable[[LedgerTotal], tuple[str, str]]) -> tuple[Sum, ...]:
    groups: dict[tuple[str, str], list[tuple[str, LedgerTotal]]] = {}
    for row in rows:
        for total in row.totals:
            groups.setdefault(key_of(total), []).append((row.job.job_id, total))
    sums = (_sum(name, zone, totals) for (name, zone), totals in groups.items())
    return tuple(sorted(sums, key=lambda one: -one.emissions_g))


def _sum(name: str, zone: str, totals: Sequence[tuple[str, LedgerTotal]]) -> Sum:
    return Sum(
        name=name,
        zone=zone,
        jobs=len({job_id for job_id, _ in totals}),
        time_s=sum(total.time_s for _, total in totals),
        energy_j=sum(total.energy_j for _, total in totals),
        emissions_g=sum(total.emissions_g for _, total in totals),
        modelled_j=sum(total.modelled_j for _, total in totals),
    )


def _savings(rows: Sequence[JobRow]) -> tuple[SavingsSum, ...]:
    groups: dict[tuple[tuple[Signal, ...], str], list[tuple[JobRow, Baseline]]] = {}
    for row in rows:
        if row.baseline is not None:
            groups.setdefault((row.basis.signals, row.baseline.policy), []).append((row, row.baseline))
    return tuple(
        SavingsSum(
            signals=signals,
            policy=policy,
            jobs=len(group),
            baseline_g=sum(baseline.emissions_g for _, baseline in group),
            emissions_g=sum(job_sum(row).emissions_g for row, _ in group),
            basis=basis_of(chain.from_iterable(row.accounted for row, _ in group)),
        )
        for (signals, policy), group in groups.items()
    )
