"""Configuration → the values that the rest of the program works with."""

from __future__ import annotations

import re
from pathlib import Path

from gacli.carbon.static import StaticSource
from gacli.carbon.trace import TraceSource, files_in
from gacli.carbon.typical import TypicalSource, typical_zones
from gacli.config.load import LoadedConfig
from gacli.config.models import Config
from gacli.config.policies import PolicyProblems, build
from gacli.config.problems import Problem, near
from gacli.core.carbon import Scope
from gacli.core.decision import Policy
from gacli.core.site import PowerModel, Site
from gacli.errors import ConfigError
from gacli.ports.carbon import CarbonSource


def sites(config: Config) -> tuple[Site, ...]:
    """The fleet, in the file's order."""
    return tuple(
        Site(
            name=site.name,
            provider=site.provider,
            zone=site.zone,
            pue=site.pue,
            power=PowerModel(idle_w=site.power.idle, busy_w=site.power.busy),
            price_usd_per_hour=site.price,
            capacity=site.capacity,
            options=site.options,
        )
        for site in config.sites
    )


def policy(loaded: LoadedConfig) -> Policy:
    """The policy with its parameters. ConfigError when an entry point has changed since the file was loaded."""
    try:
        return build(loaded.config.policy, [site.name for site in loaded.config.sites])
    except PolicyProblems as error:
        raise loaded.error(*error.problems) from error


def carbon_source(loaded: LoadedConfig) -> CarbonSource:
    """The source of carbon intensity, which has something for every zone of the fleet.

    Raises ConfigError at the site's zone for a zone that the source does not know, and TraceError, with its own file
    and line, for a trace that cannot be trusted.
    """
    carbon = loaded.config.carbon
    match carbon.source:
        case "static" if carbon.values is not None:
            return StaticSource(carbon.values)
        case "static":
            _require_zones(loaded, typical_zones(), "typical days")
            return StaticSource()
        case "trace":
            source = TraceSource(_trace_files(loaded), scope=Scope(carbon.scope))
            _require_one_kind(loaded, source)
            return source
        case _:
            _require_zones(loaded, typical_zones(), "typical days")
            return TypicalSource()


def site_options_error(loaded: LoadedConfig, site: str, error: ConfigError) -> ConfigError:
    """A provider's complaint about the options of the site called `site`, with the file and line it lacks.

    A message that begins with a key and a colon (`faults.crash_after_s: found …`) is placed at that key.
    """
    index = [candidate.name for candidate in loaded.config.sites].index(site)
    options = ("sites", index, "options")
    if match := re.match(r"([\w.-]+):\s+", error.message):
        keys = [int(key) if key.isdecimal() else key for key in match[1].split(".")]
        problem = Problem(loc=(*options, *keys), text=error.message[match.end() :])
    else:
        problem = Problem(loc=options, text=error.message)
    return ConfigError(loaded.error(problem).message, hint=error.hint)


def _require_zones(loaded: LoadedConfig, known: list[str], what: str) -> None:
    unknown = [
        Problem(loc=("sites", index, "zone"), text=f'no {what} for "{site.zone}"; {near(site.zone, known)}')
        for index, site in enumerate(loaded.config.sites)
        if site.zone not in known
    ]
    if unknown:
        raise loaded.error(*unknown)


def _trace_files(loaded: LoadedConfig) -> dict[str, Path]:
    carbon = loaded.config.carbon
    if carbon.folder is not None:
        folder = loaded.base / carbon.folder
        if not folder.is_dir():
            raise loaded.error(Problem(loc=("carbon", "folder"), text=f"found no folder {folder}"))
        known = {entry.name.split(".csv")[0] for entry in folder.iterdir() if entry.name.endswith((".csv", ".csv.gz"))}
        _require_zones(loaded, sorted(known), f"trace in {carbon.folder}")
        return files_in(folder, {site.zone for site in loaded.config.sites})
    files = {zone: loaded.base / name for zone, name in (carbon.files or {}).items()}
    missing = [
        Problem(loc=("carbon", "files", zone), text=f"found no file {path}")
        for zone, path in files.items()
        if not path.is_file()
    ]
    if missing:
        raise loaded.error(*missing)
    return files


def _require_one_kind(loaded: LoadedConfig, source: TraceSource) -> None:
    """Average and marginal values, or life-cycle and direct ones, say different things and are never compared."""
    for kinds in (source.signals(), source.scopes()):
        if len(kinds) > 1:
            mixed = " and ".join(sorted(kinds))
            text = f"found {mixed} carbon intensity in the traces, expected one kind in all of them"
            raise loaded.error(Problem(loc=("carbon",), text=text))
