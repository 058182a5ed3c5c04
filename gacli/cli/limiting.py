"""`ga limit`: hold a job's GPUs back."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import typer

from gacli.cli.session import find_job, open_store
from gacli.errors import GaError

if TYPE_CHECKING:
    from gacli.store import Store

# Real seconds for a controller to tell the machine, and for its driver to do it.
_ANSWER_S = 15.0


def register(app: typer.Typer) -> None:
    app.command()(limit)


def limit(
    job: str = typer.Argument(..., help="The job's id or name."),
    power: float | None = typer.Option(None, "--power", metavar="W", help="Power limit of each GPU, in W."),
    clock: int | None = typer.Option(None, "--clock", metavar="MHZ", help="Highest graphics clock, in MHz."),
    off: bool = typer.Option(False, "--off", help="Leave the GPUs as they were found."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Hold a job's GPUs back, here and wherever it moves, until --off."""
    from gacli.engine.assembly import clock_of
    from gacli.engine.process import is_alive
    from gacli.views.wording import limit_text

    if [power is not None, clock is not None, off].count(True) != 1:
        raise typer.BadParameter("give one of --power W, --clock MHZ and --off")
    folders, store = open_store()
    found = find_job(store, job)
    if found.state.final:
        raise GaError(f"{found.job_id} is over ({found.state}): there is nothing to limit")
    after = store.journal.last_event_id(found.job_id)
    try:
        wanted = store.limits.want(found.job_id, clock_of(found).now(), "ga limit", power_w=power, clock_mhz=clock)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    running = store.jobs.generation(found.job_id, found.generation)
    outcome: dict[str, Any] | None = None
    if running is not None and running.state != "ended" and is_alive(folders, found.job_id):
        outcome = _outcome(store, found.job_id, wanted.limit_id, after)
    if as_json:
        told = {"limit_id": wanted.limit_id, "power_w": power, "clock_mhz": clock, "outcome": outcome}
        print(json.dumps({"job": found.job_id, **told}))
        return
    text = "noted: it holds from the next start on" if outcome is None else f"{outcome['site']}: {limit_text(outcome)}"
    print(f"{found.job_id}: {wanted}; {text}")


def _outcome(store: Store, job_id: str, limit_id: int, after: int) -> dict[str, Any] | None:
    """What the machine says came of it; None when nothing was heard in time."""
    give_up_s = time.monotonic() + _ANSWER_S
    while time.monotonic() < give_up_s:
        for event in store.journal.events(job_id, after=after):
            after = event.event_id
            if event.kind == "limit" and event.body["limit_id"] == limit_id:
                return dict(event.body)
        time.sleep(0.1)
    return None
