"""The model on a zone's past: a forecast a day from what was known then, beside what came, and beside baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import numpy as np

from gacli.errors import CarbonUnavailable
from gacli.forecast.arrays import DAY, Floats
from gacli.forecast.baselines import PROFILE_DAYS, persistence, profile_decay, seasonal_naive
from gacli.forecast.gaps import completed, mean_day
from gacli.forecast.predict import REACH_HOURS, predict
from gacli.forecast.series import HOUR

HORIZONS_H = (1, 6, 24, 48, 96)
BUILT_IN = "built-in"
BASELINES = MappingProxyType(
    {"profile + decay": profile_decay, "seasonal-naive": seasonal_naive, "persistence": persistence}
)
METHODS = (BUILT_IN, *BASELINES)
_LEADS = HORIZONS_H[-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class BacktestResult:
    """Errors over all hours up to each of HORIZONS_H, which are the elements of every tuple, over all origins.

    first, last: the first and the last hour that was forecast from. mape_percent: by method, mean absolute error in
    percent of the outcome; hours without an outcome, or with one of 0, do not count. coverage50_percent,
    coverage90_percent: how many outcomes lay within the built-in model's intervals. NaN where no hour counts.
    """

    origins: int
    first: datetime
    last: datetime
    mape_percent: Mapping[str, tuple[float, ...]]
    coverage50_percent: tuple[float, ...]
    coverage90_percent: tuple[float, ...]


def backtest(values: Floats, start: datetime, *, test_from: datetime, test_to: datetime) -> BacktestResult:
    """Forecast 96 hours from 00 UTC of each day in [test_from, test_to), each time from the hours before it alone.

    values: gCO2eq/kWh by the hour from `start`, a full hour, NaN where not known. Left out are days less than
    PROFILE_DAYS after the start or less than 96 hours before the end, and those before which a whole day is not known.

    Raises CarbonUnavailable when no day remains. ValueError for naive instants and a start off the hour.
    """
    if any(instant.tzinfo is None for instant in (start, test_from, test_to)):
        raise ValueError(f"expected aware instants, found {start}, {test_from} and {test_to}")
    start = start.astimezone(UTC)
    if start != start.replace(minute=0, second=0, microsecond=0):
        raise ValueError(f"expected a full hour, found {start}")
    origins = [
        origin
        for origin in _midnights(start, max(test_from, start), test_to)
        if origin >= PROFILE_DAYS * DAY
        and origin + _LEADS <= len(values)
        and np.isfinite(values[origin - DAY : origin]).any()
    ]
    if not origins:
        raise CarbonUnavailable(
            f"no back-test from {test_from.isoformat()} to {test_to.isoformat()}: expected values of {PROFILE_DAYS} "
            f"days before and {_LEADS} hours after one of these days, found values from {start.isoformat()} to "
            f"{(start + len(values) * HOUR).isoformat()}",
            hint="choose days within what the values cover",
        )
    errors: dict[str, list[Floats]] = {method: [] for method in METHODS}
    within50: list[Floats] = []
    within90: list[Floats] = []
    for origin in origins:
        past, outcome = values[max(origin - REACH_HOURS, 0) : origin], values[origin : origin + _LEADS]
        known = np.isfinite(outcome)
        counted = np.where(outcome > 0, outcome, np.nan)
        predicted = predict(past, end=start + origin * HOUR, ahead=_LEADS // DAY)
        errors[BUILT_IN].append(np.abs(predicted.centre - outcome) / counted)
        whole = completed(past, mean_day(past))
        for method, baseline in BASELINES.items():
            errors[method].append(np.abs(baseline(whole, _LEADS) - outcome) / counted)
        inside50 = (predicted.low50 <= outcome) & (outcome <= predicted.high50)
        inside90 = (predicted.low90 <= outcome) & (outcome <= predicted.high90)
        within50.append(np.where(known, inside50, np.nan))
        within90.append(np.where(known, inside90, np.nan))
    return BacktestResult(
        origins=len(origins),
        first=start + origins[0] * HOUR,
        last=start + origins[-1] * HOUR,
        mape_percent=MappingProxyType({method: _percent(of_method) for method, of_method in errors.items()}),
        coverage50_percent=_percent(within50),
        coverage90_percent=_percent(within90),
    )


def _midnights(start: datetime, test_from: datetime, test_to: datetime) -> range:
    """Hours from `start` to each 00 UTC in [test_from, test_to)."""
    day = test_from.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = day if day == test_from else day + timedelta(days=1)
    return range((first - start) // HOUR, -((start - test_to) // HOUR), DAY)


def _percent(by_origin: list[Floats]) -> tuple[float, ...]:
    """Means in percent over all origins and the leads up to each horizon."""
    table = np.stack(by_origin)
    return tuple(100 * _mean(table[:, :horizon]) for horizon in HORIZONS_H)


def _mean(table: Floats) -> float:
    counted = table[np.isfinite(table)]
    return float(counted.mean()) if counted.size else float("nan")
