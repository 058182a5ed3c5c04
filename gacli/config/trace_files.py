"""The traces that an experiment or a sweep names, a file for each zone of its sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gacli.carbon.trace import files_in
from gacli.config.document import Document
from gacli.config.problems import Problem, config_error, near
from gacli.errors import ConfigError


def trace_files(
    document: Document, base: Path, zones: Sequence[str], *, folder: str | None, files: Mapping[str, str] | None
) -> Mapping[str, Path]:
    """zones: of the sites, in order. folder, files: as `carbon` has them, relative to `base`. ConfigError."""
    if folder is None:
        named = {zone: base / name for zone, name in (files or {}).items()}
        missing = [
            Problem(loc=("carbon", "files", zone), text=f"found no file {path}")
            for zone, path in named.items()
            if not path.is_file()
        ]
        if missing:
            raise config_error(document, missing)
        return named
    place = base / folder
    if not place.is_dir():
        problem = Problem(loc=("carbon", "folder"), text=f"found no folder {place}")
        raise ConfigError(
            config_error(document, [problem]).message,
            hint="put a trace for each zone there, or name another folder with --traces",
        )
    known = {entry.name.split(".csv")[0] for entry in place.iterdir() if entry.name.endswith((".csv", ".csv.gz"))}
    require_zones(document, zones, sorted(known), f"trace in {folder}")
    return files_in(place, set(zones))


def require_zones(document: Document, zones: Sequence[str], known: Sequence[str], what: str) -> None:
    """zones: of the sites, in order. ConfigError names those of which there is no `what`."""
    unknown = [
        Problem(loc=("sites", index, "zone"), text=f'no {what} for "{zone}"; {near(zone, known)}')
        for index, zone in enumerate(zones)
        if zone not in known
    ]
    if unknown:
        raise config_error(document, unknown)
