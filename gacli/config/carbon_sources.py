"""The section `carbon` → the sources that it names, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gacli.carbon.chain import Chain
from gacli.carbon.credentials import credential
from gacli.carbon.span import iso
from gacli.carbon.static import StaticSource
from gacli.carbon.trace import TraceSource, files_in
from gacli.carbon.typical import TypicalSource, typical_zones
from gacli.clock import real_epoch_s
from gacli.config.carbon import CarbonConfig
from gacli.config.load import LoadedConfig
from gacli.config.problems import Problem, near
from gacli.core.carbon import Scope
from gacli.core.failover import Rules
from gacli.errors import ConfigError
from gacli.ports.answers import AnswerCache
from gacli.ports.carbon import CarbonSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """What sources that are asked over the network share: kept answers, and the variables that their secrets are in."""

    answers: AnswerCache
    environment: Mapping[str, str]


def carbon_chain(loaded: LoadedConfig, services: Services) -> Chain:
    """The sources of every zone of the fleet.

    Raises ConfigError at the site's zone for a zone that a file or table does not know, at `carbon.source` for a
    service without its token, and TraceError, with its own file and line, for a trace that cannot be trusted.
    """
    carbon = loaded.config.carbon
    chains = carbon.chains({site.zone for site in loaded.config.sites})
    named = {name for order in (carbon.source, *chains.values()) for name in order}
    sources = {name: _source(name, loaded, services) for name in sorted(named)}
    return Chain(
        [sources[name] for name in carbon.source],
        rules=Rules(max_age_s=carbon.max_age, hold_off_s=carbon.hold_off),
        zones={zone: [sources[name] for name in order] for zone, order in chains.items()},
    )


def _source(name: str, loaded: LoadedConfig, services: Services) -> CarbonSource:
    carbon = loaded.config.carbon
    match name:
        case "static" if carbon.values is not None:
            return StaticSource(carbon.values)
        case "static":
            _require_zones(loaded, name, typical_zones(), "typical days")
            return StaticSource()
        case "trace":
            source = TraceSource(_trace_files(loaded), scope=Scope(carbon.scope))
            _require_one_kind(loaded, source)
            _require_replay(loaded, source)
            return source
        case "typical":
            _require_zones(loaded, name, typical_zones(), "typical days")
            return TypicalSource()
        case _:
            try:
                return service(name, carbon, services)
            except ConfigError as error:
                complaint = loaded.error(Problem(loc=("carbon", "source"), text=error.message))
                raise ConfigError(complaint.message, hint=error.hint) from None


def service(name: str, carbon: CarbonConfig, services: Services) -> CarbonSource:
    """A source that is asked over the network. ConfigError when its token or account is missing."""
    from gacli.carbon.http import Fetcher

    fetcher = Fetcher(services.answers, epoch_s=real_epoch_s)

    def secret(variable: str) -> str:
        return credential(variable, services.environment, service=name)

    match name:
        case "electricitymaps":
            from gacli.carbon.electricity_maps import ElectricityMapsSource

            return ElectricityMapsSource(
                fetcher,
                token=secret("ELECTRICITYMAPS_TOKEN"),
                base_url=carbon.electricitymaps.base_url,
                version=carbon.electricitymaps.api,
                scope=Scope(carbon.scope),
                epoch_s=real_epoch_s,
            )
        case "watttime":
            from gacli.carbon.places import zones_of_watttime
            from gacli.carbon.watttime import WattTimeSource

            return WattTimeSource(
                fetcher,
                user=secret("WATTTIME_USER"),
                password=secret("WATTTIME_PASSWORD"),
                regions={**zones_of_watttime(), **carbon.watttime.regions},
                base_url=carbon.watttime.base_url,
                epoch_s=real_epoch_s,
            )
        case "neso":
            from gacli.carbon.neso import NesoSource

            return NesoSource(fetcher, regions=carbon.neso.regions, base_url=carbon.neso.base_url, epoch_s=real_epoch_s)
        case _:
            from gacli.carbon.energy_charts import EnergyChartsSource

            return EnergyChartsSource(
                fetcher,
                countries=carbon.energy_charts.countries,
                base_url=carbon.energy_charts.base_url,
                epoch_s=real_epoch_s,
            )


def _require_zones(loaded: LoadedConfig, source: str, known: list[str], what: str) -> None:
    chains = loaded.config.carbon.chains({site.zone for site in loaded.config.sites})
    unknown = [
        Problem(loc=("sites", index, "zone"), text=f'no {what} for "{site.zone}"; {near(site.zone, known)}')
        for index, site in enumerate(loaded.config.sites)
        if source in chains[site.zone] and site.zone not in known
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
        _require_zones(loaded, "trace", sorted(known), f"trace in {carbon.folder}")
        return files_in(folder, _zones_of(loaded, "trace"))
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


def _require_replay(loaded: LoadedConfig, source: TraceSource) -> None:
    """A job that begins where no trace knows anything could never be moved: its start is a mistake."""
    replay, chains = loaded.config.replay, loaded.config.carbon.chains({site.zone for site in loaded.config.sites})
    first = [zone for zone, order in chains.items() if order[0] == "trace"]
    if replay is None or not first:
        return
    traces = [source.trace(zone) for zone in first]
    if not any(trace.start <= replay.start < trace.end for trace in traces):
        spans = ", ".join(f"{iso(trace.start)} to {iso(trace.end)} for {trace.zone}" for trace in traces)
        text = f"found {iso(replay.start)}, expected a time within the traces, which cover {spans}"
        raise loaded.error(Problem(loc=("replay", "start"), text=text))


def _zones_of(loaded: LoadedConfig, source: str) -> set[str]:
    chains = loaded.config.carbon.chains({site.zone for site in loaded.config.sites})
    return {zone for zone, order in chains.items() if source in order}
