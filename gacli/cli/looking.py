"""`ga status`, `ga logs`: look at what is and was."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gacli.cli.session import find_job, open_store

if TYPE_CHECKING:
    from gacli.folders import Folders
    from gacli.store import Store
    from gacli.store.jobs import JobRecord

_JSON = typer.Option(False, "--json", help="Print JSON.")
_LOOK_S = 0.25
_CHUNK_BYTES = 65536


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(logs)


def status(
    job: str | None = typer.Argument(None, help="The job's id or name; all jobs when left out."), as_json: bool = _JSON
) -> None:
    """Say where a job stands, or list the jobs."""
    from gacli.engine.assembly import clock_of, loaded_of, plan_of
    from gacli.engine.process import is_alive
    from gacli.views.status import print_job, print_jobs

    folders, store = open_store()
    if job is None:
        print_jobs(store, lambda record: plan_of(loaded_of(record), record.job_id).sites, as_json=as_json)
        return
    record = find_job(store, job)
    loaded = loaded_of(record)
    print_job(
        store,
        record.job_id,
        plan_of(loaded, record.job_id).sites,
        now=clock_of(record).now(),
        has_controller=is_alive(folders, record.job_id),
        max_age_s=loaded.config.carbon.max_age,
        as_json=as_json,
    )


def logs(
    job: str | None = typer.Argument(None, help="The job's id or name; the newest when left out."),
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on until the job is over."),
    generation: int | None = typer.Option(None, "--generation", "-g", help="Only this generation; all when left out."),
) -> None:
    """Print what the training script wrote."""
    folders, store = open_store()
    record = find_job(store, job)
    shown: dict[Path, int] = {}
    try:
        while True:
            over = _over(folders, store, record.job_id)
            for path in _log_files(folders, store, record, generation):
                shown[path] = _print_from(path, shown.get(path, 0))
            if not follow or over:
                return
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        # The reader has seen enough; the job is not concerned.
        return


def _over(folders: Folders, store: Store, job_id: str) -> bool:
    """True when nothing will be added to the logs any more."""
    from gacli.engine.process import is_alive

    return store.jobs.get(job_id).state.final or not is_alive(folders, job_id)


def _log_files(folders: Folders, store: Store, job: JobRecord, generation: int | None) -> list[Path]:
    numbers = [record.generation for record in store.jobs.generations(job.job_id)]
    chosen = numbers if generation is None else [generation]
    return [path for number in chosen if (path := folders.trainer_log(job.job_id, number)).exists()]


def _print_from(path: Path, offset: int) -> int:
    """Print the file from there on; the new offset."""
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(_CHUNK_BYTES):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return file.tell()
