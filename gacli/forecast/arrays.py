"""Series as arrays: hours oldest first, and the days they make up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY = 24


def by_day(hours: Floats) -> Floats:
    """The newest whole days of a series as `[day, slot]`; a day ends where the series ends, not at midnight."""
    days = len(hours) // DAY
    return hours[len(hours) - days * DAY :].reshape(days, DAY)
