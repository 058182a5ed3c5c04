"""`ga status`: all jobs in a table, or one of them in detail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from rich.text import Text

from gacli.core.energy import JOULES_PER_KWH
from gacli.core.job import JobState
from gacli.core.site import Site
from gacli.engine.summary import Account, account_of
from gacli.store import Store
from gacli.store.database import to_text
from gacli.store.jobs import JobRecord
from gacli.views import formatting as fmt
from gacli.views.emissions import read_emissions
from gacli.views.job_panel import STATE_STYLE
from gacli.views.job_view import JobView, read_job
from gacli.views.section import columns
from gacli.views.site_row import SiteRow
from gacli.views.stream import to_line
from gacli.views.tables import dashboard


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusRow:
    """One job. where: the site that trains it, None while none does. created_at: real time."""

    job_id: str
    state: JobState
    detail: str
    where: str | None
    step: int | None
    total_steps: int | None
    account: Account
    created_at: datetime


def print_jobs(store: Store, sites_of: Callable[[JobRecord], Sequence[Site]], *, as_json: bool) -> None:
    """Every job, to standard output. sites_of: a job's fleet."""
    rows = read_status(store, sites_of)
    if as_json:
        print(to_line(status_json(rows)))
    else:
        Console().print(status_table(rows))


def print_job(
    store: Store,
    job_id: str,
    sites: Sequence[Site],
    *,
    now: datetime,
    has_controller: bool,
    max_age_s: float,
    as_json: bool,
) -> None:
    """One job in detail, to standard output. now: on its clock; max_age_s: `carbon.max_age` of its configuration."""
    emissions = read_emissions(store, sites, job_id)
    view = read_job(store, job_id, sites, now=now, emissions=emissions, max_age_s=max_age_s)
    if as_json:
        print(to_line(job_json(view, has_controller=has_controller)))
        return
    console = Console()
    console.print(dashboard(view, console.width))
    if not (has_controller or view.state.final or view.state is JobState.PAUSED):
        forsaken = "no controller: nothing is decided and nothing is moved; what trains goes on training"
        console.print(Text(forsaken, style="bold yellow"))


def read_status(store: Store, sites_of: Callable[[JobRecord], Sequence[Site]]) -> list[StatusRow]:
    """The newest first."""
    rows = []
    for job in store.jobs.all():
        generation = store.jobs.generation(job.job_id, job.generation)
        progress = store.journal.progress(job.job_id)
        rows.append(
            StatusRow(
                job_id=job.job_id,
                state=job.state,
                detail=job.detail,
                where=generation.site if generation is not None and generation.state != "ended" else None,
                step=None if progress is None else progress.step,
                total_steps=None if progress is None else progress.total_steps,
                account=account_of(store, sites_of(job), job.job_id),
                created_at=datetime.fromtimestamp(job.created_epoch_s, UTC),
            )
        )
    return rows


def status_table(rows: Sequence[StatusRow]) -> RenderableType:
    if not rows:
        return Text("no jobs yet: start one with `ga run FILE.yaml`")
    table = columns(gap=2, expand=False)
    for header in ("job", "state", "site"):
        table.add_column(header, no_wrap=True, overflow="ellipsis")
    for header in ("step", "emissions", "saved", "since"):
        table.add_column(header, no_wrap=True, justify="right")
    for row in rows:
        saved = row.account.saved_percent
        table.add_row(
            row.job_id,
            Text(row.state.value, style=STATE_STYLE[row.state]),
            row.where or "",
            "" if row.step is None else fmt.steps(row.step, row.total_steps),
            fmt.mass(row.account.emissions_g) if row.account.totals else "",
            "" if saved is None else fmt.percent(saved),
            fmt.clock(row.created_at),
        )
    return table


def status_json(rows: Sequence[StatusRow]) -> dict[str, object]:
    """For `ga status --json`."""
    return {
        "jobs": [
            {
                "job": row.job_id,
                "state": row.state.value,
                "detail": row.detail,
                "site": row.where,
                "step": row.step,
                "total_steps": row.total_steps,
                **_account_json(row.account),
                "created_at": to_text(row.created_at),
            }
            for row in rows
        ]
    }


def job_json(view: JobView, *, has_controller: bool) -> dict[str, object]:
    """For `ga status JOB --json`: all that the tables show, nothing rounded."""
    checkpoint = view.checkpoint
    return {
        "job": view.job_id,
        "state": view.state.value,
        "detail": view.detail,
        "has_controller": has_controller,
        "at": to_text(view.now),
        "clock_scale": view.scale,
        "elapsed_s": view.elapsed_s,
        "generation": view.generation,
        "moves": view.moves,
        "site": view.where,
        "step": view.step,
        "total_steps": view.total_steps,
        "loss": view.loss,
        "metrics": dict(view.metrics),
        "steps_per_s": view.steps_per_s,
        "remaining_s": view.remaining_s,
        "checkpoint": None if checkpoint is None else {"step": checkpoint.step, "sha256": checkpoint.sha256},
        **_account_json(view.emissions.account),
        "quality_percent": {quality.value: share for quality, share in view.emissions.quality_percent.items()},
        "sites": [_site_json(site) for site in view.sites],
    }


def _account_json(account: Account) -> dict[str, object]:
    baseline = account.baseline
    return {
        "energy_kwh": account.energy_j / JOULES_PER_KWH,
        "emissions_g": account.emissions_g,
        "modelled_percent": account.modelled_percent,
        "baseline": None
        if baseline is None
        else {"policy": baseline.policy, "site": baseline.site, "emissions_g": baseline.emissions_g},
        "saved_percent": account.saved_percent,
    }


def _site_json(site: SiteRow) -> dict[str, object]:
    reading = site.grid.reading
    return {
        "site": site.name,
        "zone": site.grid.zone,
        "role": site.role.value,
        "because": site.because,
        "pue": site.pue,
        "intensity_g_per_kwh": None if reading is None else reading.intensity_g_per_kwh,
        "signal": None if reading is None else reading.signal.value,
        "quality": None if reading is None else reading.quality.value,
        "source": None if reading is None else reading.source,
        "age_s": site.grid.age_s,
        "stand_in": "" if reading is None else reading.stand_in,
        "stale": site.grid.stale,
        "trend": site.grid.trend.value,
        "time_s": site.time_s,
        "energy_kwh": site.energy_j / JOULES_PER_KWH,
        "emissions_g": site.emissions_g,
    }
