"""`ga pause`, `ga migrate`, `ga stop`: tell a running job what to do."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import typer

from gacli.cli.session import find_job, open_store
from gacli.errors import GaError

if TYPE_CHECKING:
    from gacli.folders import Folders
    from gacli.store import Store
    from gacli.store.jobs import JobRecord

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
    """Save a checkpoint, give the machine back, and wait for `ga resume`."""
    _command(job, "pause", None, wait=wait, as_json=as_json)


def migrate(
    job: str = _JOB,
    site: str = typer.Argument(..., help="The site to move to."),
    wait: bool = _WAIT,
    as_json: bool = _JSON,
) -> None:
    """Move a job to another site now, whatever the policy says."""
    _command(job, "migrate", site, wait=wait, as_json=as_json)


def stop(job: str = _JOB, wait: bool = _WAIT, as_json: bool = _JSON) -> None:
    """Save a checkpoint, give everything back, and end the job."""
    _command(job, "stop", None, wait=wait, as_json=as_json)


def _command(reference: str, verb: str, site: str | None, *, wait: bool, as_json: bool) -> None:
    from gacli.engine.process import is_alive, start

    folders, store = open_store()
    job = find_job(store, reference)
    if job.state.final:
        raise GaError(f"{job.job_id} is over ({job.state}): there is nothing to {verb}")
    if site is not None:
        _require_site(job, site)
    command_id = store.journal.give(job.job_id, verb, site, _now_s())
    if not is_alive(folders, job.job_id):
        start(folders, job.job_id)
    outcome = _outcome(folders, store, job, command_id, forever=wait)
    if wait:
        _until_settled(folders, store, job)
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
    while store.jobs.get(job.job_id).state in restless and is_alive(folders, job.job_id):
        time.sleep(0.1)


def _now_s() -> float:
    from gacli.clock import real_epoch_s

    return real_epoch_s()
