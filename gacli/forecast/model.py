"""The point forecast: a profile of the last days, corrected by a regression on what has been different since.

The regression's coefficients are the pooled ones of many zones, moved towards the zone's own as far as its own past
supports it: a ridge regression whose penalty pulls to the pooled coefficients instead of to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gacli.forecast.arrays import DAY, Floats, by_day
from gacli.forecast.pooled import COEFFICIENTS
from gacli.forecast.regressors import NAMES, outcomes, profile, regressors

# Days of a zone's own past that it is fitted on: a year has all seasons.
FITTED_DAYS = 365
# How many hours a forecast reaches at most, from the hour after the last known one.
MAX_LEADS = len(COEFFICIENTS)
# In units of days of the zone's own past; chosen on 2023, flat around its best.
_PENALTY = 20.0
# Keeps a constant series from being divided by zero; far below the changes of any real grid.
_LEAST_SCALE = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Projection:
    """A forecast in the units of the series that it was made from.

    centre: `[lead]`. errors: `[origin, lead]`, what the same model would have missed on past days (outcome less
    forecast), each computed without that day's outcome, oldest first; NaN where the outcome is not known, so in the
    whole last row, which is the origin of `centre`.
    """

    centre: Floats
    errors: Floats


def project(hours: Floats, filled: Floats, *, ahead: int) -> Projection:
    """Forecast the `ahead` days (1 to 5) that follow a series.

    hours: the past, NaN where not known. filled: the same without NaN, at least WINDOW days.
    """
    days = by_day(filled)
    # Leads first: each has a regression of its own.
    x = regressors(days, ahead).transpose(1, 0, 2)
    pooled = COEFFICIENTS[: ahead * DAY, :, None]
    forecast = np.tile(profile(days), ahead) + (x @ pooled)[:, :, 0].T
    errors = outcomes(by_day(hours), ahead) - forecast
    known = np.isfinite(errors)
    if not known.any():
        return Projection(centre=forecast[-1], errors=errors)

    # In units of the zone's own errors, so that one penalty fits all zones.
    scale = max(float(np.sqrt(np.mean(errors[known] ** 2))), _LEAST_SCALE)
    a = np.where(known.T[:, :, None], x / scale, 0.0)
    b = np.where(known, errors / scale, 0.0).T[:, :, None]
    a_t = a.transpose(0, 2, 1)
    inverse = np.linalg.inv(a_t @ a + _PENALTY * np.eye(len(NAMES)))
    moved = inverse @ (a_t @ b)
    correction = (x @ moved)[:, :, 0].T
    # The closed form of leaving a day out: its pull on the fit is its leverage.
    leverage = np.einsum("lor,lor->ol", a @ inverse, a)
    return Projection(centre=forecast[-1] + correction[-1], errors=(errors - correction) / (1.0 - leverage))
