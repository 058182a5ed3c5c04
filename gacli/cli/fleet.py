"""`ga fleet`: the instances that this store holds, and the end of those that nobody needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gacli.cli.session import open_store
from gacli.errors import ConfigError, GaError

if TYPE_CHECKING:
    from gacli.engine.inventory import Inventory, Survey
    from gacli.engine.orphans import Swept
    from gacli.folders import Folders

_CONFIG = typer.Option(None, "--config", "-c", help="Look at this configuration's sites as well.")
_JSON = typer.Option(False, "--json", help="Print one JSON object.")


def register(app: typer.Typer) -> None:
    fleet = typer.Typer(no_args_is_help=True, help="List the instances of all jobs, and destroy orphans.")
    fleet.command(name="list")(list_command)
    fleet.command()(gc)
    app.add_typer(fleet, name="fleet")


def list_command(config: Path | None = _CONFIG, as_json: bool = _JSON) -> None:
    """List every instance that the providers of all jobs have for this store, and what it is needed for."""
    from gacli.clock import anchor_now
    from gacli.views.fleet_table import print_fleet

    _, inventory = _inventory(config)
    survey = inventory.look()
    print_fleet(survey, anchor_now().start, as_json=as_json)
    _require_complete(survey)


def gc(
    config: Path | None = _CONFIG,
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only show what would be destroyed."),
    as_json: bool = _JSON,
) -> None:
    """Destroy orphans: instances of this store that no unfinished job has asked for. Waits until they are gone."""
    from gacli.clock import SystemClock, anchor_now
    from gacli.engine.assembly import connector
    from gacli.engine.orphans import Use, sweep
    from gacli.views import fleet_table as view
    from gacli.views.stream import to_line

    folders, inventory = _inventory(config)
    clock = SystemClock(anchor_now())
    survey = inventory.look()
    orphans = [entry for entry in survey.entries if entry.use is Use.ORPHAN]
    if not as_json:
        if orphans:
            view.print_orphans(orphans, clock.now())
        else:
            print("no orphans")
        for note in (*view.forsaken(survey), *map(view.unasked_text, survey.unasked)):
            print(note)
    swept: list[Swept] = []
    if orphans and not dry_run:
        _require_consent(len(orphans), yes=yes)
        swept = sweep(
            [(entry.place, entry.instance_id) for entry in orphans],
            known=inventory.known,
            connect=connector(folders),
            clock=clock,
        )
    if as_json:
        print(to_line(view.sweep_json(survey, orphans, swept, clock.now(), dry_run=dry_run)))
    else:
        view.print_swept(swept)
    _require_gone(swept)
    _require_complete(survey)


def _inventory(config: Path | None) -> tuple[Folders, Inventory]:
    from gacli.config.load import load
    from gacli.engine.inventory import Inventory, places_of
    from gacli.engine.process import is_alive
    from gacli.engine.tags import store_id

    loaded = None if config is None else load(config)
    folders, store = open_store()
    places, unasked = places_of(store, folders, loaded)
    inventory = Inventory(
        store=store,
        store_id=store_id(folders),
        places=places,
        is_alive=lambda job_id: is_alive(folders, job_id),
        unasked=unasked,
    )
    return folders, inventory


def _require_consent(count: int, *, yes: bool) -> None:
    """ConfigError where nobody can be asked; GaError when the answer is no."""
    if yes:
        return
    what = "1 orphan" if count == 1 else f"{count} orphans"
    if not sys.stdin.isatty():
        raise ConfigError(
            f"ga fleet gc: there is no terminal to ask whether to destroy {what}; nothing was destroyed",
            hint="see what it is with `ga fleet gc --dry-run`, and destroy it with `ga fleet gc --yes`",
        )
    # With --json stdout belongs to the result.
    if not typer.confirm(f"Destroy {what}?", err=True):
        raise GaError("nothing was destroyed")


def _require_gone(swept: list[Swept]) -> None:
    from gacli.engine.orphans import Outcome

    left = [one.instance_id for one in swept if one.outcome in (Outcome.FAILED, Outcome.DELETING)]
    if left:
        raise GaError(f"not gone yet: {', '.join(left)}", hint="try again with: ga fleet gc")


def _require_complete(survey: Survey) -> None:
    from gacli.views.fleet_table import unasked_text

    missing = [one for one in survey.unasked if one.matters]
    if missing:
        raise GaError(
            "not every place could be looked at, so there may be more instances: "
            + "; ".join(unasked_text(one) for one in missing),
            hint="correct that and ask again",
        )
