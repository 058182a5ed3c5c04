"""How far a forecast may be trusted: rolling conformal intervals from the model's own past errors.

Everything here is in the units of the series that was forecast. An interval is asymmetric where the errors were.
"""

from __future__ import annotations

import numpy as np

from gacli.forecast.arrays import Floats
from gacli.forecast.pooled import ERROR_QUANTILES, LEVELS

# Half a year of daily origins: enough for the outer quantiles, recent enough to follow the seasons.
_ORIGINS = 180
# Errors of neighbouring leads are alike but for their size; with theirs a quantile moves smoothly from lead to lead.
_NEIGHBOURS = 2
# What is known of other zones weighs as much as so many origins of the zone's own.
_POOLED_ORIGINS = 10.0
# With d days of history the pooled errors grow by sqrt(1 + this / d): they are of zones with four weeks and more.
_SHORT_HISTORY_DAYS = 1.0
# Keeps errors that are all zero from being divided by it.
_LEAST_SIZE = 1e-9


def bounds(errors: Floats, restless: Floats, known_days: float) -> Floats:
    """`[level, lead]`: what to add to a forecast for low90, low50 (0 at most), high50 and high90 (0 at least).

    errors: `[origin, lead]`, past errors (outcome less forecast), NaN where not known; the last origin is the one that
    is forecast from. restless: the zone's restlessness at the same origins. known_days: how much of the past is known.
    """
    leads = errors.shape[1]
    short = np.sqrt(1.0 + _SHORT_HISTORY_DAYS / known_days)
    pooled = ERROR_QUANTILES[:leads].T * restless[-1] * short
    # By the square root: errors grow with restlessness, but less than it does.
    relative = np.sqrt(restless[-_ORIGINS:] / restless[-1])
    own, origins = _quantiles(errors[-_ORIGINS:] / relative[:, None])
    mixed: Floats = (origins * own + _POOLED_ORIGINS * pooled) / (origins + _POOLED_ORIGINS)
    mixed[:2] = np.minimum(mixed[:2], 0.0)
    mixed[2:] = np.maximum(mixed[2:], 0.0)
    return mixed


def _quantiles(errors: Floats) -> tuple[Floats, Floats]:
    """LEVELS of the errors at each lead and its neighbours, `[level, lead]`, and from how many origins; 0 from none."""
    leads = errors.shape[1]
    known = np.isfinite(errors)
    origins = known.sum(axis=0).astype(np.float64)
    squares = np.where(known, errors, 0.0) ** 2
    size = np.maximum(np.sqrt(squares.sum(axis=0) / np.maximum(origins, 1)), _LEAST_SIZE)
    padded = np.pad(errors / size, ((0, 0), (_NEIGHBOURS, _NEIGHBOURS)), constant_values=np.nan)
    # NaN goes to the end.
    ordered = np.sort(np.concatenate([padded[:, n : n + leads] for n in range(2 * _NEIGHBOURS + 1)]), axis=0)
    count = np.isfinite(ordered).sum(axis=0)
    # Conformal: the rank among n + 1, since the error to come is one of them.
    rank = (np.array(LEVELS)[:, None] * (origins + 1) - 1) / np.maximum(origins - 1, 1)
    position = np.clip(rank, 0.0, 1.0) * np.maximum(count - 1, 0)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = np.take_along_axis(ordered, below, axis=0), np.take_along_axis(ordered, above, axis=0)
    return np.where(origins > 0, size * (low + (high - low) * (position - below)), 0.0), origins
