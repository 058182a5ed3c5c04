"""Readings of another source or scope than a job was told, to account it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from gacli.config.carbon_sources import carbon_chain
from gacli.config.load import LoadedConfig
from gacli.core.carbon import Reading, Scope
from gacli.engine.assembly import services_of
from gacli.engine.recompute import Readings
from gacli.errors import CarbonUnavailable, ConfigError
from gacli.folders import Folders


def other_readings(loaded: LoadedConfig, folders: Folders, *, source: str | None, scope: Scope | None) -> Readings:
    """loaded: the job's configuration, which says all else about sources. None: as configured.

    Raises ConfigError as `carbon_chain` does. What it returns raises CarbonUnavailable for a source without the scope.
    """
    carbon = loaded.config.carbon
    if source == "trace" and carbon.folder is None and carbon.files is None:
        raise ConfigError(
            "--source: found trace, but the job's configuration names no files (carbon.folder, carbon.files)"
        )
    changes: dict[str, object] = {}
    if source is not None:
        changes |= {"source": (source,), "zones": {}}
    if scope is not None:
        changes["scope"] = scope.value
    changed = loaded.config.model_copy(update={"carbon": carbon.model_copy(update=changes)})
    chain = carbon_chain(replace(loaded, config=changed), services_of(folders))

    def readings(zone: str, start: datetime, end: datetime) -> Sequence[Reading]:
        found = chain.readings(zone, start, end)
        others = {reading.scope.value for reading in found if scope is not None and reading.scope is not scope}
        if scope is not None and others:
            raise CarbonUnavailable(
                f"{zone}: {scope.value} readings were expected from {chain.name}, found {' and '.join(sorted(others))}",
                hint="name a source that has them with --source",
            )
        return found

    return readings
