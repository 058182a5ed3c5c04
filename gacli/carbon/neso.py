"""Great Britain's Carbon Intensity API by NESO: half-hour periods, national and regional, with forecasts for two days.

Its data are licensed under CC BY 4.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from gacli.carbon.http import Fetcher
from gacli.carbon.span import in_force, iso, pieces, shown, stated_g_per_kwh, utc_span
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.errors import CarbonUnavailable

BASE_URL = "https://api.carbonintensity.org.uk"

_NAME = "neso"
_NATIONAL_ZONE = "GB"
_PERIOD = timedelta(minutes=30)
_PIECE = timedelta(days=14)
_DAY = timedelta(days=1)
# How long after the end of its period a reading still counts as the one in force.
_LATE = timedelta(hours=2)
_PRESENT = timedelta(hours=1)
_FRESH_S = 300.0
_SETTLED = timedelta(days=2)
_SETTLED_FRESH_S = 86400.0
_NO_REGIONS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """One half hour as the API tells it, in gCO2/kWh. actual: never there for regions and for the future."""

    at: datetime
    forecast: float | None
    actual: float | None

    def reading(self, zone: str, now: datetime) -> Reading | None:
        """What is known of the period at `now`: its actual value, or what was expected of it once it has begun."""
        if self.actual is not None:
            return _reading(zone, self.at, self.actual, Quality.MEASURED)
        if self.forecast is not None and self.at <= now:
            return _reading(zone, self.at, self.forecast, Quality.ESTIMATED)
        return None

    def expectation(self, zone: str) -> Reading | None:
        """The forecast of the period."""
        return None if self.forecast is None else _reading(zone, self.at, self.forecast, Quality.FORECAST)


def _reading(zone: str, at: datetime, intensity: float, quality: Quality) -> Reading:
    return Reading(
        zone=zone,
        at=at,
        period_s=_PERIOD.total_seconds(),
        intensity_g_per_kwh=intensity,
        signal=Signal.AVERAGE,
        # By NESO's definition it counts CO2 of generation alone, with imports and losses on the grid.
        scope=Scope.DIRECT,
        quality=quality,
        source=_NAME,
    )


def periods_of(body: object, *, region: int | None) -> list[Period]:
    """The periods in one answer, ascending, each once. region: the regional id that was asked for, None: national.

    Raises CarbonUnavailable for the API's own error, an answer of another shape or region, a period that is no half
    hour, and a value outside the physical range.
    """
    by_instant = {period.at: period for period in map(_period, _rows(body, region))}
    return [by_instant[at] for at in sorted(by_instant)]


def _rows(body: object, region: int | None) -> list[object]:
    match body:
        case {"error": {"code": code, "message": message}}:
            raise CarbonUnavailable(f"{_NAME}: the service refused: {shown(code)}: {shown(message)}")
        case {"data": list(rows)} if region is None:
            return rows
        # One region is an object here and a list of one object there, depending on the path.
        case {"data": {"regionid": found, "data": list(rows)}} if region is not None:
            pass
        case {"data": [{"regionid": found, "data": list(rows)}]} if region is not None:
            pass
        case _:
            shape = "`data` as a list of periods" if region is None else "`data` of one region with its `regionid`"
            raise CarbonUnavailable(f"{_NAME}: expected {shape}, found {shown(body)}")
    if found != region:
        raise CarbonUnavailable(f"{_NAME}: expected region {region}, found {shown(found)}")
    return rows


def _period(row: object) -> Period:
    match row:
        case {"from": str(begin), "to": str(end), "intensity": dict(intensity)}:
            at, until = _instant(begin), _instant(end)
            if at is not None and until is not None and until - at == _PERIOD:
                return Period(
                    at=at,
                    forecast=stated_g_per_kwh(_NAME, intensity.get("forecast"), at),
                    actual=stated_g_per_kwh(_NAME, intensity.get("actual"), at),
                )
        case _:
            pass
    raise CarbonUnavailable(f"{_NAME}: expected `from` and `to` half an hour apart and `intensity`, found {shown(row)}")


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class NesoSource:
    """Average intensity of Great Britain and its regions, no account needed. Implements CarbonSource, ForecastSource.

    regions: zone → regional id (1 to 17, such as 13 for London); the zone `GB` that is not among them is the national
    figure. epoch_s: real seconds since 1970. National periods have actual values; those without one yet, and all
    regional periods, are what was expected of them, and labelled estimated.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        regions: Mapping[str, int] = _NO_REGIONS,
        base_url: str = BASE_URL,
        epoch_s: Callable[[], float],
    ) -> None:
        self._fetcher = fetcher
        self._regions = dict(regions)
        self._base_url = base_url.rstrip("/")
        self._epoch_s = epoch_s

    @property
    def name(self) -> str:
        """`neso`, as in the readings' `source`."""
        return _NAME

    @property
    def live(self) -> bool:
        return True

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Readings in force anywhere in [start, end], ascending, of periods that have begun.

        Raises CarbonUnavailable for another zone, answers that cannot be trusted, and when there are no readings.
        """
        start, end = utc_span(start, end)
        region = self._region(zone)
        now = self._now()
        by_instant: dict[datetime, Reading] = {}
        # Whole days, so that all who ask in one day ask for the same.
        for piece_start, piece_end in pieces(_midnight(start - _LATE), _midnight(min(end, now)) + _DAY, _PIECE):
            settled = piece_end < now - _SETTLED
            span = f"{_path_time(piece_start)}/{_path_time(piece_end)}"
            for period in self._ask(span, region, fresh_s=_SETTLED_FRESH_S if settled else _FRESH_S):
                if (reading := period.reading(zone, now)) is not None:
                    by_instant[reading.at] = reading
        found = in_force(by_instant, start, end, _LATE)
        if not found:
            raise CarbonUnavailable(f"{_NAME}: no reading of {zone} in {iso(start)} to {iso(end)}")
        return found

    def forecast(self, zone: str, now: datetime, horizon_s: float) -> list[Reading]:
        """NESO's forecast of [now, now + horizon_s], up to 48 h.

        Raises CarbonUnavailable as `readings` does, and for a `now` that is not the present: of the past the API keeps
        only what was expected last, which nobody could know then.
        """
        region = self._region(zone)
        if abs(now - self._now()) > _PRESENT:
            raise CarbonUnavailable(f"{_NAME}: forecasts begin at the present {iso(self._now())}, not at {iso(now)}")
        begin = now - (now - _midnight(now)) % _PERIOD
        end = now + timedelta(seconds=horizon_s)
        found = [
            reading
            for period in self._ask(f"{_path_time(begin)}/fw48h", region, fresh_s=_FRESH_S)
            if now - period.at < _PERIOD and period.at <= end and (reading := period.expectation(zone)) is not None
        ]
        if not found:
            raise CarbonUnavailable(f"{_NAME}: no forecast of {zone} from {iso(now)} on")
        return found

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._epoch_s(), UTC)

    def _region(self, zone: str) -> int | None:
        if zone not in self._regions and zone != _NATIONAL_ZONE:
            zones = ", ".join(sorted({_NATIONAL_ZONE, *self._regions}))
            raise CarbonUnavailable(
                f"{_NAME}: covers Great Britain alone, found zone {zone}; zones that it knows: {zones}",
                hint=f"name the regional id of {zone}, or use another source for it",
            )
        return self._regions.get(zone)

    def _ask(self, span: str, region: int | None, *, fresh_s: float) -> list[Period]:
        path = f"/intensity/{span}" if region is None else f"/regional/intensity/{span}/regionid/{region}"
        response = self._fetcher.get(_NAME, self._base_url + path, fresh_s=fresh_s)
        if response.status != 200:
            raise CarbonUnavailable(
                f"{_NAME}: {response.path}: expected periods, found HTTP {response.status}: {shown(response.body)}"
            )
        return periods_of(response.json(_NAME), region=region)


def _midnight(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _path_time(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
