"""`ga pause`, `ga migrate`, `ga stop`: tell a running job what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from gacli.cli.session import find_job, lost_controller, open_store
from gacli.errors import GaError

if TYPE_CHECKING:
    from gacli.folders import Folders
    from gacli.store import Store
    from gacli.store.jobs import JobRecord
    from gacli.store.placements import PlacementRecord

# Real seconds in which a live controller answers a command that does not have to wait for anything.
_ANSWER_S = 10.0

_JOB = typer.Argument(..., help="The job's id or name.")
_WAIT = typer.Option(False, "--wait", "-w", help="Return only when it has been carried out.")
_JSON = typer.Option(False, "--json", help="Print one JSON object.")


def register(app: typer.Typer) -> None:
    app.command()(pause)
    app.command()(migrate)
    app.command()(stop)


def pause(job: str = _JOB, wait: bool = _WAIT, as_json: bool = _JSON) -> None:
    """Save, and give the machine back. `ga resume` goes on."""
    _command(job, "pause", None, wait=wait, as_json=as_json)


def migrate(
    job: str = _JOB,
    site: str = typer.Argument(..., help="The site to move to."),
    wait: bool = _WAIT,
    as_json: bool = _JSON,
) -> None:
    """Move a job to another site now. Whatever the policy says."""
    _command(job, "migrate", site, wait=wait, as_json=as_json)


def stop(job: str = _JOB, wait: bool = _WAIT, as_json: bool = _JSON) -> None:
    """Save, give everything back, and end the job."""
    _command(job, "stop", None, wait=wait, as_json=as_json)


def _command(reference: str, verb: str, site: str | None, *, wait: bool, as_json: bool) -> None:
    from gacli.engine.process import is_alive, start
    from gacli.store.journal import REFUSED

    folders, store = open_store()
    job = find_job(store, reference)
    if job.state.final:
        raise GaError(f"{job.job_id} is over ({job.state}): there is nothing to {verb}")
    if site is not None:
        _require_site(job, site)
    before = store.placements.of_job(job.job_id)
    command_id = store.journal.give(job.job_id, verb, site, _now_s())
    if not is_alive(folders, job.job_id):
        start(folders, job.job_id)
    outcome = _outcome(folders, store, job, command_id, forever=wait)
    if outcome.startswith(REFUSED):
        raise GaError(f"{job.job_id}: {outcome.removeprefix(REFUSED)}")
    if wait:
        _until_settled(folders, store, job)
        _require_moved(store.placements.of_job(job.job_id)[len(before) :], site)
    state = store.jobs.get(job.job_id).state.value
    if as_json:
        print(json.dumps({"job": job.job_id, "command": verb, "site": site, "outcome": outcome, "state": state}))
    else:
        print(f"{job.job_id}: {outcome}" + (f" ({state})" if wait else ""))


def _require_site(job: JobRecord, site: str) -> None:
    from gacli.engine.assembly import loaded_of

    names = [candidate.name for candidate in loaded_of(job).config.sites]
    if site not in names:
        raise GaError(f"{job.job_id} has no site {site!r}; its fleet is: {', '.join(names)}")


def _outcome(folders: Folders, store: Store, job: JobRecord, command_id: int, *, forever: bool) -> str:
    """What the controller says; that it will come to it, when it is busy for longer."""
    from gacli.engine.process import is_alive

    give_up_at = _now_s() + _ANSWER_S
    while True:
        outcome = store.journal.outcome(command_id)
        if outcome is not None:
            return outcome
        if _now_s() > give_up_at:
            if not is_alive(folders, job.job_id):
                log = folders.controller_log(job.job_id)
                raise GaError(f"{job.job_id} has no controller that could take the command", hint=f"see {log}")
            if not forever:
                return "noted: it is done as soon as the present step allows"
        time.sleep(0.1)


def _until_settled(folders: Folders, store: Store, job: JobRecord) -> None:
    from gacli.core.job import JobState
    from gacli.engine.process import is_alive

    restless = (JobState.QUEUED, JobState.PLACING, JobState.MOVING, JobState.PAUSING, JobState.FINISHING)
    while True:
        # Asked first: a controller that has ended in order has said so in the state before.
        alive = is_alive(folders, job.job_id)
        current = store.jobs.get(job.job_id)
        if current.state not in restless:
            return
        if not alive:
            raise lost_controller(folders, current)
        time.sleep(0.1)


def _require_moved(since: Sequence[PlacementRecord], site: str | None) -> None:
    """GaError when the move to `site`, the first of these placements, was given up."""
    from gacli.core.placement import PlacementState

    move = next((placement for placement in since if site is not None and placement.target_site == site), None)
    if move is not None and move.state in (PlacementState.ABANDONED, PlacementState.FAILED):
        raise GaError(
            f"{move.job_id} was not moved to {site}: {move.detail}",
            hint=f"nothing is lost; see where it goes on with: ga status {move.job_id}",
        )


def _now_s() -> float:
    from gacli.clock import real_epoch_s

    return real_epoch_s()
