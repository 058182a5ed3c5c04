"""What most commands begin with: the state folder, the store, a job by its name, and how to watch it."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from gacli.errors import GaError
from gacli.folders import Folders

if TYPE_CHECKING:
    from gacli.core.job import JobState
    from gacli.store import Store
    from gacli.store.jobs import JobRecord


# Free space with which a store can hardly be written.
_LITTLE_BYTES = 1024 * 1024


def open_store() -> tuple[Folders, Store]:
    """The user's state folder and store, made when they are not there yet."""
    from gacli.store import Store

    folders = Folders.of_user()
    try:
        folders.make()
    except OSError as error:
        raise GaError(
            f"{folders.root}: the state folder cannot be made: {error.strerror}",
            hint="set GA_STATE_DIR to a folder that you may write to",
        ) from error
    return folders, Store(folders.database)


def find_job(store: Store, reference: str | None) -> JobRecord:
    """The job called so (`digits-3`, or `digits` for its newest run); without a name the newest of all."""
    jobs = store.jobs.all()
    if reference is None:
        if not jobs:
            raise GaError("there is no job yet", hint="start one with `ga run train.yaml`")
        return jobs[0]
    job = store.jobs.find(reference)
    if job is None:
        known = ", ".join(record.job_id for record in jobs[:10]) or "none"
        raise GaError(f"no job is called {reference!r}; known are: {known}", hint="`ga status` lists the jobs")
    return job


def lost_controller(folders: Folders, job: JobRecord) -> GaError:
    """What to say of an unfinished job that nobody controls any more."""
    again = f"continue with: ga resume {job.job_id}"
    free_bytes = shutil.disk_usage(folders.root).free
    if free_bytes < _LITTLE_BYTES:
        # Then neither the store nor its log could take the controller's last words.
        hint = f"only {free_bytes} bytes are free at {folders.root}: make room there, then {again}"
    else:
        hint = f"see {folders.controller_log(job.job_id)}, then {again}"
    message = f"{job.job_id} has lost its controller while {job.state}; a trainer that runs goes on by itself"
    return GaError(message, hint=hint)


def watch(folders: Folders, store: Store, job: JobRecord, *, as_json: bool, after_event: int = 0) -> JobState:
    """Show the job until it is over or paused, or its controller is gone. ^C passes through: it ends only this view."""
    from rich.console import Console

    from gacli.engine.assembly import clock_of, plan_of
    from gacli.engine.assembly import loaded_of as config_of
    from gacli.engine.process import is_alive
    from gacli.views.follow import Mode, follow

    clock, loaded = clock_of(job), config_of(job)
    console = Console()
    mode = Mode.JSON if as_json else Mode.LIVE if console.is_terminal else Mode.LINES
    return follow(
        store,
        job.job_id,
        plan_of(loaded, job.job_id).sites,
        mode=mode,
        is_alive=lambda: is_alive(folders, job.job_id),
        clock_now=clock.now,
        wait=clock.wait,
        console=console,
        out=sys.stdout,
        after_event=after_event,
        max_age_s=loaded.config.carbon.max_age,
    )
