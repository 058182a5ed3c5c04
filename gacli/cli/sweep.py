"""`ga sweep`: all thresholds to pause and resume at, on past carbon intensity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gacli.cli.outputs import require_outputs, require_workers

if TYPE_CHECKING:
    from gacli.sweep.grid import Plan
    from gacli.sweep.results_file import ResultsFile
    from gacli.sweep.scoring import Scoring


def register(app: typer.Typer) -> None:
    app.command()(sweep)


def sweep(
    config: Path = typer.Argument(..., metavar="SWEEP", help="The sweep's YAML file."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    csv: Path | None = typer.Option(None, "--csv", metavar="FILE", help="Write a line a policy."),
    parquet: Path | None = typer.Option(None, "--parquet", metavar="FILE", help="Write the same as Parquet."),
    charts: Path | None = typer.Option(None, "--charts", metavar="FOLDER", help="Write each chart as an SVG there."),
    workers: int | None = typer.Option(None, "--workers", metavar="N", help="At a time. Default: one a core."),
    resume: bool = typer.Option(False, "--resume", help="Go on with a sweep that was cut off."),
    out: Path | None = typer.Option(
        None, "--out", metavar="FILE", help="The file that all results go into as they come. Default: NAME.sweep here."
    ),
    traces: Path | None = typer.Option(
        None, "--traces", metavar="FOLDER", help="Read the carbon traces there, whatever the sweep says."
    ),
) -> None:
    """Try thresholds: pause above one intensity, resume at or below another. The best by job and site."""
    from contextlib import closing

    from gacli.config.sweep import load_sweep
    from gacli.sweep.grid import Plan
    from gacli.sweep.results_file import ResultsFile
    from gacli.sweep.running import require_backend
    from gacli.sweep.scoring import Scoring

    require_workers(workers)
    require_outputs(files={"--csv": csv, "--out": out}, parquet=parquet, charts=charts)
    plan = Plan(load_sweep(config, traces=traces))
    require_backend(plan.sweep.backend)
    path = out or Path(f"{plan.sweep.name}.sweep")
    with closing((ResultsFile.resume if resume else ResultsFile.begin)(path, plan)) as file:
        filled = _fill(plan, file, workers)
        scoring = Scoring(plan, file)
        written = _write(plan, scoring, csv=csv, parquet=parquet, charts=charts)
        for name in [path, *written] if filled else written:
            typer.echo(f"{name} was written", err=True)
        _print(plan, scoring, path, as_json=as_json)


def _fill(plan: Plan, file: ResultsFile, workers: int | None) -> bool:
    """Whether anything was missing."""
    from rich.console import Console

    from gacli.sweep.running import run
    from gacli.views.simulation_progress import shown

    missing = file.missing()
    if len(missing) < len(plan.chunks):
        done = len(plan.chunks) - len(missing)
        typer.echo(f"{file.path}: {done} of {len(plan.chunks)} parts were done before", err=True)
    if missing:
        for _ in shown(run(plan, file, missing, workers=workers), len(missing), plan.sweep.name, Console(stderr=True)):
            pass
    file.finish()
    return bool(missing)


def _write(plan: Plan, scoring: Scoring, *, csv: Path | None, parquet: Path | None, charts: Path | None) -> list[Path]:
    from gacli.views.sweep_data import write_csv, write_parquet

    written = []
    if csv is not None:
        write_csv(plan, scoring.scored(), csv)
        written.append(csv)
    if parquet is not None:
        write_parquet(plan, scoring.scored(), parquet)
        written.append(parquet)
    if charts is not None:
        from gacli.views.sweep_charts import write_sweep_charts

        written += write_sweep_charts(plan, scoring, scoring.best(), charts)
    return written


def _print(plan: Plan, scoring: Scoring, results: Path, *, as_json: bool) -> None:
    best = scoring.best()
    if as_json:
        from gacli.views.stream import to_line
        from gacli.views.sweep_data import sweep_json

        print(to_line(sweep_json(plan, best, results)))
        return
    from rich.console import Console

    from gacli.views.sweep_table import sweep_table

    console = Console()
    console.print(sweep_table(plan, best, console.width))
