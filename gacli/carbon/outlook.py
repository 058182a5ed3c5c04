"""What is expected of a zone: the forecast of its source where it makes one, else that of the built-in model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gacli.carbon.averages import averages
from gacli.carbon.chain import Chain
from gacli.carbon.typical import typical_years
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Quality, Reading
from gacli.core.failover import without_spikes
from gacli.core.forecast import Forecast, ForecastPoint
from gacli.errors import CarbonUnavailable
from gacli.forecast import builtin
from gacli.ports.carbon import CarbonSource, ForecastSource

MAX_HORIZON_S = builtin.MAX_HORIZON_S
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
# What is asked for in turn: a file gives all that the model can use; a service is asked for a year by nobody, and
# accounts differ in how much of the past they may see.
_ALL_DAYS = 400
_SERVICE_DAYS = (90, 28, 7, 1)
_TABLES = frozenset({Quality.TYPICAL, Quality.STATIC})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Factors:
    """Bounds as parts of the value expected; 0 <= low90 <= low50 <= 1 <= high50 <= high90."""

    low90: float
    low50: float
    high50: float
    high90: float

    def point(self, at: datetime, intensity: float, renewable_percent: float | None = None) -> ForecastPoint:
        return ForecastPoint(
            at=at,
            intensity_g_per_kwh=intensity,
            low50_g_per_kwh=intensity * self.low50,
            high50_g_per_kwh=min(intensity * self.high50, MAX_INTENSITY_G_PER_KWH),
            low90_g_per_kwh=intensity * self.low90,
            high90_g_per_kwh=min(intensity * self.high90, MAX_INTENSITY_G_PER_KWH),
            renewable_percent=renewable_percent,
        )


# The hours of 2024 divided by the typical days, and by the annual means, of 2023 in the 34 zones of the table. A table
# does not know how its year differs from others: in CA-ON and FR more than a third of the hours leave these bounds.
_TYPICAL = _Factors(low90=0.50, low50=0.80, high50=1.05, high90=1.45)
_STATIC = _Factors(low90=0.44, low50=0.74, high50=1.10, high90=1.45)


def outlook(chain: Chain, zone: str, now: datetime, horizon_s: float) -> Forecast:
    """What is to be expected of [now, now + horizon_s], hour by hour, from the zone's source that is in use.

    horizon_s: above 0, up to MAX_HORIZON_S. A source that makes forecasts is believed as far as it reaches; what lies
    beyond, and how far off it may be, is the built-in model's on that source's own past. Typical days and annual means
    are their own forecast. `Forecast.source` says whose expectation it is, and for which source it only stands in.

    Raises CarbonUnavailable when no source is sound, or what it gives is too little for a forecast.
    """
    if not 0 < horizon_s <= MAX_HORIZON_S:
        raise ValueError(f"expected a horizon of up to {MAX_HORIZON_S:.0f} s, found {horizon_s}")
    now = now.astimezone(UTC)
    heard = chain.ask(zone, now - _DAY, now)
    source, newest = chain.sources(zone)[heard.standing.source], heard.readings[-1]
    if newest.quality in _TABLES:
        found = _of_table(source, zone, now, horizon_s)
    else:
        found = _of_service_or_file(source, zone, now, horizon_s)
    return replace(found, source=f"{found.source} ({newest.stand_in})") if newest.stand_in else found


def _of_table(source: CarbonSource, zone: str, now: datetime, horizon_s: float) -> Forecast:
    readings = source.readings(zone, now, now + timedelta(seconds=horizon_s))
    of_day = readings[0].quality is Quality.TYPICAL
    hours = _whole_hours(readings, now, horizon_s)
    points = tuple((_TYPICAL if of_day else _STATIC).point(at, value) for at, value in hours)
    return _forecast(readings[0], now, readings[0].source, points)


def _of_service_or_file(source: CarbonSource, zone: str, now: datetime, horizon_s: float) -> Forecast:
    past = _past(source, zone, now)
    own: list[Reading] = []
    if isinstance(source, ForecastSource):
        try:
            own = source.forecast(zone, now, horizon_s)
        except CarbonUnavailable:
            # It has none for this zone or account: that is what the model is for.
            own = []
    try:
        model = builtin.forecast(past, now, horizon_s, prior=typical_years().get(zone))
    except CarbonUnavailable:
        if not own:
            raise
        points = tuple(_TYPICAL.point(at, value) for at, value in _whole_hours(own, now, horizon_s))
        return _forecast(own[0], now, f"{own[0].source}, with the intervals of typical days", points)
    return _with_intervals(own, model, now, horizon_s) if own else model


def _past(source: CarbonSource, zone: str, now: datetime) -> list[Reading]:
    """As much of the past as the source gives, at least of the last day."""
    if not source.live:
        return source.readings(zone, now - _ALL_DAYS * _DAY, now)
    for days in _SERVICE_DAYS[:-1]:
        try:
            return without_spikes(source.readings(zone, now - days * _DAY, now))
        except CarbonUnavailable:
            continue
    return without_spikes(source.readings(zone, now - _SERVICE_DAYS[-1] * _DAY, now))


def _with_intervals(own: Sequence[Reading], model: Forecast, now: datetime, horizon_s: float) -> Forecast:
    """A service's own forecast with the model's widths, and the model's for the hours that it does not reach."""
    points = []
    for at, value in _whole_hours(own, now, horizon_s):
        beside = model.point_at(at) or model.points[0]
        points.append(_relative(beside).point(at, value, beside.renewable_percent))
    source = f"{own[0].source}, with the intervals of the {model.source}"
    until = points[-1].at + _HOUR
    rest = [point for point in model.points if point.at >= until]
    if rest:
        source = f"{own[0].source} until {until:%Y-%m-%d %H:%M} UTC, then, and for all intervals, {model.source}"
    return _forecast(own[0], now, source, (*points, *rest))


def _relative(point: ForecastPoint) -> _Factors:
    # Where next to nothing is expected a part of it says nothing.
    middle = max(point.intensity_g_per_kwh, 1.0)
    return _Factors(
        low90=min(point.low90_g_per_kwh / middle, 1.0),
        low50=min(point.low50_g_per_kwh / middle, 1.0),
        high50=max(point.high50_g_per_kwh / middle, 1.0),
        high90=max(point.high90_g_per_kwh / middle, 1.0),
    )


def _whole_hours(readings: Sequence[Reading], now: datetime, horizon_s: float) -> list[tuple[datetime, float]]:
    """The hours from the one that holds `now` on, to the first that nothing is known of; at least one is known."""
    start = max(now, readings[0].at).replace(minute=0, second=0, microsecond=0)
    count = -(-(now + timedelta(seconds=horizon_s) - start) // _HOUR)
    found = []
    for index, value in enumerate(averages(readings, start, _HOUR, max(count, 1))):
        if value is None:
            break
        found.append((start + index * _HOUR, value))
    return found


def _forecast(kind: Reading, now: datetime, source: str, points: tuple[ForecastPoint, ...]) -> Forecast:
    return Forecast(
        zone=kind.zone,
        issued_at=now,
        step_s=_HOUR.total_seconds(),
        signal=kind.signal,
        scope=kind.scope,
        source=source,
        points=points,
    )
