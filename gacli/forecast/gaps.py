"""A past without holes, for what cannot be computed with any: missing hours, and days before the first reading."""

from __future__ import annotations

import numpy as np

from gacli.forecast.arrays import DAY, Floats


def completed(hours: Floats, expected: Floats) -> Floats:
    """`hours` with each NaN replaced by `expected` at that hour, moved to where the known hours around it lie.

    Between two known hours their difference to `expected` is interpolated, after the last one it is that one's. Before
    the first it is the mean of all, in part: a day of known hours is believed by half, a week by seven eighths.
    At least one hour must be known.
    """
    known = np.flatnonzero(np.isfinite(hours))
    if len(known) == len(hours):
        return hours
    difference = hours[known] - expected[known]
    before = float(difference.sum()) / (len(known) + DAY)
    filled = expected + np.interp(np.arange(len(hours)), known, difference, left=before)
    filled[known] = hours[known]
    return filled


def mean_day(hours: Floats) -> Floats:
    """The mean of the known hours by hour of the day, as long as `hours`, drawn a little to the mean of all.

    That mean counts as one more day: a single day is no shape to rely on. At least one hour must be known.
    """
    slot = np.arange(len(hours)) % DAY
    known = np.isfinite(hours)
    count = np.bincount(slot[known], minlength=DAY)
    total = np.bincount(slot[known], weights=hours[known], minlength=DAY)
    mean: Floats = (total + hours[known].mean()) / (count + 1)
    return mean[slot]
