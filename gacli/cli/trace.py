"""`ga trace`: look at carbon traces, check them, and import them into ga's own layout."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from gacli.errors import ConfigError, GaError, TraceError


class _Scope(StrEnum):
    LIFECYCLE = "lifecycle"
    DIRECT = "direct"


_FILES = typer.Argument(..., metavar="FILE...", help="CSV files (.csv, .csv.gz) of any known layout.")
_ZONE = typer.Option(
    None, "--zone", "-z", help="The zone of files that do not say theirs; of those that do, only this one is read."
)
_SCOPE = typer.Option(_Scope.LIFECYCLE, help="Which emission factors, where a file has both.")
_JSON = typer.Option(False, "--json", help="Print one JSON object.")


def add_to(app: typer.Typer) -> None:
    trace = typer.Typer(no_args_is_help=True, help="Look at CSV files of carbon intensity, check and import them.")
    trace.command()(info)
    trace.command()(check)
    trace.command(name="import")(import_command)
    app.add_typer(trace, name="trace")


def info(
    paths: list[Path] = typer.Argument(..., metavar="FILE|FOLDER...", help="CSV files, or folders of them."),
    zone: str | None = _ZONE,
    scope: _Scope = _SCOPE,
    as_json: bool = _JSON,
) -> None:
    """Describe carbon traces: span, step, range, mean day, signal, scope, and what of them is estimated."""
    from gacli.carbon.trace_import import Gathered, gather
    from gacli.core.carbon import Scope
    from gacli.views.trace_report import print_info

    zone = _zone(zone)
    found: list[tuple[Path, Gathered]] = []
    refused: list[tuple[Path, TraceError]] = []
    for path in _files(paths):
        try:
            found += [(path, gathered) for gathered in gather([path], scope=Scope(scope), zone=zone)]
        except TraceError as error:
            # One file that cannot be read does not hide the others.
            refused.append((path, error))
    print_info(found, refused, as_json=as_json)
    if refused:
        names = " ".join(str(path) for path, _ in refused)
        count = len(refused)
        raise TraceError(
            "1 file is no carbon trace" if count == 1 else f"{count} files are no carbon traces",
            hint=f"see all that is wrong with: ga trace check {names}",
        )


def check(paths: list[Path] = _FILES, zone: str | None = _ZONE, scope: _Scope = _SCOPE, as_json: bool = _JSON) -> None:
    """Say everything that is wrong with carbon traces, and which gaps are filled. Exit code 1 if anything is wrong."""
    from gacli.carbon.trace_check import check as check_file
    from gacli.core.carbon import Scope
    from gacli.views.trace_report import print_check

    zone = _zone(zone)
    checked = [check_file(path, scope=Scope(scope), zone=zone) for path in dict.fromkeys(paths)]
    print_check(checked, as_json=as_json)
    wrong = sum(bool(one.problems) for one in checked)
    if wrong:
        raise GaError(
            f"{wrong} of {len(checked)} files cannot be used as they are",
            hint="correct what is listed, then check again",
        )


def import_command(
    paths: list[Path] = _FILES,
    into: Path = typer.Option(..., "--into", help="The folder to write <ZONE>.csv to; made if need be."),
    zone: str | None = _ZONE,
    scope: _Scope = _SCOPE,
    replace: bool = typer.Option(False, "--replace", help="Replace files of other content."),
    as_json: bool = _JSON,
) -> None:
    """Make one file a zone in ga's own layout. Splits and joins files by zone; fills gaps up to 3 h, and says so."""
    from gacli.carbon.trace_import import gather, write
    from gacli.core.carbon import Scope
    from gacli.views.trace_report import print_import

    gathered = gather(paths, scope=Scope(scope), zone=_zone(zone))
    outcomes = write([one.trace for one in gathered], into, replace=replace)
    print_import(gathered, outcomes, into, as_json=as_json)


def _zone(zone: str | None) -> str | None:
    from gacli.carbon.formats import ZONE

    if zone is not None and not ZONE.fullmatch(zone):
        raise ConfigError(
            f"--zone: expected a grid zone such as DE or US-CAL-CISO, found {zone!r}",
            hint="spell it as Electricity Maps does",
        )
    return zone


def _files(paths: list[Path]) -> list[Path]:
    """The files themselves, in a folder those whose names end as those of traces do."""
    files: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            files[path] = None
            continue
        try:
            inside = sorted(entry for entry in path.iterdir() if entry.name.endswith((".csv", ".csv.gz")))
        except OSError as error:
            raise TraceError(f"{path}: the folder cannot be read: {error.strerror}") from error
        if not inside:
            raise TraceError(f"{path}: expected carbon traces, found no .csv or .csv.gz file")
        files |= dict.fromkeys(inside)
    return list(files)
