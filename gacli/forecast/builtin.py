"""The built-in forecast: what a zone's own past intensity tells of the days to come. Arithmetic only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from gacli.core.carbon import Reading, Scope, Signal
from gacli.core.forecast import Forecast, ForecastPoint
from gacli.errors import CarbonUnavailable
from gacli.forecast.arrays import DAY, Floats
from gacli.forecast.model import MAX_LEADS
from gacli.forecast.predict import REACH_HOURS, TypicalYear, predict, predict_share
from gacli.forecast.series import HOUR, Hours, hourly

MAX_HORIZON_S = 96 * 3600.0
# Past this the newest reading says too little of what comes; its leads are what the horizon leaves of the model's.
MAX_LAG = MAX_LEADS * HOUR - timedelta(seconds=MAX_HORIZON_S)
_HOURS_WITHOUT_PRIOR = 24
_NAME = "built-in model"


def forecast(
    readings: Sequence[Reading], now: datetime, horizon_s: float, prior: TypicalYear | None = None
) -> Forecast:
    """What is to be expected of [now, now + horizon_s], in hours, with 50 % and 90 % intervals.

    readings: of one zone, signal and scope, ascending by `at`, of any period. Those that had begun before `now` and are
    measured or estimated are the past; a year and four weeks are used where there are as many, and the more there are,
    down to a few hours, the better the forecast and the narrower its intervals. horizon_s: up to MAX_HORIZON_S.
    prior: the zone's typical days, `[month - 1][hour]` in gCO2eq/kWh (average, life cycle, hours in UTC), which
    stand in for days before the first reading; marginal intensities have none.

    The first point is the hour that holds `now`, or the next one if that hour is known.

    Raises CarbonUnavailable when the newest hour known lies more than MAX_LAG back, and for less than a day of hours
    without a prior. ValueError for a naive `now`, a horizon out of range, and readings of several zones, signals or
    scopes.
    """
    if now.tzinfo is None:
        raise ValueError(f"expected an aware instant, found {now}")
    if not 0 < horizon_s <= MAX_HORIZON_S:
        raise ValueError(f"expected a horizon of up to {MAX_HORIZON_S:.0f} s, found {horizon_s}")
    kinds = {(reading.zone, reading.signal, reading.scope) for reading in readings}
    if len(kinds) > 1:
        raise ValueError(f"expected readings of one zone, signal and scope, found {sorted(kinds)}")
    now = now.astimezone(UTC)
    past = hourly(readings, now=now, reach=REACH_HOURS * HOUR)
    marginal = past is not None and past.latest.signal is Signal.MARGINAL
    usable_prior = None if marginal else prior
    past = _sufficient(past, readings, now, usable_prior)

    at = max(past.end, now.replace(minute=0, second=0, microsecond=0))
    first = (at - past.end) // HOUR
    points = max(math.ceil((now + timedelta(seconds=horizon_s) - at) / HOUR), 1)
    ahead = math.ceil((first + points) / DAY)
    predicted = predict(
        past.intensity_g_per_kwh,
        end=past.end,
        ahead=ahead,
        prior=usable_prior,
        level=past.latest.scope is Scope.LIFECYCLE,
    )
    shares = _shares(past.renewable_percent, ahead)
    return Forecast(
        zone=past.latest.zone,
        issued_at=now,
        step_s=HOUR.total_seconds(),
        signal=past.latest.signal,
        scope=past.latest.scope,
        source=f"{_NAME} on {past.latest.source}",
        points=tuple(
            ForecastPoint(
                at=past.end + lead * HOUR,
                intensity_g_per_kwh=float(predicted.centre[lead]),
                low50_g_per_kwh=float(predicted.low50[lead]),
                high50_g_per_kwh=float(predicted.high50[lead]),
                low90_g_per_kwh=float(predicted.low90[lead]),
                high90_g_per_kwh=float(predicted.high90[lead]),
                renewable_percent=None if shares is None else float(shares[lead]),
            )
            for lead in range(first, first + points)
        ),
    )


def _sufficient(past: Hours | None, readings: Sequence[Reading], now: datetime, prior: TypicalYear | None) -> Hours:
    zone = readings[0].zone if readings else "the zone"
    wanted = "the past day's readings, or typical days of the zone beside a few of them, are what it needs"
    if past is None:
        raise CarbonUnavailable(
            f"no forecast for {zone}: no measured or estimated reading before {now.isoformat()}", hint=wanted
        )
    if now - past.end > MAX_LAG:
        raise CarbonUnavailable(
            f"no forecast for {zone}: expected readings that end at most {MAX_LAG / HOUR:.0f} h before "
            f"{now.isoformat()}, found the newest to end at {past.end.isoformat()}",
            hint="see what keeps the source from giving newer readings: `ga carbon now`",
        )
    known = int(np.isfinite(past.intensity_g_per_kwh).sum())
    if prior is None and known < _HOURS_WITHOUT_PRIOR:
        raise CarbonUnavailable(
            f"no forecast for {zone}: expected {_HOURS_WITHOUT_PRIOR} hours of readings, found {known}", hint=wanted
        )
    return past


def _shares(percent: Floats, ahead: int) -> Floats | None:
    """The renewable share to come; None where the past day tells nothing of it or less than a day is known."""
    known = np.isfinite(percent)
    if known.sum() < _HOURS_WITHOUT_PRIOR or not known[-DAY:].any():
        return None
    return predict_share(percent, ahead=ahead)
