"""What came of an experiment, for programs: one JSON object, and a row a run for CSV and Parquet."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from gacli.config.experiment_checks import BASELINE
from gacli.errors import ConfigError, GaError
from gacli.store.database import to_text
from gacli.sweep.experiment_runs import Run
from gacli.sweep.study import Study
from gacli.views.carbon_output import csv_text


def study_json(study: Study) -> dict[str, object]:
    """Sums and spreads; single runs are rows of CSV and Parquet."""
    experiment = study.experiment
    return {
        "experiment": experiment.name,
        "config": experiment.document.label,
        "config_sha256": experiment.document.sha256,
        "signal": experiment.signal.value,
        "scope": experiment.scope.value,
        "sources": experiment.sources,
        "baseline": BASELINE,
        "starts": len(experiment.starts),
        "first_start": to_text(experiment.starts[0]),
        "last_start": to_text(experiment.starts[-1]),
        "poll_s": experiment.poll_s,
        "sites": {site.name: site.zone for site in experiment.sites},
        "policies": {label: policy.name for label, policy in experiment.policies.items()},
        "results": [asdict(row) for row in study.rows],
        "hindsight": [asdict(reference) for reference in study.references],
    }


def write_csv(study: Study, path: Path) -> None:
    """GaError when the file cannot be written."""
    try:
        path.write_text(csv_text(run_rows(study)), encoding="utf-8")
    except OSError as error:
        raise GaError(f"{path}: the runs cannot be written: {error.strerror}") from error


def require_pyarrow() -> None:
    """ConfigError where no Parquet can be written; asked before anything is simulated."""
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError(
            "--parquet needs PyArrow, which is not installed", hint="pip install 'ga-cli[parquet]'"
        ) from None


def write_parquet(study: Study, path: Path) -> None:
    """The columns of CSV with types of their own; starts are instants. GaError when the file cannot be written."""
    import pyarrow
    from pyarrow import parquet

    starts = [run.start for run in study.runs]
    rows = [row | {"start": start} for row, start in zip(run_rows(study), starts, strict=True)]
    try:
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    except OSError as error:
        raise GaError(f"{path}: the runs cannot be written: {error.strerror or error}") from error


def run_rows(study: Study) -> list[dict[str, object]]:
    """One row a run: what it made, what `stay` emitted from the same start, and what hindsight says of it."""
    experiment = study.experiment
    stayed = {(run.job, run.start): run for run in study.runs if run.policy == BASELINE}
    hindsight = {(one.job, one.start): one for one in study.hindsight}

    def row(run: Run) -> dict[str, object]:
        key = (run.job, run.start)
        stay, seen = stayed[key], hindsight.get(key)
        return {
            "experiment": experiment.name,
            "job": run.job,
            "policy": run.policy,
            "start": to_text(run.start),
            "emissions_g": run.emissions_g,
            "energy_j": run.energy_j,
            "time_s": run.time_s,
            "moves": run.moves,
            "pauses": run.pauses,
            "paused_s": run.paused_s,
            "lost_s": run.lost_s,
            "deadline_met": run.deadline_met,
            "baseline": BASELINE,
            "baseline_emissions_g": None if stay.time_s is None else stay.emissions_g,
            "best_site": None if seen is None else seen.best_site,
            "best_site_emissions_g": None if seen is None else seen.best_site_g,
            "best_moves_emissions_g": None if seen is None else seen.best_moves_g,
            "signal": experiment.signal.value,
            "scope": experiment.scope.value,
            **{f"train_s_{site}": time_s for site, time_s in run.train_s.items()},
        }

    return [row(run) for run in study.runs]
