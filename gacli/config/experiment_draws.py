"""What an experiment leaves to chance, by its seeds: the same file has the same starts and failures everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from gacli.config.experiment_checks import HOUR, full_hours
from gacli.config.experiment_model import FailuresConfig, StartsConfig
from gacli.simulate.scenario import Outage


def starts_of(starts: StartsConfig) -> tuple[datetime, ...]:
    """Ascending; as given, or different full hours UTC, each equally likely. The section must be sound."""
    if starts.at is not None:
        return starts.at
    assert starts.earliest is not None
    assert starts.count is not None
    first = datetime.fromtimestamp(-(-int(starts.earliest.timestamp()) // 3600) * 3600, UTC)
    chosen = Random(starts.seed).sample(range(full_hours(starts)), starts.count)  # noqa: S311 no secret
    return tuple(first + hours * HOUR for hours in sorted(chosen))


def failures_of(failures: FailuresConfig, sites: Sequence[str], begin: datetime, end: datetime) -> tuple[Outage, ...]:
    """Of every site in turn: times between two failures are exponentially distributed, each site has its own."""
    return tuple(outage for site in sites for outage in _of_site(failures, site, begin, end))


def _of_site(failures: FailuresConfig, site: str, begin: datetime, end: datetime) -> Iterator[Outage]:
    draws = Random(f"{failures.seed} {site}")  # noqa: S311 no secret
    lasts = timedelta(seconds=failures.lasts)
    at = begin
    while True:
        at += timedelta(seconds=round(draws.expovariate(1 / failures.every)))
        if at >= end:
            return
        yield Outage(site=site, start=at, end=at + lasts)
        at += lasts
