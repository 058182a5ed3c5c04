"""What concerns several keys of a configuration at once, or the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gacli.config.carbon import MARGINAL_SOURCES, CarbonConfig
from gacli.config.models import CLEANEST, Config
from gacli.config.named import impossible_powers, same_names
from gacli.config.policies import PolicyProblems, build
from gacli.config.problems import Problem, near
from gacli.config.quantities import format_duration

_POLLS_A_LEASE = 5

# Keys of `carbon` that only some sources read.
_BELONGS: Final = {
    "folder": ("trace",),
    "files": ("trace",),
    "values": ("static",),
    "scope": ("trace", "electricitymaps"),
    "electricitymaps": ("electricitymaps",),
    "watttime": ("watttime",),
    "neso": ("neso",),
    "energy_charts": ("energy-charts",),
}


def problems(config: Config) -> list[Problem]:
    """Everything wrong with a configuration whose single values are right; empty when it is sound."""
    return [*_sites(config), *_start(config), *_secrets(config), *_lease(config), *_carbon(config), *_policy(config)]


def disk_problems(config: Config, base: Path) -> list[Problem]:
    """What the configuration expects to find next to it and is not there."""
    work = base / config.work
    return (
        []
        if work.is_dir()
        else [Problem(loc=("work",), text=f"found no folder {work}, expected the job's files there")]
    )


def _sites(config: Config) -> Iterator[Problem]:
    yield from same_names("sites", [site.name for site in config.sites])
    yield from impossible_powers(config.sites)
    for index, site in enumerate(config.sites):
        if site.name == CLEANEST:
            yield Problem(
                loc=("sites", index, "name"), text=f"`{CLEANEST}` has a meaning in `start_at`; choose another name"
            )


def _start(config: Config) -> Iterator[Problem]:
    names = [site.name for site in config.sites]
    if config.start_at not in (CLEANEST, *names):
        yield Problem(
            loc=("start_at",), text=f'no site "{config.start_at}"; {near(config.start_at, [CLEANEST, *names])}'
        )


def _secrets(config: Config) -> Iterator[Problem]:
    for index, name in enumerate(config.secrets):
        if name in config.env:
            yield Problem(
                loc=("secrets", index), text=f"found {name}, which `env` has a value for; name it in one place"
            )


def _lease(config: Config) -> Iterator[Problem]:
    """The agent is asked once a sample: a lease must outlive some that go astray."""
    least_s = _POLLS_A_LEASE * config.sample
    if config.lease is not None and config.lease < least_s:
        least = f"at least {format_duration(least_s)}, {_POLLS_A_LEASE} times `sample`"
        text = f"found {format_duration(config.lease)}, expected {least}"
        yield Problem(loc=("lease",), text=text)


def _carbon(config: Config) -> Iterator[Problem]:
    carbon = config.carbon
    zones = {site.zone for site in config.sites}
    for zone in sorted(set(carbon.zones) - zones):
        yield Problem(loc=("carbon", "zones", zone), text=f"no site is in this zone; {near(zone, sorted(zones))}")
    named = {name for order in carbon.chains(zones).values() for name in order}
    for key, users in _BELONGS.items():
        if key in carbon.model_fields_set and not named.intersection(users):
            wanted = " or ".join(f"`source: {user}`" for user in users)
            found = ", ".join(sorted(named))
            alias = CarbonConfig.model_fields[key].alias or key
            yield Problem(loc=("carbon", alias), text=f"only for {wanted}, found `source: {found}`")
    for key, order in {"source": carbon.source, **{f"zones.{zone}": own for zone, own in carbon.zones.items()}}.items():
        yield from _one_signal(tuple(key.split(".")), order)
    if len({bool(MARGINAL_SOURCES & set(order)) for order in carbon.chains(zones).values()}) > 1:
        text = "found zones with average and zones with marginal intensity, expected one kind in the whole fleet"
        yield Problem(loc=("carbon", "zones"), text=text)
    if "trace" in named:
        yield from _trace(config, carbon)
    if "static" in named and carbon.values is not None:
        yield from _by_zone(config, "values", "static", set(carbon.values))


def _one_signal(loc: tuple[str, ...], order: tuple[str, ...]) -> Iterator[Problem]:
    """Averages and marginal values are never mixed; what the values of files are is known when they are read."""
    marginal = [name for name in order if name in MARGINAL_SOURCES]
    average = [name for name in order if name not in MARGINAL_SOURCES and name != "trace"]
    if marginal and average:
        text = f"found {marginal[0]}, which gives marginal intensity, beside {average[0]}, which gives averages"
        yield Problem(loc=("carbon", *loc), text=text)


def _trace(config: Config, carbon: CarbonConfig) -> Iterator[Problem]:
    if carbon.folder is not None and carbon.files is not None:
        yield Problem(loc=("carbon", "files"), text="found both `folder` and `files`, expected one of them")
    elif carbon.files is not None:
        yield from _by_zone(config, "files", "trace", set(carbon.files))
    elif carbon.folder is None:
        yield Problem(loc=("carbon", "source"), text="`source: trace` needs `folder:` (or `files:`) as well")


def _by_zone(config: Config, key: str, source: str, given: set[str]) -> Iterator[Problem]:
    """A mapping by zone must have every zone that uses the source, and no other: a misspelt one would go unnoticed."""
    chains = config.carbon.chains({site.zone for site in config.sites})
    zones = {zone for zone, order in chains.items() if source in order}
    for zone in sorted(given - zones):
        yield Problem(loc=("carbon", key, zone), text=f"no site is in this zone; {near(zone, sorted(zones))}")
    for index, site in enumerate(config.sites):
        if site.zone in zones - given:
            yield Problem(
                loc=("sites", index, "zone"),
                text=f'carbon.{key} has no "{site.zone}"; {near(site.zone, sorted(given))}',
            )


def _policy(config: Config) -> list[Problem]:
    try:
        build(config.policy, [site.name for site in config.sites])
    except PolicyProblems as error:
        return list(error.problems)
    return []
