"""`ga report`, `ga metrics`: what jobs have used and emitted, for people and for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gacli.cli.session import find_job, open_store
from gacli.errors import ConfigError, GaError

if TYPE_CHECKING:
    from datetime import datetime

    from gacli.core.site import Site
    from gacli.store import Store
    from gacli.store.jobs import JobRecord
    from gacli.views.carbon_output import Form
    from gacli.views.report_data import Report

_LEAST_S = 60.0
_MOST_S = 3660 * 86400.0
_FORMATS = ("svg", "png")
_SCOPES = ("lifecycle", "direct")
_SWITCH = ("on", "off")


def register(app: typer.Typer) -> None:
    app.command()(report)
    app.command()(metrics)


def report(
    job: str | None = typer.Argument(None, help="The job's id or name; the newest when left out."),
    since: str | None = typer.Option(
        None, "--since", metavar="DURATION", help="All jobs that were alive in so long (30d), by job, site and zone."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    as_csv: bool = typer.Option(False, "--csv", help="Print the ledger's intervals as CSV; with --since the sums."),
    html: Path | None = typer.Option(None, "--html", metavar="FILE", help="Write a page that opens without a network."),
    charts: Path | None = typer.Option(None, "--charts", metavar="FOLDER", help="Write each chart as a file there."),
    chart_format: str = typer.Option("svg", "--format", metavar="svg|png", help="Of --charts."),
    codecarbon: Path | None = typer.Option(
        None, "--codecarbon", metavar="FILE", help="Add the job to an emissions.csv in CodeCarbon's columns."
    ),
    embodied: str = typer.Option("on", "--embodied", metavar="on|off", help="State what making the hardware emitted."),
    pue: list[str] | None = typer.Option(
        None,
        "--pue",
        metavar="X|SITE=X",
        help="Account again with this PUE, of all sites or one; beside the record.",
    ),
    source: str | None = typer.Option(
        None, "--source", metavar="NAME", help="Account again with this carbon source; beside the record."
    ),
    scope: str | None = typer.Option(
        None, "--scope", metavar="lifecycle|direct", help="Account again with such readings; beside the record."
    ),
) -> None:
    """Account for a job: energy, grams, saving. By site and phase, against the named baseline."""
    from gacli.cli.carbon_asked import form_of, seconds

    form = form_of(as_json=as_json, as_csv=as_csv)
    files = {"--html": html, "--charts": charts, "--codecarbon": codecarbon}
    asked = [option for option, path in files.items() if path is not None]
    _one_of("--format", chart_format, _FORMATS)
    _one_of("--embodied", embodied, _SWITCH)
    _one_of("--scope", scope, _SCOPES)
    again = [option for option, value in {"--pue": pue, "--source": source, "--scope": scope}.items() if value]
    if since is not None:
        of_one = [*asked, *again, *(["--embodied"] if embodied == "off" else [])]
        if job is not None or of_one:
            beside = job if job is not None else of_one[0]
            raise ConfigError(f"--since is about all jobs: expected neither JOB nor its options, found {beside}")
        _print_overview(seconds("--since", since, low_s=_LEAST_S, high_s=_MOST_S), form)
        return
    if again and (as_csv or (asked and html is None and not as_json)):
        raise ConfigError(f"{again[0]} is shown in the report, with --json and in --html, found none of them")
    _require_charts(asked)
    _, store = open_store()
    record = find_job(store, job)
    if codecarbon is not None:
        _write_codecarbon(store, record, codecarbon)
    if html or charts or as_json or not (asked or as_csv):
        read = _read(store, record, embodied=embodied == "on")
        if again:
            read = _recomputed(store, record, read, pue=pue or [], source=source, scope=scope)
        if html or charts:
            _write(store, record, read, html=html, charts=charts, chart_format=chart_format)
        if as_json or not (asked or as_csv):
            from gacli.views.report import print_report

            print_report(read, as_json=as_json)
    if as_csv:
        from gacli.engine.accounted import read_accounted
        from gacli.views.report_csv import intervals_csv

        print(intervals_csv(record.job_id, read_accounted(store, record.job_id)), end="")


def metrics(
    job: str | None = typer.Option(None, "--job", metavar="JOB", help="Only this job; all when left out."),
) -> None:
    """Print energy and emissions in Prometheus' text format, for a textfile collector."""
    from gacli.views.metrics import metrics_text

    _, store = open_store()
    jobs = store.jobs.all() if job is None else [find_job(store, job)]
    print(metrics_text(store, jobs, _sites_or_none), end="")


def _one_of(option: str, found: str | None, words: Sequence[str]) -> None:
    if found is not None and found not in words:
        raise ConfigError(f'{option}: expected {" or ".join(words)}, found "{found}"')


def _print_overview(since_s: float, form: Form) -> None:
    from gacli.clock import real_epoch_s
    from gacli.views.carbon_output import show
    from gacli.views.overview import read_overview
    from gacli.views.overview_output import overview_json, overview_rows, overview_table

    _, store = open_store()
    overview = read_overview(store, _sites_or_none, since_s=since_s, now_epoch_s=real_epoch_s())
    show(
        form,
        table=lambda width: overview_table(overview),
        record=lambda: overview_json(overview),
        rows=lambda: overview_rows(overview),
    )


def _require_charts(asked: Sequence[str]) -> None:
    """Before anything is written."""
    from gacli.views.charts.catalogue import require_matplotlib

    for option in asked:
        if option != "--codecarbon":
            require_matplotlib(option)


def _read(store: Store, job: JobRecord, *, embodied: bool) -> Report:
    from gacli.core.accounting_assumptions import Assumptions
    from gacli.engine.assembly import loaded_of, plan_of
    from gacli.engine.estimates import stated_hardware
    from gacli.views.report_data import read_report

    loaded = loaded_of(job)
    return read_report(
        store,
        job.job_id,
        plan_of(loaded, job.job_id).sites,
        _now_of(job),
        hardware=stated_hardware(loaded.config),
        assumptions=Assumptions(embodied=embodied),
    )


def _recomputed(
    store: Store, job: JobRecord, read: Report, *, pue: Sequence[str], source: str | None, scope: str | None
) -> Report:
    """The report with the same accounted again."""
    from dataclasses import replace

    from gacli.config.carbon import SOURCES
    from gacli.config.problems import near
    from gacli.core.carbon import Scope
    from gacli.engine.assembly import loaded_of
    from gacli.engine.other_readings import other_readings
    from gacli.engine.recompute import recompute
    from gacli.folders import Folders
    from gacli.views.recomputed import Recomputation

    if source is not None and source not in SOURCES:
        raise ConfigError(f'--source: found "{source}"; {near(source, SOURCES)}')
    loaded, folders = loaded_of(job), Folders.of_user()
    given = _pue(pue, [site.name for site in loaded.config.sites])
    wanted = None if scope is None else Scope(scope)
    readings = None
    if source is not None or wanted is not None:
        readings = other_readings(loaded, folders, source=source, scope=wanted)
    result = recompute(store, folders, job.job_id, pue=given, readings=readings)
    return replace(read, recomputed=Recomputation(result=result, pue=given, source=source, scope=wanted))


def _pue(words: Sequence[str], sites: Sequence[str]) -> dict[str, float] | float | None:
    """One of all sites, or those of some."""
    from gacli.config.problems import near

    given: dict[str, float] = {}
    for word in words:
        site, _, number = word.rpartition("=")
        if site and site not in sites:
            raise ConfigError(f'--pue: found site "{site}"; {near(site, sites)}')
        try:
            given[site] = float(number)
        except ValueError:
            raise ConfigError(f'--pue: expected a number or SITE=NUMBER, found "{word}"') from None
        if not 1 <= given[site] < float("inf"):
            raise ConfigError(f'--pue: expected a number of at least 1, found "{number}"')
    if "" in given:
        if len(words) > 1:
            raise ConfigError("--pue: expected one number of all sites, or SITE=NUMBER for some, found both")
        return given[""]
    return given or None


def _write(
    store: Store,
    job: JobRecord,
    read: Report,
    *,
    html: Path | None,
    charts: Path | None,
    chart_format: str,
) -> None:
    """What was asked for, each said on stderr."""
    from gacli.engine.accounted import read_accounted
    from gacli.views.charts.data import read_chart_data

    data = read_chart_data(store, read, _sites_of(job), read_accounted(store, job.job_id))
    written: list[Path] = []
    if html is not None:
        from gacli.views.report_html import report_page

        try:
            html.write_text(report_page(read, job, data, _now_of(job)), encoding="utf-8")
        except OSError as error:
            raise GaError(f"{html}: the report cannot be written: {error.strerror}") from error
        written.append(html)
    if charts is not None:
        from gacli.views.charts.catalogue import write_charts

        if data is None:
            raise GaError(f"{charts}: {job.job_id} has used no energy yet: there is nothing to draw")
        written += write_charts(data, charts, chart_format)
    for path in written:
        typer.echo(f"{path} was written", err=True)


def _write_codecarbon(store: Store, job: JobRecord, path: Path) -> None:
    from gacli.engine.accounted import read_accounted
    from gacli.views.codecarbon_csv import codecarbon_row, write_codecarbon

    accounted, devices = read_accounted(store, job.job_id), store.devices.of_job(job.job_id)
    write_codecarbon(path, codecarbon_row(job, accounted, devices, _now_of(job)))
    typer.echo(f"{path} was written", err=True)


def _sites_of(job: JobRecord) -> tuple[Site, ...]:
    from gacli.engine.assembly import loaded_of, plan_of

    return tuple(plan_of(loaded_of(job), job.job_id).sites)


def _sites_or_none(job: JobRecord) -> tuple[Site, ...]:
    """One job whose configuration this version cannot read any more must not hide all others."""
    try:
        return _sites_of(job)
    except GaError as error:
        typer.echo(f"ga: {job.job_id} is accounted without a baseline: {error.message}", err=True)
        return ()


def _now_of(job: JobRecord) -> datetime:
    from gacli.engine.assembly import clock_of

    return clock_of(job).now()
