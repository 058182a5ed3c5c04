"""How far off the built-in forecast is on real grids, beside simple forecasts, and how often its intervals hold.

    PYTHONPATH=tests .venv/bin/python tests/prove/backtest.py

Reads every trace of a folder (../shared/traces/carbon, or the argument), forecasts from 00 UTC of each day of 2024, and
prints the tables of docs/forecasting.md. A minute or five.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from gacli.carbon.trace import files_in, read_trace
from gacli.core.carbon import Reading
from gacli.forecast.arrays import DAY, Floats
from gacli.forecast.backtest import BUILT_IN, HORIZONS_H, METHODS, BacktestResult, backtest
from gacli.forecast.builtin import MAX_HORIZON_S, forecast
from gacli.forecast.predict import REACH_HOURS, TypicalYear, predict, predict_share
from gacli.forecast.series import HOUR, hourly

TRACES = Path(__file__).resolve().parents[3] / "shared" / "traces" / "carbon"
TEST_FROM = datetime(2024, 1, 1, tzinfo=UTC)
TEST_TO = datetime(2025, 1, 1, tzinfo=UTC)
DAY_AHEAD = HORIZONS_H.index(24)
GOAL_MAPE = 10.0
GOAL_COVERAGE = (88.0, 92.0)
GOAL_LEAST_COVERAGE = 80.0
GOAL_S = 0.05
# Histories that a fresh start may have.
HISTORIES_H = (12, 24, 48, 72, 168, 336, 672, 2160)
SHORT_EVERY_DAYS = 9
TIMED = 20


@dataclass(frozen=True, kw_only=True)
class Short:
    """From a short history: MAPE over 24 and 96 h, and coverage of the 90 % intervals over 24 h, in percent."""

    mape24: float
    mape96: float
    coverage90: float


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Mean absolute error of the renewable share over 24 h, in percentage points."""

    built_in: float
    seasonal_naive: float
    persistence: float


@dataclass(frozen=True, kw_only=True)
class Zone:
    """One zone's figures. short: by hours of history and whether the typical days of 2023 were given."""

    name: str
    result: BacktestResult
    short: dict[tuple[int, bool], Short]
    shares: Shares | None
    forecast_s: float


def main() -> int:
    parser = argparse.ArgumentParser(description="Back-test the built-in forecast.")
    parser.add_argument("folder", type=Path, nargs="?", default=TRACES, help="folder with one CSV file a zone")
    folder: Path = parser.parse_args().folder
    names = sorted({path.name.split(".csv")[0] for path in folder.glob("*.csv*")})
    began = time.monotonic()
    zones = [_zone(name, path) for name, path in sorted(files_in(folder, names).items())]
    _print_methods(zones)
    _print_intervals(zones)
    _print_short(zones)
    _print_shares(zones)
    _print_zones(zones)
    took_s = statistics.median(zone.forecast_s for zone in zones)
    slowest_s = max(zone.forecast_s for zone in zones)
    print(
        f"\nA forecast of 96 h from {REACH_HOURS} hourly readings: median {took_s * 1000:.0f} ms, slowest zone "
        f"{slowest_s * 1000:.0f} ms. All of this took {time.monotonic() - began:.0f} s."
    )
    return 0 if _goals_met(zones, took_s) else 1


def _zone(name: str, path: Path) -> Zone:
    trace = read_trace(path, zone=name)
    hours = hourly(trace.readings, now=trace.end, reach=trace.end - trace.start)
    assert hours is not None
    result = backtest(hours.intensity_g_per_kwh, hours.start, test_from=TEST_FROM, test_to=TEST_TO)
    known = np.isfinite(hours.renewable_percent).all()
    return Zone(
        name=name,
        result=result,
        short=_short(hours.intensity_g_per_kwh, hours.start),
        shares=_shares(hours.renewable_percent, hours.start) if known else None,
        forecast_s=_seconds(trace.readings),
    )


def _short(values: Floats, start: datetime) -> dict[tuple[int, bool], Short]:
    """Forecasts from nothing but the last few hours, at changing hours of the day."""
    prior = _typical_year(values[: (TEST_FROM - start) // HOUR], start)
    first, last = (TEST_FROM - start) // HOUR, len(values) - HORIZONS_H[-1]
    origins = range(first, last, SHORT_EVERY_DAYS * DAY + 5)
    found = {}
    for history in HISTORIES_H:
        for given in (True, False):
            if history < DAY and not given:
                continue
            errors, inside = [], []
            for origin in origins:
                outcome = values[origin : origin + HORIZONS_H[-1]]
                predicted = predict(
                    values[origin - history : origin],
                    end=start + origin * HOUR,
                    ahead=HORIZONS_H[-1] // DAY,
                    prior=prior if given else None,
                )
                errors.append(np.abs(predicted.centre / outcome - 1))
                inside.append((predicted.low90 <= outcome) & (outcome <= predicted.high90))
            error, within = np.stack(errors), np.stack(inside)
            found[history, given] = Short(
                mape24=100 * float(error[:, :24].mean()),
                mape96=100 * float(error.mean()),
                coverage90=100 * float(within[:, :24].mean()),
            )
    return found


def _typical_year(values: Floats, start: datetime) -> TypicalYear:
    hours = [start + number * HOUR for number in range(len(values))]
    sums: Floats = np.zeros((12, DAY))
    counts: Floats = np.zeros((12, DAY))
    for hour, value in zip(hours, values, strict=True):
        sums[hour.month - 1, hour.hour] += value
        counts[hour.month - 1, hour.hour] += 1
    return tuple(tuple(float(mean) for mean in month) for month in sums / counts)


def _shares(percent: Floats, start: datetime) -> Shares:
    origins = range((TEST_FROM - start) // HOUR, len(percent) - HORIZONS_H[-1], DAY)
    errors = []
    for origin in origins:
        past, outcome = percent[max(origin - REACH_HOURS, 0) : origin], percent[origin : origin + DAY]
        forecasts = (predict_share(past, ahead=1), past[-DAY:], past[-1:])
        errors.append([float(np.abs(expected - outcome).mean()) for expected in forecasts])
    built_in, seasonal_naive, persistence = np.mean(errors, axis=0)
    return Shares(built_in=float(built_in), seasonal_naive=float(seasonal_naive), persistence=float(persistence))


def _seconds(readings: tuple[Reading, ...]) -> float:
    """How long a whole forecast takes, from readings to points; the median of TIMED."""
    took = []
    for number in range(TIMED):
        now = TEST_TO - timedelta(days=20, hours=number)
        began = time.perf_counter()
        forecast(readings, now, MAX_HORIZON_S)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def _print_methods(zones: list[Zone]) -> None:
    origins = sum(zone.result.origins for zone in zones)
    print(f"\nMean absolute percentage error, {len(zones)} zones, {origins} forecasts, in percent\n")
    _row("method", *(f"{horizon} h" for horizon in HORIZONS_H), "24 h, median zone")
    _rule(len(HORIZONS_H) + 2)
    for method in METHODS:
        of_zones = np.array([zone.result.mape_percent[method] for zone in zones])
        median = np.median(of_zones[:, DAY_AHEAD])
        _row(method, *(f"{error:.1f}" for error in of_zones.mean(axis=0)), f"{median:.1f}")


def _print_intervals(zones: list[Zone]) -> None:
    print("\nOutcomes within the intervals, in percent\n")
    _row("interval", *(f"{horizon} h" for horizon in HORIZONS_H), "lowest zone, 24 h", "lowest zone, 96 h")
    _rule(len(HORIZONS_H) + 3)
    for label, of_zones in (("50 %", _coverage50(zones)), ("90 %", _coverage90(zones))):
        lowest = [
            f"{zones[int(of_zones[:, horizon].argmin())].name} {of_zones[:, horizon].min():.1f}"
            for horizon in (DAY_AHEAD, -1)
        ]
        _row(label, *(f"{coverage:.1f}" for coverage in of_zones.mean(axis=0)), *lowest)


def _print_short(zones: list[Zone]) -> None:
    print("\nFrom a short history, means over the zones, in percent\n")
    _row("history", "typical days given", "MAPE 24 h", "MAPE 96 h", "within 90 %, 24 h", "lowest zone")
    _rule(6)
    for history, given in zones[0].short:
        of_zones = [zone.short[history, given] for zone in zones]
        label = f"{history} h" if history < 72 else f"{history // DAY} d"
        coverage = [short.coverage90 for short in of_zones]
        mape24 = statistics.mean(short.mape24 for short in of_zones)
        mape96 = statistics.mean(short.mape96 for short in of_zones)
        figures = (mape24, mape96, statistics.mean(coverage), min(coverage))
        _row(label, "yes" if given else "no", *(f"{figure:.1f}" for figure in figures))


def _print_shares(zones: list[Zone]) -> None:
    told = [zone.shares for zone in zones if zone.shares is not None]
    if not told:
        return
    print(f"\nRenewable share, {len(told)} zones: mean absolute error over 24 h in percentage points\n")
    _row(BUILT_IN, "seasonal-naive", "persistence")
    _rule(3)
    columns = np.array([(shares.built_in, shares.seasonal_naive, shares.persistence) for shares in told])
    _row(*(f"{error:.1f}" for error in columns.mean(axis=0)))


def _print_zones(zones: list[Zone]) -> None:
    print("\nBy zone: MAPE over 24 h and outcomes within the 90 % interval over 24 and 96 h, in percent\n")
    _row("zone", *METHODS, "within 90 %, 24 h", "96 h")
    _rule(len(METHODS) + 3)
    for zone in zones:
        errors = (zone.result.mape_percent[method][DAY_AHEAD] for method in METHODS)
        coverage = (zone.result.coverage90_percent[DAY_AHEAD], zone.result.coverage90_percent[-1])
        _row(zone.name, *(f"{figure:.1f}" for figure in (*errors, *coverage)))


def _goals_met(zones: list[Zone], took_s: float) -> bool:
    mape = statistics.mean(zone.result.mape_percent[BUILT_IN][DAY_AHEAD] for zone in zones)
    coverage = _coverage90(zones)[:, [DAY_AHEAD, -1]]
    low, high = GOAL_COVERAGE
    met = {
        f"24 h MAPE {mape:.2f} %, goal at most {GOAL_MAPE} %": mape <= GOAL_MAPE,
        f"90 % intervals hold {coverage.mean(axis=0).round(1)} % over 24 and 96 h, goal {low} to {high} %": bool(
            ((coverage.mean(axis=0) >= low) & (coverage.mean(axis=0) <= high)).all()
        ),
        f"and {coverage.min():.1f} % in the lowest zone, goal at least {GOAL_LEAST_COVERAGE} %": bool(
            coverage.min() >= GOAL_LEAST_COVERAGE
        ),
        f"a forecast takes {took_s * 1000:.0f} ms, goal under {GOAL_S * 1000:.0f} ms": took_s < GOAL_S,
    }
    for goal, reached in met.items():
        print(f"{'met' if reached else 'MISSED'}: {goal}", file=sys.stderr)
    return all(met.values())


def _coverage50(zones: list[Zone]) -> Floats:
    return np.array([zone.result.coverage50_percent for zone in zones])


def _coverage90(zones: list[Zone]) -> Floats:
    return np.array([zone.result.coverage90_percent for zone in zones])


def _row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |")


def _rule(columns: int) -> None:
    print("|" + "---|" * columns)


if __name__ == "__main__":
    sys.exit(main())
