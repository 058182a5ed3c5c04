"""What came of a sweep, for programs: one JSON object, and a row a policy for CSV and Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gacli.errors import GaError
from gacli.store.database import to_text
from gacli.sweep.columns import COLUMNS, FINISHED, PAUSES
from gacli.sweep.grid import Plan
from gacli.sweep.scoring import Point, Scored

_OF_CASE: Final = ("sweep", "job", "site", "zone", "start", "baseline_emissions_g", "baseline_duration_s")
_WHOLE: Final = {COLUMNS[PAUSES]: np.int64, COLUMNS[FINISHED]: np.bool_}


def sweep_json(plan: Plan, best: Sequence[Point], results: Path) -> dict[str, object]:
    """What was tried, and the best policies; all others are rows of CSV and Parquet."""
    sweep = plan.sweep
    series = next(iter(sweep.series.values()))
    return {
        "sweep": sweep.name,
        "config": sweep.document.label,
        "config_sha256": sweep.document.sha256,
        "results": str(results),
        "policies": plan.policies,
        "signal": series.signal.value,
        "scope": series.scope.value,
        "sources": {zone: one.source for zone, one in sweep.series.items()},
        "repeat_year": sweep.repeat_year,
        "starts": [to_text(start) for start in sweep.starts],
        "poll_s": sweep.poll_s,
        "limit_percent": sweep.limit_percent,
        "budget_percent": sweep.budget_percent,
        "alpha": sweep.alpha,
        "refine": sweep.thresholds.refine,
        "best": [_point_json(point) for point in best],
    }


def write_csv(plan: Plan, scored: Iterable[Scored], path: Path) -> None:
    """Chunk by chunk, since all rows together may not fit into the memory. GaError when the file cannot be written."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            for number, one in enumerate(scored):
                of_case, of_policies = _of_case(plan, one), _of_policies(one)
                if number == 0:
                    writer.writerow([*of_case, *of_policies])
                writer.writerows(
                    [*of_case.values(), *row] for row in zip(*map(_cells, of_policies.values()), strict=True)
                )
    except OSError as error:
        raise GaError(f"{path}: the policies cannot be written: {error.strerror}") from error


def write_parquet(plan: Plan, scored: Iterable[Scored], path: Path) -> None:
    """The columns of CSV with types of their own; starts are instants. GaError when the file cannot be written."""
    import pyarrow
    from pyarrow import parquet

    def tables() -> Iterator[pyarrow.Table]:
        for one in scored:
            of_policies = _of_policies(one)
            rows = len(one.score)
            of_case = _of_case(plan, one) | {"start": one.key.start}
            repeated = {
                name: pyarrow.repeat(pyarrow.scalar(value), rows).dictionary_encode()
                if isinstance(value, str)
                else pyarrow.repeat(pyarrow.scalar(value), rows)
                for name, value in of_case.items()
            }
            yield pyarrow.table(
                repeated | {name: pyarrow.array(values, from_pandas=True) for name, values in of_policies.items()}
            )

    writer = None
    try:
        for table in tables():
            writer = writer or parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
    except OSError as error:
        raise GaError(f"{path}: the policies cannot be written: {error.strerror or error}") from error
    finally:
        if writer is not None:
            writer.close()


def _point_json(point: Point) -> dict[str, object]:
    return {
        "job": point.key.job.name,
        "site": point.key.site.name,
        "zone": point.key.site.site.zone,
        "start": to_text(point.key.start),
        "pause_above_g_per_kwh": point.pause_above_g_per_kwh,
        "resume_below_g_per_kwh": point.resume_below_g_per_kwh,
        "emissions_g": point.emissions_g,
        "energy_j": point.energy_j,
        "duration_s": point.duration_s,
        "pauses": point.pauses,
        "paused_s": point.paused_s,
        "baseline_emissions_g": point.baseline.emissions_g,
        "baseline_energy_j": point.baseline.energy_j,
        "baseline_duration_s": point.baseline.duration_s,
        "saved_percent": point.saved_percent,
        "overhead_percent": point.overhead_percent,
        "score": point.score,
    }


def _of_case(plan: Plan, scored: Scored) -> dict[str, object]:
    """What all policies of a case share."""
    key, baseline = scored.key, scored.baseline
    values = (
        plan.sweep.name,
        key.job.name,
        key.site.name,
        key.site.site.zone,
        to_text(key.start),
        baseline.emissions_g,
        baseline.duration_s,
    )
    return dict(zip(_OF_CASE, values, strict=True))


def _of_policies(scored: Scored) -> dict[str, NDArray[np.generic]]:
    """A column each, by name."""
    return {
        "pause_above_g_per_kwh": scored.pause_above_g_per_kwh,
        "resume_below_g_per_kwh": scored.resume_below_g_per_kwh,
        **{name: scored.results[:, index].astype(_WHOLE.get(name, np.float64)) for index, name in enumerate(COLUMNS)},
        "saved_percent": scored.saved_percent,
        "overhead_percent": scored.overhead_percent,
        "score": scored.score,
    }


def _cells(column: NDArray[np.generic]) -> list[object]:
    """What is not known is empty; truth is told as everywhere else in CSV."""
    if column.dtype == np.bool_:
        return ["true" if value else "false" for value in column.tolist()]
    if column.dtype.kind == "f":
        return ["" if value != value else value for value in column.tolist()]
    return list(column.tolist())
