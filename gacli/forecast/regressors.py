"""What the model looks at: a linear description of the recent past, the same for every zone and hour of issue.

A series is cut into *slots*: days of 24 hours that end at the hour of issue, so that the newest day is the last 24
hours. The base of a forecast is the *profile*, the mean of the last 7 days by slot; everything else is how other means
of the past differ from it. So a constant added to the series changes nothing, and in logarithms a zone's level does not
matter.
"""

from __future__ import annotations

import numpy as np

from gacli.forecast.arrays import DAY, Floats

# Days that the regressors of one origin look back on.
WINDOW = 28
NAMES = ("last 1 h", "last 2 h", "last 6 h", "last day", "same hour", "28 days", "28-day level", "week ago", "weekday")
_WEEK = 7


def profile(days: Floats) -> Floats:
    """The base of a forecast from the end of each day: `[day, slot]`, from day WINDOW - 1 on."""
    return _trailing_means(days, _WEEK)[WINDOW - _WEEK :]


def regressors(days: Floats, ahead: int) -> Floats:
    """`[origin, lead, regressor]` for the origins at the end of day WINDOW - 1 and of each later one.

    days: `[day, slot]` without NaN, at least WINDOW of them. ahead: days to forecast, 1 to 7; leads are its hours.
    """
    origins = len(days) - WINDOW + 1
    base = profile(days)
    newest = _back(days, 0) - base
    slow = _trailing_means(days, WINDOW) - base
    out = np.empty((origins, ahead * DAY, len(NAMES)))
    out[:, :, 0] = newest[:, -1:]
    out[:, :, 1] = newest[:, -2:-1]
    out[:, :, 2] = newest[:, -6:].mean(axis=1, keepdims=True)
    out[:, :, 3] = newest.mean(axis=1, keepdims=True)
    out[:, :, 4] = np.tile(newest, ahead)
    out[:, :, 5] = np.tile(slow, ahead)
    out[:, :, 6] = slow.mean(axis=1, keepdims=True)
    for day in range(ahead):
        # The day to forecast lies `day + 1` days after the newest one: this many days back are 1 to 4 weeks before it.
        weeks = np.stack([_back(days, _WEEK - 1 - day + _WEEK * week) for week in range(WINDOW // _WEEK)])
        leads = slice(day * DAY, (day + 1) * DAY)
        out[:, leads, 7] = weeks[0] - base
        out[:, leads, 8] = weeks.mean(axis=0) - base
    return out


def outcomes(days: Floats, ahead: int) -> Floats:
    """What came after the same origins: `[origin, lead]`, NaN where it is not known (yet)."""
    origins = len(days) - WINDOW + 1
    out = np.full((origins, ahead * DAY), np.nan)
    for day in range(min(ahead, origins - 1)):
        out[: origins - 1 - day, day * DAY : (day + 1) * DAY] = days[WINDOW + day :]
    return out


def _back(days: Floats, count: int) -> Floats:
    """For each origin the day `count` days before its newest one."""
    return days[WINDOW - 1 - count : len(days) - count]


def _trailing_means(days: Floats, count: int) -> Floats:
    """The mean of the `count` days up to each day, from day `count - 1` on."""
    sums = np.concatenate([np.zeros((1, DAY)), np.cumsum(days, axis=0)])
    means: Floats = (sums[count:] - sums[:-count]) / count
    return means
