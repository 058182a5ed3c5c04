"""Readings of any period as means over equal spans."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gacli.core.carbon import Reading


def averages(readings: Sequence[Reading], start: datetime, step: timedelta, count: int) -> list[float | None]:
    """The mean of each of `count` spans of `step` from `start` on, in gCO2eq/kWh.

    Each reading counts by the part of its own period that lies in the span; None where no reading does.
    """
    weights_s, totals = [0.0] * count, [0.0] * count
    step_s = step.total_seconds()
    for reading in readings:
        begin_s = (reading.at - start).total_seconds()
        end_s = begin_s + reading.period_s
        for index in range(max(int(begin_s // step_s), 0), count):
            part_s = min(end_s, (index + 1) * step_s) - max(begin_s, index * step_s)
            if part_s <= 0:
                break
            weights_s[index] += part_s
            totals[index] += part_s * reading.intensity_g_per_kwh
    return [total / weight if weight else None for total, weight in zip(totals, weights_s, strict=True)]
