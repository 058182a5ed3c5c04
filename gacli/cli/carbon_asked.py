"""What a command about grids is asked: of which zones, of which source, at what time."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gacli.errors import ConfigError, GaError

if TYPE_CHECKING:
    from gacli.carbon.chain import Chain
    from gacli.config.carbon_sources import Services
    from gacli.config.load import LoadedConfig
    from gacli.views.carbon_output import Form

_DEFAULT_SOURCE = "typical"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """zones: each with the names of places that it was asked for by. now: real, the replay's start, or as given."""

    chain: Chain
    zones: Mapping[str, tuple[str, ...]]
    now: datetime


def asked(
    words: Sequence[str] | None, *, config: Path | None, source: str | None, at: str | None = None, all_zones: bool
) -> Asked:
    """Resolves the arguments that commands have in common.

    words: zones and places; without any, the configuration's zones, or with all_zones those with built-in typical days.
    ConfigError for unknown names, a source that cannot be used, and when no zone is named.
    """
    from gacli.clock import anchor_now
    from gacli.config.load import load

    if config is not None and source is not None:
        raise ConfigError("--source and --config: expected one of them, found both; a configuration has its own source")
    loaded = None if config is None else load(config)
    chain = _chain_of(source or _DEFAULT_SOURCE) if loaded is None else _chain_in(loaded)
    if words:
        zones = _zones(words, chain, loaded)
    elif loaded is not None:
        zones = dict.fromkeys(sorted({site.zone for site in loaded.config.sites}), ())
    elif all_zones and not chain.live:
        from gacli.carbon.typical import typical_zones

        zones = dict.fromkeys(typical_zones(), ())
    else:
        raise ConfigError(
            "expected the zones to look at, found none",
            hint="name them, such as DE or aws:eu-central-1 (`ga carbon zones` lists them), or a configuration with -c",
        )
    start = None if loaded is None or loaded.config.replay is None else loaded.config.replay.start
    return Asked(chain=chain, zones=zones, now=anchor_now(start if at is None else instant("--at", at)).start)


def instant(option: str, text: str) -> datetime:
    """A time with its zone, or a date, which stands for its 00:00 UTC. ConfigError for anything else."""
    from gacli.config.quantities import Unexpected, parse_instant

    is_date = re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII)
    try:
        return parse_instant(f"{text}T00:00:00Z" if is_date else text)
    except Unexpected as error:
        raise ConfigError(f'{option}: found "{text}", expected {error.expected}, or a date') from None


def seconds(option: str, text: str, *, low_s: float, high_s: float) -> float:
    """A duration such as 24h, low_s <= s <= high_s. ConfigError for anything else."""
    from gacli.config.quantities import Unexpected, format_duration, parse_duration

    try:
        found_s = parse_duration(text)
    except Unexpected as error:
        raise ConfigError(f"{option}: {error}") from None
    if not low_s <= found_s <= high_s:
        bounds = f"{format_duration(low_s)} to {format_duration(high_s)}"
        raise ConfigError(f"{option}: expected {bounds}, found {text}")
    return found_s


def form_of(*, as_json: bool, as_csv: bool) -> Form:
    """ConfigError when both are wanted."""
    from gacli.views.carbon_output import Form

    if as_json and as_csv:
        raise ConfigError("--json and --csv: expected one of them, found both")
    return Form.JSON if as_json else Form.CSV if as_csv else Form.TABLE


def _chain_in(loaded: LoadedConfig) -> Chain:
    from gacli.config.carbon_sources import carbon_chain

    return carbon_chain(loaded, _services())


def _chain_of(name: str) -> Chain:
    """One source with its defaults."""
    from gacli.carbon.chain import Chain
    from gacli.carbon.static import StaticSource
    from gacli.carbon.typical import TypicalSource
    from gacli.config.carbon import SOURCES, CarbonConfig
    from gacli.config.carbon_sources import service
    from gacli.config.problems import near
    from gacli.core.failover import Rules
    from gacli.ports.carbon import CarbonSource

    # Files are named by a configuration alone.
    usable = [known for known in SOURCES if known != "trace"]
    if name not in usable:
        hint = "name the files in a configuration, and that with -c" if name == "trace" else ""
        raise ConfigError(f'--source: found "{name}"; {near(name, usable)}', hint=hint)
    carbon = CarbonConfig()
    chosen: CarbonSource
    match name:
        case "typical":
            chosen = TypicalSource()
        case "static":
            chosen = StaticSource()
        case _:
            chosen = service(name, carbon, _services())
    return Chain([chosen], rules=Rules(max_age_s=carbon.max_age, hold_off_s=carbon.hold_off))


def _services() -> Services:
    from gacli.engine.assembly import services_of
    from gacli.folders import Folders

    folders = Folders.of_user()
    try:
        return services_of(folders)
    except OSError as error:
        raise GaError(
            f"{folders.root}: the state folder cannot be made: {error.strerror}",
            hint="set GA_STATE_DIR to a folder that you may write to",
        ) from error


def _zones(words: Sequence[str], chain: Chain, loaded: LoadedConfig | None) -> dict[str, tuple[str, ...]]:
    """Zone → the places of that zone among the words."""
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        if ":" in word:
            zone = _zone_of_place(word)
            found[zone] = tuple(dict.fromkeys((*found.get(zone, ()), word)))
        else:
            _require_known(word, chain, loaded)
            found.setdefault(word, ())
    return found


def _zone_of_place(word: str) -> str:
    from gacli.carbon.places import place, places
    from gacli.config.problems import near

    provider, _, region = word.partition(":")
    found = place(provider, region)
    if found is not None:
        return found.zone
    providers = sorted({one.provider for one in places()})
    if provider not in providers:
        raise ConfigError(f'no place is known by "{word}": provider "{provider}"; {near(provider, providers)}')
    regions = [one.region for one in places() if one.provider == provider]
    raise ConfigError(f'no place is known by "{word}": region "{region}"; {near(region, regions)}', hint=_LIST)


_LIST = "`ga carbon zones` lists places and zones"


def _require_known(zone: str, chain: Chain, loaded: LoadedConfig | None) -> None:
    """A service may know more zones than ga does; a table, a file and places do not."""
    from gacli.carbon.formats import ZONE
    from gacli.config.problems import near

    known = _known_zones(loaded)
    is_service = any(source.live for source in chain.sources(zone))
    if zone not in known and not (is_service and ZONE.fullmatch(zone)):
        raise ConfigError(f'no zone is known by "{zone}"; {near(zone, sorted(known))}', hint=_LIST)


def _known_zones(loaded: LoadedConfig | None) -> Collection[str]:
    from gacli.carbon.places import places
    from gacli.carbon.typical import typical_zones

    known = {*typical_zones(), *(place.zone for place in places())}
    if loaded is not None:
        carbon = loaded.config.carbon
        known |= {site.zone for site in loaded.config.sites}
        known |= {*(carbon.values or {}), *(carbon.files or {})}
    return known
