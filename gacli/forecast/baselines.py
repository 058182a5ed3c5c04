"""What the model is measured against: the forecasts that anybody can make. Each takes the past hours without NaN."""

from __future__ import annotations

import numpy as np

from gacli.forecast.arrays import DAY, Floats, by_day

# The best of 160 combinations on the 48 zones in 2023: days of the profile, hours after which an hour's error weighs a
# third of the newest one's, and hours after which a third of the level's error is left.
PROFILE_DAYS = 14
_WEIGHT_HOURS = 3.0
_DECAY_HOURS = 48.0


def persistence(hours: Floats, leads: int) -> Floats:
    """It stays as it is now."""
    return np.full(leads, hours[-1])


def seasonal_naive(hours: Floats, leads: int) -> Floats:
    """Every day to come is like the past day."""
    return np.resize(hours[-DAY:], leads)


def profile_decay(hours: Floats, leads: int) -> Floats:
    """The mean of the past days by hour of the day, and what the level is off it now, which decays; in logarithms.

    hours: PROFILE_DAYS at least.
    """
    days = by_day(np.log1p(hours))[-PROFILE_DAYS:]
    profile = days.mean(axis=0)
    weight = np.exp(np.arange(1 - DAY, 1) / _WEIGHT_HOURS)
    off = float(((days[-1] - profile) * weight).sum() / weight.sum())
    decay = np.exp(-np.arange(1, leads + 1) / _DECAY_HOURS)
    forecast: Floats = np.expm1(np.resize(profile, leads) + off * decay)
    return forecast
