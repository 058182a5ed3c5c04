"""Readings as a regular series of hours, oldest first, with NaN where nothing is known."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from gacli.core.carbon import Quality, Reading
from gacli.forecast.arrays import Floats

HOUR = timedelta(hours=1)
# Less of an hour than this does not tell what the hour is like.
_ENOUGH_OF_AN_HOUR = 0.5
# What was seen; the other qualities are expectations themselves.
_SEEN = frozenset({Quality.MEASURED, Quality.ESTIMATED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Hours:
    """One zone's past by the hour. The first and the last hour are known; any between may not be.

    start: the first hour, aware UTC. intensity_g_per_kwh and renewable_percent: one element an hour, equally long,
    NaN where not known. latest: the newest reading that went in.
    """

    start: datetime
    intensity_g_per_kwh: Floats
    renewable_percent: Floats
    latest: Reading

    @property
    def end(self) -> datetime:
        """Where the last hour ends: the first hour that can be forecast."""
        return self.start + len(self.intensity_g_per_kwh) * HOUR


def hourly(readings: Sequence[Reading], *, now: datetime, reach: timedelta) -> Hours | None:
    """What `readings` (ascending by `at`) say of the hours from `now - reach`; None where they say nothing.

    Only readings that began before `now` count, and only measured and estimated ones. An hour is the mean of its
    readings, each by its part of the hour, once they cover half of it; a longer reading holds for each of its hours.
    """
    began_before = bisect_left(readings, now, key=_at)
    seen = [r for r in readings[bisect_left(readings, now - reach, key=_at) : began_before] if r.quality in _SEEN]
    if not seen:
        return None
    start = seen[0].at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    zero_s = start.timestamp()
    began = (np.array([reading.at.timestamp() for reading in seen]) - zero_s) / 3600
    lasted = np.array([reading.period_s for reading in seen]) / 3600
    ended = np.minimum(began + lasted, math.ceil((now.timestamp() - zero_s) / 3600))
    pieces = _pieces(began, ended)
    intensity = _means(pieces, np.array([reading.intensity_g_per_kwh for reading in seen]))
    known = np.flatnonzero(np.isfinite(intensity))
    if not known.size:
        return None
    shares = [math.nan if reading.renewable_percent is None else reading.renewable_percent for reading in seen]
    span = slice(known[0], known[-1] + 1)
    return Hours(
        start=start + int(known[0]) * HOUR,
        intensity_g_per_kwh=intensity[span],
        renewable_percent=_means(pieces, np.array(shares))[span],
        latest=seen[-1],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pieces:
    """Readings cut at the full hours: of which reading, in which hour, how much of that hour."""

    reading: NDArray[np.intp]
    hour: NDArray[np.intp]
    part: Floats
    hours: int


def _pieces(began: Floats, ended: Floats) -> _Pieces:
    first = np.floor(began).astype(np.intp)
    count = np.ceil(ended).astype(np.intp) - first
    reading = np.repeat(np.arange(len(began)), count)
    hour = np.arange(len(reading)) - np.repeat(np.cumsum(count) - count - first, count)
    part = np.minimum(ended[reading], hour + 1) - np.maximum(began[reading], hour)
    return _Pieces(reading=reading, hour=hour, part=part, hours=int(hour.max()) + 1)


def _means(pieces: _Pieces, values: Floats) -> Floats:
    """The mean of each hour; NaN where values that are not NaN cover too little of it."""
    value = values[pieces.reading]
    part = np.where(np.isfinite(value), pieces.part, 0.0)
    covered = np.bincount(pieces.hour, weights=part, minlength=pieces.hours)
    total = np.bincount(pieces.hour, weights=part * np.nan_to_num(value), minlength=pieces.hours)
    enough = covered >= _ENOUGH_OF_AN_HOUR
    return np.where(enough, total / np.where(enough, covered, 1.0), np.nan)


def _at(reading: Reading) -> datetime:
    return reading.at
