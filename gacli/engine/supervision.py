"""Watches the live generation: fetches its telemetry, learns of its steps and of its end."""

from __future__ import annotations

import math
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from gacli.core.job import JobState
from gacli.core.placement import PlacementState
from gacli.engine.context import Context
from gacli.engine.fleet import Fleet
from gacli.engine.leases import Leases
from gacli.engine.metering import Meter
from gacli.engine.placement_log import restore_state
from gacli.errors import GaError
from gacli.ports.machine import EPOCHS, CheckpointSaved, ExitRecord, Machine, Poll, ProgressRecord
from gacli.store.jobs import GenerationRecord

# Real seconds between two polls of the agent while somebody waits for its word, and after one that failed; else it is
# polled as often as it samples.
_POLL_SOON_S = 0.3
_RETRY_S = 2.0
# A script that reports no steps counts as running after this many real seconds.
_QUIET_START_S = 15.0
# The exit code of a script that has saved and wants to be started again (EX_TEMPFAIL).
_STOPPED = 75
_LOG_CHUNK_BYTES = 256 * 1024
# States of a placement that only a word of the live generation's machine can end.
_AWAITS_ITS_WORD = (PlacementState.STOPPING, PlacementState.STARTING)

PREEMPTED = "preempted"
"""The outcome of a generation that its machine stopped because the provider was about to take it."""


class Loss(Protocol):
    """What is done about a generation whose machine is lost, or soon will be."""

    def announced(self, record: GenerationRecord, detail: str) -> None:
        """The machine says that its provider is about to take it; said again with every answer."""
        ...

    def given_up(self, record: GenerationRecord, detail: str) -> None:
        """The machine is silent, and its lease proves that the trainer has stopped."""
        ...


class Supervision:
    """One live generation at a time. Its end is recorded only on proof: the exit record with the lock free."""

    def __init__(self, context: Context, meter: Meter, fleet: Fleet, loss: Loss) -> None:
        self._context = context
        self._loss = loss
        self._leases = Leases(context)
        self._meter = meter
        self._fleet = fleet
        self._poll_at = 0.0
        self._first_progress: tuple[int, ProgressRecord] | None = None
        self._last_told = 0.0
        self._raw_lines: dict[int, int] = {}
        self.last_saved: CheckpointSaved | None = None
        self.epoch_ended_at: datetime | None = None
        self._epochs: float | None = None
        self.unreachable_because = ""
        self._trouble: type[GaError] | None = None

    def live(self) -> GenerationRecord | None:
        """The generation that may be running, None when none is."""
        job = self._context.job()
        record = self._context.store.jobs.generation(job.job_id, job.generation)
        return record if record is not None and record.state != "ended" else None

    def tick(self) -> ExitRecord | None:
        """Fetch what is new; the exit record once, when everything before it is in the ledger."""
        record = self.live()
        if record is None:
            return None
        context = self._context
        key = f"poll:{record.generation}"
        log = context.folders.trainer_log(context.job_id, record.generation)
        if not context.tasks.busy(key) and self._poll_at > context.clock.epoch_s():
            return None
        try:
            machine = self._fleet.machine(record.instance_id)
        except GaError as error:
            self._silent(record, error)
            return None
        heard_s = self._leases.newest(record.generation)
        done = context.tasks.once(key, lambda _step: _fetch(machine, record, log, heard_s))
        if done is None:
            return None
        if isinstance(done.error, GaError):
            self._silent(record, done.error)
            return None
        return self._answered(record, done.unwrap())

    def _silent(self, record: GenerationRecord, error: GaError) -> None:
        """No answer says nothing about the trainer: it is waited for. A new kind of trouble is told, not every try."""
        context = self._context
        self._poll_at = context.clock.epoch_s() + _RETRY_S
        left_s = self._leases.left_s(record)
        if left_s == 0:
            self.unreachable_because = ""
            self._loss.given_up(record, "it does not answer, and its lease has run out")
            return
        news = not self.unreachable_because or type(error) is not self._trouble
        self._trouble = type(error)
        self.unreachable_because = f"{record.site} does not answer: {error.message.splitlines()[0]}"
        if news:
            context.event("warning", about="unreachable", site=record.site, message=str(error))
        state, placement = context.job().state, context.store.placements.open(context.job_id)
        if placement is not None and placement.state in _AWAITS_ITS_WORD:
            if news or state is not JobState.BLOCKED:
                until = "" if left_s is None else f"; {self._until(left_s)}"
                context.set_state(
                    JobState.BLOCKED, f"waiting for {record.site}: {error.message.splitlines()[0]}{until}"
                )
        elif state is JobState.RUNNING or (state is JobState.BLOCKED and news and placement is None):
            context.set_state(JobState.BLOCKED, f"{self.unreachable_because}; {self._until(left_s)}")

    def _until(self, left_s: float | None) -> str:
        """What is waited for, and until when at the latest."""
        if left_s is None:
            return "the training is left alone"
        at = datetime.fromtimestamp(self._context.clock.epoch_s() + left_s, UTC)
        return f"it is given up at {at:%Y-%m-%d %H:%M} UTC, when its lease has run out for certain"

    def _answered(self, record: GenerationRecord, poll: Poll) -> ExitRecord | None:
        context = self._context
        waited_for = context.store.placements.open(context.job_id) is not None
        self._poll_at = context.clock.epoch_s() + (_POLL_SOON_S if waited_for else context.plan.sample_s)
        if self.unreachable_because:
            self.unreachable_because = ""
            context.event("note", about="reachable", site=record.site, message=f"{record.site} answers again")
            if context.job().state is JobState.BLOCKED:
                restore_state(context)
        self._leases.heard(record.generation, poll.status.clock_s)
        self._ingest(record, poll)
        status = poll.status
        if status.preemption_at_s is not None:
            at = datetime.fromtimestamp(status.preemption_at_s, UTC)
            self._loss.announced(record, f"its provider takes it at {at:%H:%M:%S} UTC")
        if record.last_seq + len(poll.raw) < status.last_seq:
            self._poll_at = 0.0
            return None
        if status.exit is None or status.lock_held:
            return None
        self._ended(record, status.exit)
        return status.exit

    def _ingest(self, record: GenerationRecord, poll: Poll) -> None:
        """Telemetry into file and store, all of a poll in one transaction with the cursor."""
        context, store = self._context, self._context.store
        self._keep_raw(record, poll)
        with store.transaction():
            first = record.started_at is None
            for sample in poll.power:
                if first:
                    store.jobs.generation_live(record.job_id, record.generation, context.clock.at_epoch(sample.start_s))
                self._meter.sample(record.instance_id, record.generation, sample, first=first)
                first = False
            for saved in poll.checkpoints:
                self.last_saved = saved
                context.event(
                    "checkpoint", action="saved", site=record.site, name=saved.name, step=saved.step,
                    size_bytes=saved.size_bytes, duration_s=saved.duration_s,
                )  # fmt: skip
            for limited in poll.limits:
                context.event(
                    "limit", generation=record.generation, site=record.site, limit_id=limited.limit_id,
                    gpus=[asdict(gpu) for gpu in limited.gpus], refused=limited.refused,
                )  # fmt: skip
            self._progress(record, poll)
            # The agent numbers its lines without holes: as many as came, so far have we read.
            store.jobs.set_last_seq(record.job_id, record.generation, record.last_seq + len(poll.raw))

    def _progress(self, record: GenerationRecord, poll: Poll) -> None:
        context, store = self._context, self._context.store
        stepped = False
        for progress in poll.progress:
            if self._first_progress is None or self._first_progress[0] != record.generation:
                self._first_progress = (record.generation, progress)
            stepped = stepped or progress.step > record.from_step
            self._follow_epochs(progress)
        if poll.progress:
            newest = poll.progress[-1]
            at = context.clock.at_epoch(newest.at_s)
            rate = self._rate(newest)
            store.journal.set_progress(record.job_id, record.generation, at, newest, rate)
            if context.clock.epoch_s() - self._last_told >= 1.0 or newest.step == newest.total_steps:
                self._last_told = context.clock.epoch_s()
                context.event(
                    "progress", generation=record.generation, site=record.site, step=newest.step,
                    total_steps=newest.total_steps, loss=newest.loss, steps_per_s=rate, metrics=dict(newest.metrics),
                )  # fmt: skip
        if record.first_step_at is None:
            if stepped:
                at = next(context.clock.at_epoch(p.at_s) for p in poll.progress if p.step > record.from_step)
                store.jobs.generation_stepped(record.job_id, record.generation, at)
            elif not poll.progress and self._quietly_running(record, poll):
                store.jobs.generation_stepped(record.job_id, record.generation, context.now())

    def _follow_epochs(self, progress: ProgressRecord) -> None:
        """When the last one ended, as far as it was seen: the first report after it counts."""
        epochs = progress.metrics.get(EPOCHS)
        if epochs is not None and self._epochs is not None and math.floor(epochs) > math.floor(self._epochs):
            self.epoch_ended_at = self._context.clock.at_epoch(progress.at_s)
        self._epochs = epochs

    def _quietly_running(self, record: GenerationRecord, poll: Poll) -> bool:
        """A script without reports has started well when it has lived for a while."""
        if record.started_at is None or not poll.status.lock_held:
            return False
        lived_s = (self._context.now() - record.started_at).total_seconds() / self._context.clock.scale
        return lived_s >= _QUIET_START_S

    def _rate(self, newest: ProgressRecord) -> float | None:
        """Steps per second on the job's clock since this generation's first report."""
        if self._first_progress is None:
            return None
        first = self._first_progress[1]
        seconds = (newest.at_s - first.at_s) * self._context.clock.scale
        return (newest.step - first.step) / seconds if seconds > 0 and newest.step > first.step else None

    def _keep_raw(self, record: GenerationRecord, poll: Poll) -> None:
        """The agent's lines, verbatim, each once: those after a crash between file and store are already there."""
        if not poll.raw:
            return
        path = self._context.folders.telemetry(record.job_id, record.generation)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = self._raw_lines.get(record.generation)
        if kept is None:
            kept = _whole_lines(path)
        with path.open("ab") as file:
            for line in poll.raw[max(0, kept - record.last_seq) :]:
                file.write(line.encode() + b"\n")
        self._raw_lines[record.generation] = max(kept, record.last_seq + len(poll.raw))

    def _count(self, exit_record: ExitRecord, outcome: str) -> None:
        """Ends that nobody asked for, in a row; new steps since the last one begin a new row."""
        context = self._context
        job, progress = context.job(), context.store.journal.progress(context.job_id)
        step = -1 if progress is None else progress.step
        if outcome != "complete" and not exit_record.stop_requested:
            crashes = 1 if step > job.furthest_step else job.crashes + 1
            context.store.jobs.set_crashes(context.job_id, crashes, max(step, job.furthest_step))

    def _ended(self, record: GenerationRecord, exit_record: ExitRecord) -> None:
        context = self._context
        ended_at = context.clock.at_epoch(exit_record.ended_s)
        outcome = outcome_of(exit_record)
        with context.store.transaction():
            context.store.jobs.generation_ended(record.job_id, record.generation, ended_at, outcome)
            self._count(exit_record, outcome)
            context.event(
                "generation", generation=record.generation, site=record.site, state="ended", outcome=outcome,
                exit_code=exit_record.exit_code, signal=exit_record.signal, forced=exit_record.forced,
                because=exit_record.stopped_because,
            )  # fmt: skip


def _whole_lines(path: Path) -> int:
    """How many there are; the half line of a controller that was killed while it wrote goes."""
    if not path.exists():
        return 0
    written = path.read_bytes()
    os.truncate(path, written.rfind(b"\n") + 1)
    return written.count(b"\n")


def _fetch(machine: Machine, record: GenerationRecord, log: Path, heard_s: float | None) -> Poll:
    """One poll, and what the trainer has written since the last one; all of it once the trainer has ended."""
    poll = machine.poll(record.job_id, record.generation, record.last_seq, heard_s)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        while True:
            written = machine.logs(record.job_id, record.generation, file.tell(), _LOG_CHUNK_BYTES)
            file.write(written)
            if poll.status.exit is None or len(written) < _LOG_CHUNK_BYTES:
                return poll


def outcome_of(exit_record: ExitRecord) -> str:
    """`complete`, `preempted`, `stopped`, `killed` (it ignored the signal) or `crashed`; see docs/trainer.md.

    The script's own word that it is complete counts whatever its exit code. Otherwise a script that was asked to stop,
    or that exits with 75, has stopped; exit code 0 unasked means that it is complete.
    """
    if exit_record.complete:
        return "complete"
    if exit_record.stopped_because == "preemption":
        return PREEMPTED
    if exit_record.stop_requested:
        return "killed" if exit_record.forced else "stopped"
    if exit_record.exit_code == _STOPPED:
        return "stopped"
    return "complete" if exit_record.exit_code == 0 else "crashed"
