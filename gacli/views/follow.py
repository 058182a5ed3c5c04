"""Watching a job until it is over: tables, lines or JSON from the store alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import TextIO, assert_never

from rich.console import Console

from gacli.core.job import JobState
from gacli.core.site import Site
from gacli.engine.summary import summary_of
from gacli.store import Store
from gacli.store.jobs import JobRecord
from gacli.store.journal import Event
from gacli.views.job_view import epoch_at
from gacli.views.site_row import MAX_AGE_S
from gacli.views.viewers import JsonViewer, LinesViewer, LiveViewer, Viewer

# Real seconds between two looks; and without a controller before it counts as dead, as not coming up.
_LOOK_S = 0.25
_DEAD_S = 3.0
_STARTING_S = 10.0
_BATCH = 1000


class Mode(StrEnum):
    LIVE = "live"
    LINES = "lines"
    JSON = "json"


def follow(
    store: Store,
    job_id: str,
    sites: Sequence[Site],
    *,
    mode: Mode,
    is_alive: Callable[[], bool],
    clock_now: Callable[[], datetime],
    wait: Callable[[float], None],
    console: Console | None,
    out: TextIO,
    after_event: int = 0,
    max_age_s: float = MAX_AGE_S,
) -> JobState:
    """Show the job until it is over or paused, or until it has no controller any more; returns its state then.

    is_alive: whether the job's controller lives. clock_now: the job's clock. wait: sleeps for real seconds. console:
    for LIVE. out: for LINES and JSON. after_event: id of the last event that is not shown. max_age_s:
    `carbon.max_age` of the configuration. The controller counts as dead after 3 real seconds, after 10 if it was not
    seen alive before. A paused job that has been asked to resume is waited for. KeyboardInterrupt passes through with
    the terminal restored; a reader that goes away (`| head`) ends the watching quietly.
    """
    viewer = _viewer(store, job_id, sites, mode, console, out, max_age_s)
    try:
        with viewer:
            return _watch(store, job_id, sites, viewer, is_alive, clock_now, wait, after_event)
    except BrokenPipeError:
        _silence(out)
        return store.jobs.get(job_id).state


def _watch(
    store: Store,
    job_id: str,
    sites: Sequence[Site],
    viewer: Viewer,
    is_alive: Callable[[], bool],
    clock_now: Callable[[], datetime],
    wait: Callable[[float], None],
    after_event: int,
) -> JobState:
    patience = _Patience()
    summary: Event | None = None
    while True:
        # The state before the events: an event of a final state is committed with it, so none can be missed.
        job = store.jobs.get(job_id)
        alive = is_alive()
        now = clock_now()
        over = job.state.final or (job.state is JobState.PAUSED and not store.journal.pending(job_id))
        events, after_event = _new_events(store, job_id, after_event)
        # The summary is the last word, whatever was written after it.
        summary = next((event for event in events if event.kind == "summary"), summary)
        viewer.show([event for event in events if event.kind != "summary"], now)
        if over or patience.ends(alive, epoch_at(job, now)):
            break
        wait(_LOOK_S)
    if job.state.final and summary is None:
        summary = _summary(store, sites, job, now)
    viewer.conclude(summary, now)
    return job.state


class _Patience:
    """With a job that has no controller."""

    def __init__(self) -> None:
        self._missing_since: float | None = None
        self._limit_s = _STARTING_S

    def ends(self, alive: bool, epoch_s: float) -> bool:
        if alive:
            self._missing_since, self._limit_s = None, _DEAD_S
            return False
        if self._missing_since is None:
            self._missing_since = epoch_s
        return epoch_s - self._missing_since > self._limit_s


def _new_events(store: Store, job_id: str, after: int) -> tuple[list[Event], int]:
    found: list[Event] = []
    while True:
        batch = store.journal.events(job_id, after=after, limit=_BATCH)
        found += batch
        after = batch[-1].event_id if batch else after
        if len(batch) < _BATCH:
            return found, after


def _summary(store: Store, sites: Sequence[Site], job: JobRecord, now: datetime) -> Event:
    """For those who come when it has been told already."""
    body = summary_of(store, sites, job.job_id)
    return Event(event_id=0, job_id=job.job_id, at=now, epoch_s=epoch_at(job, now), kind="summary", body=body)


def _viewer(
    store: Store,
    job_id: str,
    sites: Sequence[Site],
    mode: Mode,
    console: Console | None,
    out: TextIO,
    max_age_s: float,
) -> Viewer:
    match mode:
        case Mode.LIVE:
            return LiveViewer(store, job_id, sites, console or Console(file=out), max_age_s)
        case Mode.LINES:
            return LinesViewer(store, job_id, out)
        case Mode.JSON:
            return JsonViewer(out)
        case _:
            assert_never(mode)


def _silence(out: TextIO) -> None:
    """Nobody reads any more: what is still buffered must not fail once again when the process ends."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, out.fileno())
        finally:
            os.close(null)
