"""What concerns several keys of an experiment at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final

from gacli.config.experiment_model import ExperimentConfig, ExperimentJobConfig, StartsConfig
from gacli.config.models import CLEANEST
from gacli.config.named import impossible_powers, same_names
from gacli.config.problems import Problem, near
from gacli.config.quantities import format_duration
from gacli.policies.stay import Stay

HOUR: Final = timedelta(hours=1)
# The baseline of every saving; it is always simulated.
BASELINE: Final = Stay.name

_BELONGS: Final = {"folder": "trace", "files": "trace", "scope": "trace", "values": "static"}


def problems(config: ExperimentConfig) -> list[Problem]:
    """Everything wrong with an experiment whose single values are right, but for its policies and its carbon data."""
    return [
        *_names(config),
        *_sites(config),
        *_carbon(config),
        *_starts(config.starts),
        *_jobs(config),
        *_outages(config),
    ]


def stay_s(job: ExperimentJobConfig, boot_s: float) -> float:
    """What a run takes that nothing disturbs: boot, restart, work, periodic saves and the last one."""
    every_s = job.checkpoint.every
    # A save that falls on the end of the work is the last one.
    periodic = 0 if every_s is None else int(-(-job.work // every_s)) - 1
    return boot_s + job.restart + job.work + (periodic + 1) * job.checkpoint.save


def _names(config: ExperimentConfig) -> Iterator[Problem]:
    yield from same_names("sites", [site.name for site in config.sites])
    yield from same_names("jobs", [job.name for job in config.jobs])


def _sites(config: ExperimentConfig) -> Iterator[Problem]:
    names = [site.name for site in config.sites]
    for index, site in enumerate(config.sites):
        if site.name == CLEANEST:
            text = f"`{CLEANEST}` has a meaning in `start_at`; choose another name"
            yield Problem(loc=("sites", index, "name"), text=text)
    yield from impossible_powers(config.sites)
    if config.start_at not in (CLEANEST, *names):
        text = f'no site "{config.start_at}"; {near(config.start_at, [CLEANEST, *names])}'
        yield Problem(loc=("start_at",), text=text)
    for source, targets in config.bandwidth.pairs.items():
        for loc, name in (((source,), source), *(((source, target), target) for target in targets)):
            if name not in names:
                yield Problem(loc=("bandwidth", "pairs", *loc), text=f'no site "{name}"; {near(name, names)}')


def _carbon(config: ExperimentConfig) -> Iterator[Problem]:
    carbon = config.carbon
    for key, user in _BELONGS.items():
        if key in carbon.model_fields_set and carbon.source != user:
            text = f"only for `source: {user}`, found `source: {carbon.source}`"
            yield Problem(loc=("carbon", key), text=text)
    if carbon.source == "trace":
        if carbon.folder is not None and carbon.files is not None:
            yield Problem(loc=("carbon", "files"), text="found both `folder` and `files`, expected one of them")
        elif carbon.files is not None:
            yield from _by_zone(config, "files", set(carbon.files))
        elif carbon.folder is None:
            yield Problem(loc=("carbon", "source"), text="`source: trace` needs `folder:` (or `files:`) as well")
    if carbon.source == "static" and carbon.values is not None:
        yield from _by_zone(config, "values", set(carbon.values))


def _by_zone(config: ExperimentConfig, key: str, given: set[str]) -> Iterator[Problem]:
    zones = {site.zone for site in config.sites}
    for zone in sorted(given - zones):
        yield Problem(loc=("carbon", key, zone), text=f"no site is in this zone; {near(zone, sorted(zones))}")
    for index, site in enumerate(config.sites):
        if site.zone not in given:
            text = f'carbon.{key} has no "{site.zone}"; {near(site.zone, sorted(given))}'
            yield Problem(loc=("sites", index, "zone"), text=text)


def _starts(starts: StartsConfig) -> Iterator[Problem]:
    drawn = {"earliest": starts.earliest, "latest": starts.latest, "count": starts.count}
    if starts.at is not None:
        if starts.model_fields_set != {"at"}:
            yield Problem(loc=("starts",), text="found times and what to draw them from, expected one of them")
        elif not starts.at:
            yield Problem(loc=("starts",), text="found an empty list, expected at least one time")
        for index, (earlier, later) in enumerate(pairwise(starts.at), start=1):
            if later <= earlier:
                yield Problem(loc=("starts", index), text="found a time that is not after the one before it")
        return
    if missing := [key for key, value in drawn.items() if value is None]:
        text = f"expected a list of times, or earliest, latest and count; found no {' and no '.join(missing)}"
        yield Problem(loc=("starts",), text=text)
        return
    assert starts.earliest is not None
    assert starts.latest is not None
    assert starts.count is not None
    if starts.latest < starts.earliest:
        yield Problem(loc=("starts", "latest"), text="found a time before `earliest`")
    elif starts.count > (hours := full_hours(starts)):
        text = f"found {starts.count}, expected at most {hours}, the full hours from earliest to latest"
        yield Problem(loc=("starts", "count"), text=text)


def full_hours(starts: StartsConfig) -> int:
    """How many full hours UTC lie in [earliest, latest], both given."""
    assert starts.earliest is not None
    assert starts.latest is not None
    first = -(-int(starts.earliest.timestamp()) // 3600)
    return int(starts.latest.timestamp()) // 3600 - first + 1


def _jobs(config: ExperimentConfig) -> Iterator[Problem]:
    boots_s = [site.boot for site in config.sites if config.start_at in (CLEANEST, site.name)]
    if not boots_s:
        return
    for index, job in enumerate(config.jobs):
        least_s = stay_s(job, min(boots_s))
        stays = f"staying takes {format_duration(round(least_s))} with its boot, restart and saves"
        if job.deadline is not None and (deadline_s := job.deadline.beside(job.work)) < least_s:
            text = f"found {format_duration(round(deadline_s))} after the start, but {stays}: no policy could meet it"
            yield Problem(loc=("jobs", index, "deadline"), text=text)
        limit_s = config.limit.beside(stay_s(job, max(boots_s)))
        if limit_s < least_s:
            text = f"found {format_duration(round(limit_s))} for {job.name}, but {stays}: it would be given up"
            yield Problem(loc=("limit",), text=text)


def _outages(config: ExperimentConfig) -> Iterator[Problem]:
    names: Sequence[str] = [site.name for site in config.sites]
    for index, outage in enumerate(config.outages):
        if outage.site not in names:
            text = f'no site "{outage.site}"; {near(outage.site, names)}'
            yield Problem(loc=("outages", index, "site"), text=text)
