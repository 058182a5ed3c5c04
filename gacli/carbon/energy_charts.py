"""Energy-Charts by Fraunhofer ISE: European countries every quarter of an hour, with forecasts, no account needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from types import MappingProxyType

from gacli.carbon.http import Fetcher
from gacli.carbon.span import in_force, iso, shown, stated_g_per_kwh, utc_span
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.errors import CarbonUnavailable

BASE_URL = "https://api.energy-charts.info"
# Zones that are a whole country, as Energy-Charts sees it.
COUNTRIES: Mapping[str, str] = MappingProxyType(
    {
        zone: zone.lower()
        for zone in ("AT", "BE", "CH", "CZ", "DE", "ES", "FI", "FR", "HU", "NL", "PL", "PT", "SI", "SK")
    }
)

_NAME = "energy-charts"
_STEP_S = 900
# Some countries publish by the hour, none by anything else.
_STEPS_S = (_STEP_S, 3600)
_DAY = timedelta(days=1)
# How long after the end of its period a reading still counts as the one in force.
_LATE = timedelta(hours=6)
_PRESENT = timedelta(hours=1)
# A quarter of an hour, so that six countries asked every five minutes stay below two requests a minute.
_FRESH_S = 900.0
_SETTLED_FRESH_S = 86400.0
# What one answer for the present holds: enough for a day of history of late data, and tomorrow's forecast.
_BACK, _AHEAD = 3 * _DAY, 2 * _DAY


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One row as the API tells it, in gCO2eq/kWh, None where it has no value."""

    at: datetime
    period_s: float
    measured: float | None
    forecast: float | None


def steps_of(body: object) -> list[Step]:
    """The rows in one answer of `/co2eq`, ascending.

    Raises CarbonUnavailable for an answer of another shape or with columns of unequal length, one that is marked as
    deprecated, times that do not ascend in steps of 15 or 60 minutes, and a value outside the physical range.
    """
    match body:
        case {"deprecated": True}:
            raise CarbonUnavailable(
                f"{_NAME}: expected current data, found an answer marked as deprecated",
                hint="use another source until `ga` knows what has taken its place",
            )
        case {"unix_seconds": list(times), "co2eq": list(measured), "co2eq_forecast": list(forecasts)}:
            pass
        case _:
            raise CarbonUnavailable(
                f"{_NAME}: expected lists `unix_seconds`, `co2eq` and `co2eq_forecast`, found {shown(body)}"
            )
    if not len(times) == len(measured) == len(forecasts):
        raise CarbonUnavailable(
            f"{_NAME}: expected columns of one length, found {len(times)} of `unix_seconds`, {len(measured)} of "
            f"`co2eq`, {len(forecasts)} of `co2eq_forecast`"
        )
    instants = [_instant(seconds) for seconds in times]
    step_s = _step_s(instants)
    return [
        Step(
            at=at,
            period_s=step_s,
            measured=stated_g_per_kwh(_NAME, value, at),
            forecast=stated_g_per_kwh(_NAME, expected, at),
        )
        for at, value, expected in zip(instants, measured, forecasts, strict=True)
    ]


def _instant(seconds: object) -> datetime:
    if isinstance(seconds, int) and not isinstance(seconds, bool):
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (OverflowError, OSError, ValueError):
            pass
    raise CarbonUnavailable(f"{_NAME}: expected seconds since 1970 in `unix_seconds`, found {shown(seconds)}")


def _step_s(instants: list[datetime]) -> float:
    """The smallest distance, of which the others are multiples; one row alone stands for the usual step."""
    distances = {(following - at).total_seconds() for at, following in pairwise(instants)}
    step_s = min(distances, default=float(_STEP_S))
    if step_s not in _STEPS_S or any(distance % step_s for distance in distances):
        found = ", ".join(f"{distance:.0f}" for distance in sorted(distances)[:5])
        raise CarbonUnavailable(f"{_NAME}: expected ascending steps of {_STEP_S} or 3600 s, found steps of {found} s")
    return step_s


class EnergyChartsSource:
    """Average intensity of European countries. Implements CarbonSource and ForecastSource.

    countries: zone → Energy-Charts' country, beside and before COUNTRIES. epoch_s: real seconds since 1970. The service
    allows two requests a minute: one answer serves readings and forecast of a country for a quarter of an hour, and
    countries beyond the limit have no new readings until the pause that the service asks for is over.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        countries: Mapping[str, str] = COUNTRIES,
        base_url: str = BASE_URL,
        epoch_s: Callable[[], float],
    ) -> None:
        self._fetcher = fetcher
        self._countries = {**COUNTRIES, **countries}
        self._base_url = base_url.rstrip("/")
        self._epoch_s = epoch_s

    @property
    def name(self) -> str:
        """`energy-charts`, as in the readings' `source`."""
        return _NAME

    @property
    def live(self) -> bool:
        return True

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Readings in force anywhere in [start, end], ascending, as far as they are published.

        Raises CarbonUnavailable for a zone without a country, answers that cannot be trusted, and when there are no
        readings.
        """
        start, end = utc_span(start, end)
        country = self._country(zone)
        today = self._now().date()
        steps: list[Step] = []
        begin = (start - _LATE).date()
        # A day more on both sides: whole dates are days of local time.
        first_present = today - _BACK + _DAY
        if begin < first_present:
            until = min(end.date(), first_present)
            steps += self._ask(country, begin - _DAY, until + _DAY, fresh_s=_SETTLED_FRESH_S)
        if end.date() >= first_present:
            steps += self._present(country, today)
        by_instant = {
            step.at: _reading(zone, step, step.measured, Quality.MEASURED)
            for step in steps
            if step.measured is not None
        }
        found = in_force(by_instant, start, end, _LATE)
        if not found:
            raise CarbonUnavailable(f"{_NAME}: no reading of {zone} in {iso(start)} to {iso(end)}")
        return found

    def forecast(self, zone: str, now: datetime, horizon_s: float) -> list[Reading]:
        """Energy-Charts' forecast of [now, now + horizon_s], as far as it reaches: to the end of today or tomorrow.

        Raises CarbonUnavailable as `readings` does, and for a `now` that is not the present: older forecasts are not
        kept.
        """
        country = self._country(zone)
        if abs(now - self._now()) > _PRESENT:
            raise CarbonUnavailable(f"{_NAME}: forecasts begin at the present {iso(self._now())}, not at {iso(now)}")
        end = now + timedelta(seconds=horizon_s)
        found = [
            _reading(zone, step, step.forecast, Quality.FORECAST)
            for step in self._present(country, self._now().date())
            if step.forecast is not None and (now - step.at).total_seconds() < step.period_s and step.at <= end
        ]
        if not found:
            raise CarbonUnavailable(f"{_NAME}: no forecast of {zone} from {iso(now)} on")
        return found

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._epoch_s(), UTC)

    def _country(self, zone: str) -> str:
        if zone not in self._countries:
            raise CarbonUnavailable(
                f"{_NAME}: no country is known for zone {zone}; zones with one: {', '.join(sorted(self._countries))}",
                hint=f"name the country of {zone}, or use another source for it",
            )
        return self._countries[zone]

    def _present(self, country: str, today: date) -> list[Step]:
        return self._ask(country, today - _BACK, today + _AHEAD, fresh_s=_FRESH_S)

    def _ask(self, country: str, first: date, last: date, *, fresh_s: float) -> list[Step]:
        params = {"country": country, "start": first.isoformat(), "end": last.isoformat()}
        response = self._fetcher.get(_NAME, f"{self._base_url}/co2eq", params=params, fresh_s=fresh_s)
        if response.status != 200:
            raise CarbonUnavailable(
                f"{_NAME}: {response.path}: expected values of country {country}, found HTTP {response.status}: "
                f"{shown(response.body)}"
            )
        return steps_of(response.json(_NAME))


def _reading(zone: str, step: Step, intensity: float, quality: Quality) -> Reading:
    return Reading(
        zone=zone,
        at=step.at,
        period_s=step.period_s,
        intensity_g_per_kwh=intensity,
        signal=Signal.AVERAGE,
        # The API says CO2 equivalents and not which factors are behind them.
        scope=Scope.UNKNOWN,
        quality=quality,
        source=_NAME,
    )
