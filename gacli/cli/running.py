"""`ga run`, `ga resume`, `ga watch`: start or continue a job, and look on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gacli.cli.session import find_job, lost_controller, open_store, watch
from gacli.errors import ConfigError, GaError

if TYPE_CHECKING:
    from gacli.config.load import LoadedConfig
    from gacli.folders import Folders
    from gacli.store import Store
    from gacli.store.jobs import JobRecord

_JSON = typer.Option(False, "--json", help="One JSON object per event on stdout; the last is `summary`.")
# Real seconds in which a job that another `ga run` has just created gets its controller.
_COMES_UP_S = 5.0
_LOOK_S = 0.1


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(resume)
    app.command(name="watch")(watch_command)


def run(
    config: Path = typer.Argument(..., help="The YAML file that describes the job and its fleet."),
    detach: bool = typer.Option(False, "--detach", "-d", help="Return once the job is under way."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be done; do nothing."),
    as_json: bool = _JSON,
) -> None:
    """Start or continue a job, and watch it. ^C ends the watching, not the job."""
    from gacli.config import build
    from gacli.config.carbon_sources import carbon_chain
    from gacli.config.load import load
    from gacli.engine.assembly import providers_of, secrets_of, services_of

    loaded = load(config)
    policy = build.policy(loaded)
    folders, store = open_store()
    carbon = carbon_chain(loaded, services_of(folders))
    providers_of(loaded, folders)
    if dry_run:
        from gacli.cli.dry_run import show

        show(loaded, carbon, policy, as_json=as_json)
        return
    secrets_of(loaded, os.environ)
    job, news, ours = _started(folders, store, loaded)
    if news:
        # With --json stdout belongs to the events.
        print(news, file=sys.stderr if as_json else sys.stdout, flush=True)
    if detach:
        if not as_json:
            print(f"{job.job_id} is under way; look at it with: ga watch {job.job_id}")
        return
    if not ours and not as_json and not sys.stdout.isatty():
        # From cron, say, where the run before is still at it: who started it looks on already.
        return
    _look_on(folders, store, job, as_json=as_json)


def resume(
    job: str = typer.Argument(..., help="The job's id or name."),
    detach: bool = typer.Option(False, "--detach", "-d", help="Return once the job is under way."),
    as_json: bool = _JSON,
) -> None:
    """Continue a paused or an orphaned job. Orphaned: its controller has died."""
    from gacli.core.job import JobState
    from gacli.engine.assembly import loaded_of, secrets_of
    from gacli.engine.process import is_alive, start

    folders, store = open_store()
    record = find_job(store, job)
    if record.state.final:
        raise GaError(
            f"{record.job_id} is over ({record.state}): there is nothing to resume",
            hint=f"start it anew with: ga run {record.config_path}",
        )
    if not is_alive(folders, record.job_id):
        secrets_of(loaded_of(record), os.environ)
    after = store.journal.last_event_id(record.job_id)
    # A job that waits and has lost its controller goes on waiting: when it resumes is its policy's to say.
    waits = record.state is JobState.WAITING and is_alive(folders, record.job_id)
    if record.state is JobState.PAUSED or waits:
        _give(store, record, "resume")
    elif is_alive(folders, record.job_id):
        print(f"{record.job_id} is running already", file=sys.stderr)
    if not is_alive(folders, record.job_id):
        start(folders, record.job_id)
    if not detach:
        _look_on(folders, store, store.jobs.get(record.job_id), as_json=as_json, after_event=after)


def watch_command(
    job: str | None = typer.Argument(None, help="The job's id or name; the newest when left out."),
    as_json: bool = _JSON,
) -> None:
    """Look at a job, live. ^C ends the watching, not the job."""
    folders, store = open_store()
    _look_on(folders, store, find_job(store, job), as_json=as_json)


def _started(folders: Folders, store: Store, loaded: LoadedConfig) -> tuple[JobRecord, str, bool]:
    """The job that this configuration stands for, what there is to say of it, and whether we gave it a controller."""
    from gacli.engine.process import start

    name = loaded.config.name
    job = _created(store, loaded)
    if job is not None:
        start(folders, job.job_id)
        return job, "", True
    job = store.jobs.newest(name)
    if job is None:
        raise RuntimeError(f"the store refused a new job {name} and has none of that name")
    if job.state.value == "paused":
        raise GaError(f"{job.job_id} is paused", hint=f"continue it with: ga resume {job.job_id}")
    if _has_controller(folders, job):
        news = f"{job.job_id} is running already; nothing new was started (look at it with: ga watch {job.job_id})"
        return job, news, False
    if job.config_sha256 != loaded.sha256:
        raise ConfigError(
            f"{loaded.path}: has changed since {job.job_id} was started from {job.config_path}, and that is unfinished",
            hint=f"continue it as it was with `ga resume {job.job_id}`, or end it with `ga stop {job.job_id}`",
        )
    start(folders, job.job_id)
    return job, f"{job.job_id} had lost its controller; going on with it", True


def _has_controller(folders: Folders, job: JobRecord) -> bool:
    """One that was created just now, by a `ga run` at the same time, is given a moment for it to come up."""
    from gacli.clock import real_epoch_s
    from gacli.engine.process import is_alive

    while not is_alive(folders, job.job_id):
        if real_epoch_s() > job.created_epoch_s + _COMES_UP_S:
            return False
        time.sleep(_LOOK_S)
    return True


def _created(store: Store, loaded: LoadedConfig) -> JobRecord | None:
    from gacli.clock import anchor_now

    replay = loaded.config.replay
    anchor = anchor_now() if replay is None else anchor_now(replay.start, replay.scale)
    return store.jobs.create(
        name=loaded.config.name,
        config_path=str(loaded.path),
        config_text=loaded.text,
        config_sha256=loaded.sha256,
        clock_epoch_s=anchor.epoch_s,
        clock_start=anchor.start,
        clock_scale=anchor.scale,
    )


def _look_on(folders: Folders, store: Store, job: JobRecord, *, as_json: bool, after_event: int = 0) -> None:
    """Watch, and end with the exit code that the job's end deserves: 0 only when it is done."""
    from gacli.core.job import JobState
    from gacli.engine.process import is_alive

    try:
        state = watch(folders, store, job, as_json=as_json, after_event=after_event)
    except KeyboardInterrupt:
        print(
            f"\n{job.job_id} goes on. Look again: ga watch {job.job_id}   End it: ga stop {job.job_id}", file=sys.stderr
        )
        raise
    ended = store.jobs.get(job.job_id)
    match state:
        case JobState.DONE:
            return
        case JobState.PAUSED:
            raise GaError(f"{job.job_id} is paused", hint=f"continue it with: ga resume {job.job_id}")
        case JobState.STOPPED:
            raise GaError(f"{job.job_id} was stopped before its end ({ended.detail})")
        case JobState.FAILED:
            said = f"see its output with: ga logs {job.job_id}"
            never = f"nothing was started; when the cause is mended, start it anew with: ga run {ended.config_path}"
            raise GaError(f"{job.job_id} has failed: {ended.detail}", hint=said if ended.generation else never)
        case _ if is_alive(folders, job.job_id):
            # The reader of our output has seen enough (`| head`); the job is not concerned.
            return
        case _:
            raise lost_controller(folders, ended)


def _give(store: Store, job: JobRecord, verb: str) -> None:
    from gacli.clock import real_epoch_s

    store.journal.give(job.job_id, verb, None, real_epoch_s())
