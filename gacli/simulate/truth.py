"""What simulated policies are told of the time to come: the truth itself, or a forecast from the past alone."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from gacli.core.carbon import Reading, reading_at
from gacli.core.forecast import Forecast, ForecastPoint
from gacli.errors import CarbonUnavailable
from gacli.simulate.packed import Packed

_at = attrgetter("at")
_HOUR = timedelta(hours=1)
_TWO_WEEKS_S = 14 * 24 * 3600.0
_FOUR_DAYS_S = 96 * 3600.0
# What the built-in forecast uses at most: a year and four weeks.
_PAST = timedelta(days=400)
_NO_TIME = timedelta(0)
# Forecasts that are kept: as objects, some 25 kB each, and as numbers, 4 kB each.
_MOST_UNPACKED = 2048
_MOST_ISSUED = 30_000

TypicalYear = Sequence[Sequence[float]]
"""Twelve months of 24 hours UTC, in gCO2eq/kWh."""


class PerfectOracle:
    """The readings themselves, as points without any width.

    readings_by_zone: ascending by `at`. horizon_s: how far it tells of, > 0; less where the readings end. The points
    are as far apart as the shortest of the zone's periods; each says what is in force at its beginning.
    """

    def __init__(self, readings_by_zone: Mapping[str, Sequence[Reading]], *, horizon_s: float = _TWO_WEEKS_S) -> None:
        self._readings_by_zone = readings_by_zone
        self._horizon_s = horizon_s
        self._truths: dict[str, _Truth] = {}
        self._newest: dict[str, tuple[tuple[int, int], Forecast]] = {}

    def forecast(self, zone: str, now: datetime) -> Forecast | None:
        """From the point in force at `now` on; None before the first reading and after the last."""
        readings = self._readings_by_zone.get(zone)
        if not readings:
            return None
        truth = self._truths.get(zone)
        if truth is None:
            truth = self._truths[zone] = _truth(readings)
        points, step_s = truth.points, truth.step_s
        passed_s = (now - points[0].at).total_seconds()
        first = int(passed_s // step_s)
        end = min(int((passed_s + self._horizon_s) // step_s) + 1, len(points))
        if first < 0 or first >= len(points):
            return None
        kept = self._newest.get(zone)
        if kept is None or kept[0] != (first, end):
            like = readings[0]
            told = Forecast(
                zone=zone,
                issued_at=points[first].at,
                step_s=step_s,
                signal=like.signal,
                scope=like.scope,
                source=f"perfect foresight on {like.source}",
                points=points[first:end],
            )
            kept = self._newest[zone] = ((first, end), told)
        return kept[1]


class ForecastOracle:
    """The built-in forecast, issued every full hour (UTC) from what had come into force by then.

    readings_by_zone: ascending by `at`. horizon_s: up to 96 h. typical: by zone, its typical days, which stand in
    where the readings do not reach back far enough. Each forecast is made once, whoever asks for it (until tens of
    thousands were made since): one oracle is to serve all simulations on the same readings. Renewable shares are left
    out.
    """

    def __init__(
        self,
        readings_by_zone: Mapping[str, Sequence[Reading]],
        *,
        horizon_s: float = _FOUR_DAYS_S,
        typical: Mapping[str, TypicalYear] | None = None,
    ) -> None:
        self._readings_by_zone = readings_by_zone
        self._horizon_s = horizon_s
        self._typical = typical or {}
        self._pasts: dict[str, _Past] = {}
        self._issued: dict[tuple[str, datetime], Packed | None] = {}
        self._unpacked: dict[tuple[str, datetime], Forecast] = {}

    def forecast(self, zone: str, now: datetime) -> Forecast | None:
        """The newest one issued at or before `now`; None where too little was known."""
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        key = (zone, hour)
        told = self._unpacked.get(key)
        if told is not None:
            return told
        if key not in self._issued:
            if len(self._issued) >= _MOST_ISSUED:
                del self._issued[next(iter(self._issued))]
            self._issued[key] = self._issue(zone, hour)
        packed = self._issued[key]
        if packed is None:
            return None
        if len(self._unpacked) >= _MOST_UNPACKED:
            self._unpacked.clear()
        told = self._unpacked[key] = packed.unpack()
        return told

    def _issue(self, zone: str, hour: datetime) -> Packed | None:
        # Loaded here alone, for it needs NumPy: simulations of policies that ask for no forecast do without.
        from gacli.forecast.builtin import forecast

        if zone not in self._pasts:
            self._pasts[zone] = _past(self._readings_by_zone.get(zone, ()))
        past = self._pasts[zone]
        limits = (hour - past.known_after - _PAST, hour - past.known_after)
        first, end = (bisect_right(past.readings, instant, key=_at) for instant in limits)
        # The model's past is what began before its `now`; what begins with the hour is known to everybody in that hour.
        just_after = hour + timedelta(microseconds=1)
        try:
            issued = forecast(past.readings[first:end], just_after, self._horizon_s, prior=self._typical.get(zone))
        except CarbonUnavailable:
            return None
        return Packed.of(replace(issued, issued_at=hour))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Past:
    """Readings as the forecast takes them, and how long after its start each is known."""

    readings: Sequence[Reading]
    known_after: timedelta


def _past(readings: Sequence[Reading]) -> _Past:
    """Readings shorter than an hour as hourly means: made once instead of with every forecast, with the same result."""
    if all(reading.period_s >= _HOUR.total_seconds() for reading in readings):
        return _Past(readings=[replace(reading, renewable_percent=None) for reading in readings], known_after=_NO_TIME)
    from gacli.forecast.series import hourly

    end = readings[-1].at + timedelta(seconds=readings[-1].period_s)
    hours = hourly(readings, now=end, reach=end - readings[0].at)
    if hours is None:
        return _Past(readings=[], known_after=_HOUR)
    like = replace(hours.latest, period_s=_HOUR.total_seconds(), renewable_percent=None)
    means = enumerate(hours.intensity_g_per_kwh.tolist())
    return _Past(
        readings=[
            replace(like, at=hours.start + index * _HOUR, intensity_g_per_kwh=mean)
            for index, mean in means
            if math.isfinite(mean)
        ],
        known_after=_HOUR,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Truth:
    """All that is to come of a zone, in points `step_s` apart."""

    step_s: float
    points: tuple[ForecastPoint, ...]


def _truth(readings: Sequence[Reading]) -> _Truth:
    step_s = min(reading.period_s for reading in readings)
    count = int(((readings[-1].at - readings[0].at).total_seconds() + readings[-1].period_s) // step_s)
    starts = (readings[0].at + timedelta(seconds=index * step_s) for index in range(count))
    points = tuple(_point(at, reading) for at in starts if (reading := reading_at(readings, at)) is not None)
    return _Truth(step_s=step_s, points=points)


def _point(at: datetime, reading: Reading) -> ForecastPoint:
    value = reading.intensity_g_per_kwh
    return ForecastPoint(
        at=at,
        intensity_g_per_kwh=value,
        low50_g_per_kwh=value,
        high50_g_per_kwh=value,
        low90_g_per_kwh=value,
        high90_g_per_kwh=value,
        renewable_percent=reading.renewable_percent,
    )
