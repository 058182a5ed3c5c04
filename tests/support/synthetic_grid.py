"""A made-up grid: a daily course, weather that comes and goes over days, and noise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.forecast.arrays import Floats

START = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def intensities(hours: int, *, seed: int = 1, restless: float = 0.1) -> Floats:
    """gCO2eq/kWh by the hour. restless: how far the weather takes the logarithm, one standard deviation."""
    draws = np.random.default_rng(seed).normal(size=hours)
    weather: Floats = np.zeros(hours)
    for hour in range(1, hours):
        weather[hour] = 0.97 * weather[hour - 1] + np.sqrt(1 - 0.97**2) * draws[hour]
    of_day = np.cos(2 * np.pi * (np.arange(hours) % 24 - 19) / 24)
    values: Floats = 300 * np.exp(0.3 * of_day + restless * weather)
    return values


def readings(
    values: Sequence[float] | Floats,
    *,
    start: datetime = START,
    period_s: float = 3600.0,
    renewable_percent: Sequence[float] | Floats | None = None,
    quality: Quality = Quality.MEASURED,
    signal: Signal = Signal.AVERAGE,
    scope: Scope = Scope.LIFECYCLE,
) -> list[Reading]:
    """One reading a value; NaN values are missing readings."""
    return [
        Reading(
            zone="DE",
            at=start + number * timedelta(seconds=period_s),
            period_s=period_s,
            intensity_g_per_kwh=float(value),
            signal=signal,
            scope=scope,
            quality=quality,
            source="trace:DE.csv",
            renewable_percent=None if renewable_percent is None else float(renewable_percent[number]),
        )
        for number, value in enumerate(values)
        if np.isfinite(value)
    ]
