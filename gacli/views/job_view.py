"""Everything that a display shows of one job, read in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gacli.core.carbon import Signal
from gacli.core.decision import Decision
from gacli.core.job import Checkpoint, JobState
from gacli.core.site import Site
from gacli.engine.moves import moves_of
from gacli.ports.machine import StepProgress
from gacli.store import Store
from gacli.store.jobs import GenerationRecord, JobRecord
from gacli.store.journal import Progress
from gacli.views.emissions import Emissions
from gacli.views.placement_stages import Underway, underway
from gacli.views.site_row import MAX_AGE_S, SiteRow, read_sites

# How many of the newest decisions are read for display.
_DECISIONS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class JobView:
    """One job at `now` on its own clock, which stands still once the job is over.

    where: the site whose machine trains, None while none does. steps_per_s and remaining_s: on the job's clock, None
    when unknown. elapsed_s: on the job's clock since it was created. steps: long steps under way, by key.
    """

    job_id: str
    state: JobState
    detail: str
    now: datetime
    scale: float
    elapsed_s: float
    generation: int
    moves: int
    where: str | None
    step: int | None
    total_steps: int | None
    loss: float | None
    metrics: Mapping[str, float]
    steps_per_s: float | None
    remaining_s: float | None
    checkpoint: Checkpoint | None
    sites: tuple[SiteRow, ...]
    emissions: Emissions
    underway: Underway | None
    steps: Mapping[str, StepProgress]
    decisions: tuple[Decision, ...]

    @property
    def replayed(self) -> bool:
        """True when the job's clock is not the real one's pace."""
        return self.scale != 1

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Average, marginal, or both (which no honest comparison mixes)."""
        return tuple(dict.fromkeys(site.grid.reading.signal for site in self.sites if site.grid.reading is not None))


def epoch_at(job: JobRecord, now: datetime) -> float:
    """Real seconds since 1970 when the job's clock shows `now`."""
    return job.clock_epoch_s + (now - job.clock_start).total_seconds() / job.clock_scale


def read_job(
    store: Store,
    job_id: str,
    sites: Sequence[Site],
    *,
    now: datetime,
    emissions: Emissions,
    max_age_s: float = MAX_AGE_S,
) -> JobView:
    """now: on the job's clock. emissions: `read_emissions`, or a recent one. max_age_s: `carbon.max_age` of the
    configuration. KeyError when there is no such job."""
    job = store.jobs.get(job_id)
    if job.finished_epoch_s is not None:
        over = job.clock_start + timedelta(seconds=(job.finished_epoch_s - job.clock_epoch_s) * job.clock_scale)
        now = min(now, over)
    generation = store.jobs.generation(job_id, job.generation)
    live = generation is not None and generation.state != "ended"
    placements = store.placements.of_job(job_id)
    open_placement = next((p for p in placements if not p.finished), None)
    progress = store.journal.progress(job_id)
    return JobView(
        job_id=job_id,
        state=job.state,
        detail=job.detail,
        now=now,
        scale=job.clock_scale,
        elapsed_s=(now - job.clock_start).total_seconds(),
        generation=job.generation,
        moves=moves_of(store, placements),
        where=generation.site if generation is not None and live else None,
        step=None if progress is None else progress.step,
        total_steps=None if progress is None else progress.total_steps,
        loss=None if progress is None else progress.loss,
        metrics={} if progress is None else progress.metrics,
        steps_per_s=None if progress is None or job.state.final else progress.steps_per_s,
        remaining_s=None if job.state.final else _remaining_s(progress, generation, now),
        checkpoint=job.checkpoint,
        sites=read_sites(
            store, job_id, sites, now,
            target=None if open_placement is None else open_placement.target_site, max_age_s=max_age_s,
        ),
        emissions=emissions,
        underway=None if open_placement is None else underway(store, open_placement, now, job.clock_scale),
        steps=store.journal.live(job_id),
        decisions=tuple(store.journal.decisions(job_id, last=_DECISIONS)),
    )  # fmt: skip


def _remaining_s(progress: Progress | None, generation: GenerationRecord | None, now: datetime) -> float | None:
    """At the last known pace; what has passed since the last report is taken off while its trainer runs."""
    if progress is None or progress.total_steps is None or not progress.steps_per_s:
        return None
    left_s = (progress.total_steps - progress.step) / progress.steps_per_s
    if generation is not None and generation.state != "ended" and generation.generation == progress.generation:
        left_s -= max(0.0, (now - progress.at).total_seconds())
    return max(0.0, left_s)
