"""`ga simulate`: policies on the history of grids, as an experiment describes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gacli.cli.outputs import require_outputs, require_workers

if TYPE_CHECKING:
    from gacli.config.experiment import Experiment
    from gacli.sweep.study import Study


def register(app: typer.Typer) -> None:
    app.command()(simulate)


def simulate(
    experiment: Path = typer.Argument(..., metavar="EXPERIMENT", help="The experiment's YAML file."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    csv: Path | None = typer.Option(None, "--csv", metavar="FILE", help="Write a line a run."),
    parquet: Path | None = typer.Option(None, "--parquet", metavar="FILE", help="Write the same as Parquet."),
    charts: Path | None = typer.Option(None, "--charts", metavar="FOLDER", help="Write each chart as an SVG there."),
    workers: int | None = typer.Option(None, "--workers", metavar="N", help="Processes. Default: one a core."),
    traces: Path | None = typer.Option(
        None, "--traces", metavar="FOLDER", help="Read the carbon traces there, whatever the experiment says."
    ),
) -> None:
    """Run an experiment: jobs under policies on past carbon intensity. Savings against `stay`, beside a bound."""
    from os import cpu_count

    from gacli.config.experiment import load_experiment

    require_workers(workers)
    require_outputs(files={"--csv": csv}, parquet=parquet, charts=charts)
    study = _run(load_experiment(experiment, traces=traces), workers or cpu_count() or 1)
    _write(study, csv=csv, parquet=parquet, charts=charts)
    _print(study, as_json=as_json)


def _print(study: Study, *, as_json: bool) -> None:
    if as_json:
        from gacli.views.simulation_data import study_json
        from gacli.views.stream import to_line

        print(to_line(study_json(study)))
        return
    from rich.console import Console

    from gacli.views.simulation_table import study_table

    console = Console()
    console.print(study_table(study, console.width))


def _run(experiment: Experiment, workers: int) -> Study:
    from rich.console import Console

    from gacli.sweep.experiment_runs import run_all, units_of
    from gacli.sweep.study import study_of
    from gacli.views.simulation_progress import shown

    units = len(units_of(experiment))
    done = run_all(experiment, workers=workers)
    return study_of(experiment, shown(done, units, experiment.name, Console(stderr=True)))


def _write(study: Study, *, csv: Path | None, parquet: Path | None, charts: Path | None) -> None:
    from gacli.views.simulation_data import write_csv, write_parquet

    written: list[Path] = []
    if csv is not None:
        write_csv(study, csv)
        written.append(csv)
    if parquet is not None:
        write_parquet(study, parquet)
        written.append(parquet)
    if charts is not None:
        from gacli.views.simulation_charts import write_study_charts

        written += write_study_charts(study, charts)
    for path in written:
        typer.echo(f"{path} was written", err=True)
