"""Compute gacli/forecast/pooled.py, what the built-in forecast knows of all zones, from hourly traces.

    python scripts/pooled_forecast.py FOLDER

FOLDER holds one `<ZONE>.csv` or `<ZONE>.csv.gz` a zone. Every zone there counts alike, and only readings of YEAR: what
is later remains for tests.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gacli.carbon.trace import files_in, read_trace
from gacli.forecast.arrays import DAY, Floats, by_day
from gacli.forecast.regressors import NAMES, outcomes, profile, regressors
from gacli.forecast.restlessness import restlessness
from gacli.forecast.series import hourly

OUTPUT = Path(__file__).resolve().parent.parent / "gacli" / "forecast" / "pooled.py"
YEAR = 2023
# 96 hours, and a day for readings that come late.
AHEAD = 5
# The ends of the 90 % and 50 % intervals.
LEVELS = (0.05, 0.25, 0.75, 0.95)
# Against coefficients that only cancel each other; a zone without any change adds nothing.
PENALTY = 1e-3
LEAST_SCALE = 3e-3

HEADER = f'''\
"""What the built-in forecast knows of all zones; scripts/pooled_forecast.py computes this file.

Fitted on the hourly carbon intensity of {{zones}} zones in {YEAR}, in logarithms. Derived from data of Electricity Maps
(https://www.electricitymaps.com), Open Database License (ODbL) v1.0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
'''


def main() -> None:
    parser = argparse.ArgumentParser(description="Compute the pooled table of the built-in forecast.")
    parser.add_argument("folder", type=Path, help="folder with one CSV file a zone")
    folder: Path = parser.parse_args().folder
    zones = sorted({path.name.split(".csv")[0] for path in folder.glob("*.csv*")})
    series = [_year(path, zone) for zone, path in sorted(files_in(folder, zones).items())]
    coefficients = _coefficients(series)
    assumed = _restless_zone(series)
    quantiles = _error_quantiles(series, coefficients, assumed)
    lines = [
        HEADER.format(zones=len(series)),
        f"# By lead: {', '.join(NAMES)}.",
        *_table("COEFFICIENTS", coefficients),
        "",
        f"LEVELS = {LEVELS}",
        "# By lead: these quantiles of error / restlessness.",
        *_table("ERROR_QUANTILES", quantiles),
        "",
        "# That of a restless zone: a quarter of the zones, over their median fortnight, are more so.",
        f"ASSUMED_RESTLESSNESS = {assumed:.4f}",
        "",
    ]
    OUTPUT.write_text("\n".join(lines), encoding="utf-8")


def _year(path: Path, zone: str) -> Floats:
    trace = read_trace(path, zone=zone)
    end = datetime(YEAR + 1, 1, 1, tzinfo=UTC)
    hours = hourly(trace.readings, now=end, reach=end - datetime(YEAR, 1, 1, tzinfo=UTC))
    if hours is None:
        raise SystemExit(f"{path}: no reading in {YEAR}")
    return np.log1p(hours.intensity_g_per_kwh)


def _issued_at(series: Floats, hour: int) -> Floats:
    """The days of a series whose last hour lies `hour` hours before the series' end."""
    return by_day(series[: len(series) - hour])


def _coefficients(series: list[Floats]) -> Floats:
    """Ridge regressions, one a lead, over all zones and all hours of issue, each zone in units of its own changes."""
    leads, count = AHEAD * DAY, len(NAMES)
    gram: Floats = np.zeros((leads, count, count))
    moment: Floats = np.zeros((leads, count, 1))
    samples = 0
    for hours in series:
        of_zone: Floats = np.zeros_like(gram)
        with_outcome: Floats = np.zeros_like(moment)
        squares, number = 0.0, 0
        for hour in range(DAY):
            days = _issued_at(hours, hour)
            x = regressors(days, AHEAD)
            y = outcomes(days, AHEAD) - np.tile(profile(days), AHEAD)
            whole = np.isfinite(y).all(axis=1)
            a, b = x[whole].transpose(1, 0, 2), y[whole].T[:, :, None]
            of_zone += a.transpose(0, 2, 1) @ a
            with_outcome += a.transpose(0, 2, 1) @ b
            squares += float((b**2).sum())
            number += int(whole.sum())
        variance = squares / (number * leads) + LEAST_SCALE**2
        gram += of_zone / variance
        moment += with_outcome / variance
        samples += number
    solution = np.linalg.solve(gram + PENALTY * samples * np.eye(count), moment)
    return np.asarray(solution[:, :, 0], dtype=np.float64)


def _restless_zone(series: list[Floats]) -> float:
    of_zones = [np.median(restlessness(by_day(hours), assumed=0.0)[1:]) for hours in series]
    return float(np.quantile(of_zones, 0.75))


def _error_quantiles(series: list[Floats], coefficients: Floats, assumed: float) -> Floats:
    errors = []
    for hours in series:
        for hour in range(0, DAY, 6):
            days = _issued_at(hours, hour)
            forecast = np.tile(profile(days), AHEAD) + np.einsum("olr,lr->ol", regressors(days, AHEAD), coefficients)
            restless = restlessness(days, assumed=assumed)[-len(forecast) :, None]
            relative = (outcomes(days, AHEAD) - forecast) / restless
            errors.append(relative[np.isfinite(relative).all(axis=1)])
    quantiles: Floats = np.quantile(np.concatenate(errors), LEVELS, axis=0).T
    return quantiles


def _table(name: str, rows: Floats) -> list[str]:
    cells = ["        [" + ", ".join(f"{value:.4f}" for value in row) + "]," for row in rows]
    return [f"{name}: NDArray[np.float64] = np.array(", "    [", *cells, "    ]", ")"]


if __name__ == "__main__":
    main()
