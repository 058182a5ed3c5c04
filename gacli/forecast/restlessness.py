"""How restless a zone is at a time: the yardstick for errors where a zone has few of its own."""

from __future__ import annotations

import numpy as np

from gacli.forecast.arrays import Floats

_DAYS = 14
# What is assumed counts as so much of a day more, so that it soon does not matter.
_ASSUMED_DAYS = 0.2


def restlessness(days: Floats, *, assumed: float) -> Floats:
    """How much each hour differed from the same hour a day before, root mean square over the 14 days up to each day.

    days: `[day, slot]`, NaN where not known. assumed: what to take it for as long as nothing is known.
    """
    change = np.diff(days, axis=0, prepend=np.nan)
    known = np.isfinite(change)
    total = _recent_sums(np.where(known, change, 0.0) ** 2)
    count = _recent_sums(known.astype(np.float64))
    hours = _ASSUMED_DAYS * days.shape[1]
    restless: Floats = np.sqrt((total + hours * assumed**2) / (count + hours))
    return restless


def _recent_sums(of_days: Floats) -> Floats:
    """Sums over the newest days up to each day, fewer at the beginning."""
    sums = np.concatenate([[0.0], np.cumsum(of_days.sum(axis=1))])
    oldest = np.maximum(np.arange(1, len(sums)) - _DAYS, 0)
    recent: Floats = sums[1:] - sums[oldest]
    # Sums of squares taken from each other may miss zero by a rounding.
    return np.maximum(recent, 0.0)
