"""WattTime, API v3: marginal carbon intensity every five minutes, and its forecast for three days."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from gacli.carbon.http import Fetcher, Response
from gacli.carbon.span import in_force, iso, pieces, shown, utc_span
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Quality, Reading, Scope, Signal
from gacli.errors import CarbonUnavailable

BASE_URL = "https://api.watttime.org"
# A pound is 0.45359237 kg by definition; per MWh that is as many g/kWh.
G_PER_KWH_PER_LB_PER_MWH = 0.45359237

_NAME = "watttime"
_MAX_LB_PER_MWH = MAX_INTENSITY_G_PER_KWH / G_PER_KWH_PER_LB_PER_MWH
_SIGNAL = "co2_moer"
_UNITS = "lbs_co2_per_mwh"
_STEP_S = 300
_LONGEST_STEP_S = 86400
_PIECE = timedelta(days=30)
# How long after the end of its period a reading still counts as the one in force.
_LATE = timedelta(hours=2)
_FORECAST_HOURS = 72
_PRESENT = timedelta(hours=1)
# A token lives 30 minutes; what is left covers a slow call and a clock that runs a little differently.
_TOKEN_S = 25 * 60.0
_FRESH_S = 150.0
_SETTLED = timedelta(days=2)
_SETTLED_FRESH_S = 86400.0


def readings_of(body: object, *, zone: str, region: str, forecast: bool) -> list[Reading]:
    """The readings in one answer of `/v3/historical` or `/v3/forecast`, ascending, each instant once.

    Points without a value are left out. Raises CarbonUnavailable for an answer of another shape, region, signal or
    unit (a percentile says nothing of g/kWh), and for a value outside the physical range.
    """
    match body:
        case {
            "data": list(points),
            "meta": {
                "region": str(found_region),
                "signal_type": str(signal),
                "units": str(units),
                "data_point_period_seconds": int(period_s),
            },
        } if 0 < period_s <= _LONGEST_STEP_S:
            pass
        case _:
            raise CarbonUnavailable(
                f"{_NAME}: expected `data` and `meta` with region, signal_type, units and data_point_period_seconds, "
                f"found {shown(body)}"
            )
    for what, expected, found in (
        ("region", region, found_region),
        ("signal", _SIGNAL, signal),
        ("units", _UNITS, units),
    ):
        if found != expected:
            raise CarbonUnavailable(f"{_NAME}: expected {what} {expected} for {zone}, found {shown(found)}")
    by_instant: dict[datetime, Reading] = {}
    for point in points:
        at, value, imputed = _point(point)
        if value is None:
            continue
        if not 0 <= value <= _MAX_LB_PER_MWH:
            raise CarbonUnavailable(
                f"{_NAME}: absurd value for {zone} at {iso(at)}: expected 0 to {_MAX_LB_PER_MWH:.0f} lbs/MWh, "
                f"found {shown(value)}"
            )
        measured = Quality.ESTIMATED if imputed else Quality.MEASURED
        by_instant[at] = Reading(
            zone=zone,
            at=at,
            period_s=float(period_s),
            intensity_g_per_kwh=value * G_PER_KWH_PER_LB_PER_MWH,
            signal=Signal.MARGINAL,
            # co2_moer counts what power stations emit when they burn fuel; nothing upstream is in it.
            scope=Scope.DIRECT,
            quality=Quality.FORECAST if forecast else measured,
            source=_NAME,
        )
    return [by_instant[at] for at in sorted(by_instant)]


def _point(point: object) -> tuple[datetime, float | None, bool]:
    match point:
        case {"point_time": str(text), **rest}:
            value = rest.get("value")
            at = _instant(text)
            if at is not None and (value is None or (isinstance(value, int | float) and not isinstance(value, bool))):
                return at, value, rest.get("imputed_data_used") is True
        case _:
            pass
    raise CarbonUnavailable(
        f"{_NAME}: expected `point_time` with its UTC offset and a number or null as `value`, found {shown(point)}"
    )


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class WattTimeSource:
    """Marginal intensity of the account's regions. Implements CarbonSource and ForecastSource.

    regions: zone → WattTime region, such as US-CAL-CISO → CAISO_NORTH. epoch_s: real seconds since 1970. The user's
    name and password are sent to `/login` alone; the token that it gives stays in this object.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        user: str,
        password: str,
        regions: Mapping[str, str],
        base_url: str = BASE_URL,
        epoch_s: Callable[[], float],
    ) -> None:
        self._fetcher = fetcher
        self._basic = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        self._regions = dict(regions)
        self._base_url = base_url.rstrip("/")
        self._epoch_s = epoch_s
        self._token: tuple[str, float] | None = None  # with the time at which it was asked for

    @property
    def name(self) -> str:
        """`watttime`, as in the readings' `source`."""
        return _NAME

    @property
    def live(self) -> bool:
        return True

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Readings in force anywhere in [start, end], ascending, as far as they are published.

        Raises CarbonUnavailable for a zone without a region, a refused log-in, a region that the account or WattTime
        does not cover, answers that cannot be trusted, and when there are no readings.
        """
        start, end = utc_span(start, end)
        region = self._region(zone)
        now = self._now()
        # Whole hours and steps, so that all who ask at about the same time ask for the same.
        begin = (start - _LATE).replace(minute=0, second=0, microsecond=0)
        until = datetime.fromtimestamp(min(end, now).timestamp() // _STEP_S * _STEP_S, UTC)
        by_instant: dict[datetime, Reading] = {}
        for piece_start, piece_end in pieces(begin, until, _PIECE):
            body = self._ask(
                "/v3/historical",
                region,
                {
                    "start": iso(piece_start),
                    "end": iso(piece_end),
                    "include_imputed_marker": "true",
                },
                fresh_s=_SETTLED_FRESH_S if piece_end < now - _SETTLED else _FRESH_S,
            )
            for reading in readings_of(body, zone=zone, region=region, forecast=False):
                by_instant[reading.at] = reading
        found = in_force(by_instant, start, end, _LATE)
        if not found:
            raise CarbonUnavailable(f"{_NAME}: no reading of {region} ({zone}) in {iso(start)} to {iso(end)}")
        return found

    def forecast(self, zone: str, now: datetime, horizon_s: float) -> list[Reading]:
        """WattTime's newest forecast of [now, now + horizon_s], up to 72 h.

        Raises CarbonUnavailable as `readings` does, and for a `now` that is not the present: older forecasts are not
        asked for.
        """
        region = self._region(zone)
        if abs(now - self._now()) > _PRESENT:
            raise CarbonUnavailable(f"{_NAME}: forecasts begin at the present {iso(self._now())}, not at {iso(now)}")
        # The longest one for every horizon, so that all share one answer.
        body = self._ask("/v3/forecast", region, {"horizon_hours": str(_FORECAST_HOURS)}, fresh_s=_FRESH_S)
        end = now + timedelta(seconds=horizon_s)
        points = readings_of(body, zone=zone, region=region, forecast=True)
        found = [each for each in points if each.age_s(now) < each.period_s and each.at <= end]
        if not found:
            raise CarbonUnavailable(f"{_NAME}: no forecast of {region} ({zone}) from {iso(now)} on")
        return found

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._epoch_s(), UTC)

    def _region(self, zone: str) -> str:
        if zone not in self._regions:
            zones = ", ".join(sorted(self._regions)) or "none"
            raise CarbonUnavailable(
                f"{_NAME}: no WattTime region is known for zone {zone}; zones with one: {zones}",
                hint=f"name the WattTime region of {zone}, or use another source for it",
            )
        return self._regions[zone]

    def _ask(self, path: str, region: str, params: Mapping[str, str], *, fresh_s: float) -> object:
        response = self._authorized(path, {**params, "region": region, "signal_type": _SIGNAL}, fresh_s, renew=False)
        if response.status == 401:
            # Tokens end before their time when the service restarts or clocks differ; a second refusal is final.
            response = self._authorized(path, {**params, "region": region, "signal_type": _SIGNAL}, fresh_s, renew=True)
        if response.status != 200:
            raise _refused(response, region)
        return response.json(_NAME)

    def _authorized(self, path: str, params: Mapping[str, str], fresh_s: float, *, renew: bool) -> Response:
        asked_s = self._epoch_s()
        token, since_s = self._token or ("", 0.0)
        # A token from the future means that the clock was set back: nothing is known of its age.
        if renew or not token or not 0 <= asked_s - since_s < _TOKEN_S:
            token = self._log_in()
            self._token = (token, asked_s)
        headers = {"Authorization": f"Bearer {token}"}
        return self._fetcher.get(_NAME, self._base_url + path, params=params, headers=headers, fresh_s=fresh_s)

    def _log_in(self) -> str:
        response = self._fetcher.get(
            _NAME, f"{self._base_url}/login", headers={"Authorization": self._basic}, fresh_s=None
        )
        if response.status in (401, 403):
            raise CarbonUnavailable(
                f"{_NAME}: {response.path}: the user's name or password is refused (HTTP {response.status})",
                hint="check the name and password of the WattTime account",
            )
        try:
            body = json.loads(response.body)
        except ValueError:
            body = None
        match body:
            case {"token": str(token)} if token and response.status == 200:
                return token
        # Nothing of the body is shown: it may hold a token.
        raise CarbonUnavailable(f"{_NAME}: {response.path}: expected a token, found none (HTTP {response.status})")


def _refused(response: Response, region: str) -> CarbonUnavailable:
    where = f"{_NAME}: {response.path}"
    match response.status:
        case 401:
            return CarbonUnavailable(f"{where}: a token that was issued just now is refused (HTTP 401)")
        case 403:
            return CarbonUnavailable(
                f"{where}: the account's plan does not cover region {region} (HTTP 403)",
                hint="a free account covers CAISO_NORTH alone: use another source, or another plan",
            )
        case 404:
            return CarbonUnavailable(
                f"{where}: WattTime does not cover region {region} (HTTP 404)",
                hint="check the name of the region, or use another source",
            )
        case status:
            return CarbonUnavailable(f"{where}: expected readings of region {region}, found HTTP {status}")
