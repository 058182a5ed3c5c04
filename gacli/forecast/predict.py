"""One zone's carbon intensity to come, from its hours so far: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH
from gacli.forecast.arrays import DAY, Floats, by_day
from gacli.forecast.gaps import completed, mean_day
from gacli.forecast.intervals import bounds
from gacli.forecast.model import FITTED_DAYS, project
from gacli.forecast.pooled import ASSUMED_RESTLESSNESS
from gacli.forecast.regressors import WINDOW
from gacli.forecast.restlessness import restlessness

# Twelve months of 24 hours UTC, in gCO2eq/kWh.
TypicalYear = Sequence[Sequence[float]]

# Hours of the past that make a difference.
REACH_HOURS = (FITTED_DAYS + WINDOW) * DAY


@dataclass(frozen=True, kw_only=True, slots=True)
class Predicted:
    """gCO2eq/kWh by lead, the first being the hour after the last one of the past; low90 <= low50 <= centre <= …"""

    centre: Floats
    low50: Floats
    high50: Floats
    low90: Floats
    high90: Floats


def predict(
    hours: Floats, *, end: datetime, ahead: int, prior: TypicalYear | None = None, level: bool = True
) -> Predicted:
    """Forecast the `ahead` days (1 to 5) after `end` from the hours before it.

    hours: gCO2eq/kWh, NaN where not known; one at least must be known. prior: the zone's typical days, for the shape of
    what is missing. level: whether their level is comparable, too (the same emission factors), or only their shape.
    """
    past = _last(np.log1p(hours))
    if prior is None:
        expected = mean_day(past)
    else:
        expected = np.log1p(_typical_hours(prior, end, len(past)))
        if not level:
            known = np.isfinite(past)
            expected += past[known].mean() - expected[known].mean()
    projection = project(past, completed(past, expected), ahead=ahead)
    restless = restlessness(by_day(past), assumed=ASSUMED_RESTLESSNESS)
    margin = bounds(
        projection.errors,
        restless[-len(projection.errors) :],
        np.isfinite(past).sum() / DAY,
    )
    low90, low50, high50, high90 = (_intensity(projection.centre + of_level) for of_level in margin)
    centre = _intensity(projection.centre)
    return Predicted(centre=centre, low50=low50, high50=high50, low90=low90, high90=high90)


def predict_share(percent: Floats, *, ahead: int) -> Floats:
    """The renewable share by lead, 0 to 100, by the same model without logarithms. percent: NaN where not known."""
    past = _last(percent)
    return np.clip(project(past, completed(past, mean_day(past)), ahead=ahead).centre, 0.0, 100.0)


def _last(hours: Floats) -> Floats:
    """The part of the past that counts, at least WINDOW days of it."""
    missing = max(WINDOW * DAY - len(hours), 0)
    return np.concatenate([np.full(missing, np.nan), hours])[-REACH_HOURS:]


def _intensity(logarithm: Floats) -> Floats:
    return np.clip(np.expm1(logarithm), 0.0, MAX_INTENSITY_G_PER_KWH)


def _typical_hours(prior: TypicalYear, end: datetime, count: int) -> Floats:
    last = np.datetime64(end.astimezone(UTC).replace(tzinfo=None), "h")
    hours = last - np.arange(count, 0, -1)
    month = hours.astype("datetime64[M]").astype(np.intp) % 12
    of_day = (hours - hours.astype("datetime64[D]")).astype(np.intp)
    year: Floats = np.array(prior, dtype=np.float64)
    typical: Floats = year[month, of_day]
    return typical
