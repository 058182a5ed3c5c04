"""The source `electricitymaps`: average carbon intensity from the API of Electricity Maps, version 3 or 4."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from gacli.carbon.http import Fetcher, Response
from gacli.carbon.span import iso, utc_span
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Quality, Reading, Scope, Signal
from gacli.errors import CarbonUnavailable

NAME = "electricitymaps"
BASE_URL = "https://api.electricitymaps.com"

_PERIODS_S = {"5_minutes": 300.0, "15_minutes": 900.0, "hourly": 3600.0, "daily": 86400.0}
_HORIZONS_H = (6, 24, 48, 72)
_HOUR = timedelta(hours=1)
_PIECE = timedelta(days=10)  # the most that past-range gives in one answer
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SETTLED = timedelta(days=7)  # estimates are replaced by measurements for some days
_FRESH_S = {"latest": 300.0, "history": 900.0, "forecast": 1800.0}
_RECENT_PAST_FRESH_S, _PAST_FRESH_S = 3600.0, 7 * 86400.0
_SHARE_FRESH_S = 1800.0
_ACCOUNT = "see the account's plan and zones at https://portal.electricitymaps.com"
_REFUSED = "check the token; one that has just worked is accepted again after a minute without requests"


class _NoData(CarbonUnavailable):
    """The service has no values for the zone and time."""


class _Denied(CarbonUnavailable):
    """The account may not see this zone or path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One value as the service gave it. estimated: or not known to be measured."""

    at: datetime
    period_s: float
    value: float
    estimated: bool


class ElectricityMapsSource:
    """Implements CarbonSource and ForecastSource for one account.

    token: the account's. scope: LIFECYCLE or DIRECT, what the emission factors include. epoch_s: real seconds since
    1970, which decide whether a span is in the last day (`latest`, `history`) or older (`past-range`).

    The renewable share comes with readings of the last day where the account sees it, at the price of one more
    request that is kept for half an hour.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        token: str,
        base_url: str = BASE_URL,
        version: Literal["v3", "v4"],
        scope: Scope,
        epoch_s: Callable[[], float],
    ) -> None:
        if scope is Scope.UNKNOWN:
            raise ValueError(f"expected a scope of {NAME}, lifecycle or direct, found {scope}")
        self._fetcher = fetcher
        self._token = token
        self._base_url = f"{base_url.rstrip('/')}/{version}"
        self._scope = scope
        self._epoch_s = epoch_s
        self._token_was_accepted = False
        self._ask_shares_after: dict[str, float] = {}

    @property
    def name(self) -> str:
        """`electricitymaps`, as in the readings' `source`."""
        return NAME

    @property
    def live(self) -> bool:
        return True

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Readings in force anywhere in [start, end], ascending, as far as the service and the account have them.

        Older ones that the account may not see are missing while it sees newer ones. Raises CarbonUnavailable when
        there is none, when the service cannot be used, and for every answer that cannot be trusted: another zone or
        scope than asked, a sandbox's values, values that are not physical, unknown shapes.
        """
        start, end = utc_span(start, end)
        found: dict[datetime, Row] = {}
        failure: CarbonUnavailable | None = None
        for path, params, fresh_s in self._requests(start, end):
            if path == "history" and found and min(found) <= start:
                continue  # the latest value is in force for all of the span
            try:
                rows = self._rows(path, zone, params, fresh_s)
            except _NoData as error:
                failure = failure or error
                continue
            except _Denied as error:
                failure = failure or error
                if path == "past-range":
                    break
                continue
            found = {row.at: row for row in rows if row.at <= end} | found
        # A value that is late leaves the one before it in force; how old that may be is the caller's to judge.
        first = max((at for at in found if at <= start), default=start)
        ats = sorted(at for at in found if at >= first)
        if not ats:
            raise failure or CarbonUnavailable(f"{NAME}: no value of {zone} in {iso(start)} to {iso(end)}")
        shares = self._shares(zone) if ats[-1] >= self._history_start() else {}
        return [self._reading(zone, found[at], shares.get(at)) for at in ats]

    def forecast(self, zone: str, now: datetime, horizon_s: float) -> list[Reading]:
        """What the service expects of [now, now + horizon_s], at most of 72 hours; its own newest forecast.

        Raises CarbonUnavailable as `readings` does, and when the service's forecast does not reach into the span.
        """
        now, end = utc_span(now, now + timedelta(seconds=horizon_s))
        hours = next((hours for hours in _HORIZONS_H if hours * 3600 >= horizon_s), _HORIZONS_H[-1])
        rows = sorted(
            self._rows("forecast", zone, {"horizonHours": str(hours)}, _FRESH_S["forecast"]),
            key=lambda row: row.at,
        )
        ahead = [row for row in rows if row.at <= end and row.at + timedelta(seconds=row.period_s) > now]
        if not ahead:
            covers = f"it covers {iso(rows[0].at)} to {iso(rows[-1].at)}" if rows else "it is empty"
            raise CarbonUnavailable(f"{NAME}: no forecast of {zone} for {iso(now)} to {iso(end)}; {covers}")
        return [replace(self._reading(zone, row, None), quality=Quality.FORECAST) for row in ahead]

    def _requests(self, start: datetime, end: datetime) -> Iterator[tuple[str, dict[str, str], float]]:
        """Paths below the signal with parameters and how long an answer keeps, newest first.

        Spans of past-range lie on a fixed grid and end at a midnight, so that all who ask for a time share answers.
        """
        now = _EPOCH + timedelta(seconds=self._epoch_s())
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)  # never before the start of `history`
        history = self._history_start()
        if end >= history:
            yield "latest", {}, _FRESH_S["latest"]
            yield "history", {}, _FRESH_S["history"]
            if start >= history:
                return
        piece = _EPOCH + (min(end, today) - _EPOCH) // _PIECE * _PIECE
        while piece + _PIECE > start:  # periods begin and end at midnight, so the one in force at `start` is here
            until = min(piece + _PIECE, today)
            if until > piece:
                fresh_s = _PAST_FRESH_S if until < now - _SETTLED else _RECENT_PAST_FRESH_S
                yield "past-range", {"start": _query_time(piece), "end": _query_time(until)}, fresh_s
            piece -= _PIECE

    def _history_start(self) -> datetime:
        """Where `history` begins: 24 hours, the running one included."""
        now = _EPOCH + timedelta(seconds=self._epoch_s())
        return now.replace(minute=0, second=0, microsecond=0) - 23 * _HOUR

    def _reading(self, zone: str, row: Row, renewable_percent: float | None) -> Reading:
        return Reading(
            zone=zone,
            at=row.at,
            period_s=row.period_s,
            intensity_g_per_kwh=row.value,
            signal=Signal.AVERAGE,
            scope=self._scope,
            quality=Quality.ESTIMATED if row.estimated else Quality.MEASURED,
            source=NAME,
            renewable_percent=renewable_percent,
        )

    def _rows(self, path: str, zone: str, params: Mapping[str, str], fresh_s: float) -> list[Row]:
        body, where = self._ask(f"carbon-intensity/{path}", zone, params, fresh_s)
        expected = Expected(
            key="carbonIntensity", limit=MAX_INTENSITY_G_PER_KWH, zone=zone, scope=self._scope, where=where
        )
        return expected.rows(body)

    def _shares(self, zone: str) -> dict[datetime, float]:
        """Renewable shares of the last day; nothing for a while after the account or the service had none."""
        if self._epoch_s() < self._ask_shares_after.get(zone, 0.0):
            return {}
        try:
            body, where = self._ask("renewable-energy/history", zone, {}, _SHARE_FRESH_S, backs_off=False)
            rows = Expected(key="value", limit=100.0, zone=zone, scope=self._scope, where=where).rows(body)
        except CarbonUnavailable:
            self._ask_shares_after[zone] = self._epoch_s() + _SHARE_FRESH_S
            return {}
        return {row.at: row.value for row in rows}

    def _ask(
        self, path: str, zone: str, params: Mapping[str, str], fresh_s: float, *, backs_off: bool = True
    ) -> tuple[object, str]:
        """The JSON of one answer, and where it is from, for messages."""

        def get() -> Response:
            return self._fetcher.get(
                NAME,
                f"{self._base_url}/{path}",
                # Without disableCallerLookup an unknown zone is answered with the values of the caller's own place.
                params={
                    "zone": zone,
                    "disableCallerLookup": "true",
                    "emissionFactorType": self._scope.value,
                    **params,
                },
                headers={"auth-token": self._token},
                fresh_s=fresh_s,
            )

        response = get()
        where = f"{NAME}: {response.path} for zone {zone}"
        if backs_off and self._is_rate_limit(response):
            # Above its limit the service refuses a valid token just as a wrong one.
            self._fetcher.pause(NAME)
            try:
                response = get()
            except CarbonUnavailable:
                raise CarbonUnavailable(
                    f"{where}: HTTP 401 for a token that was accepted before, as above the limit of requests; "
                    "the service is left alone for a minute",
                    hint=f"if this stays, the token may have been withdrawn; {_ACCOUNT}",
                ) from None
        if response.status == 200 and not response.from_cache:
            self._token_was_accepted = True
        self._check(response, where)
        return response.json(NAME), where

    def _is_rate_limit(self, response: Response) -> bool:
        if response.status != 401:
            return False
        text = _complaint(response)
        return bool(re.search(r"rate.?limit|too many requests", text, re.IGNORECASE)) or (
            self._token_was_accepted and (not text or "auth-token" in text)
        )

    def _check(self, response: Response, where: str) -> None:
        """Raise what an answer without values means; the service's own words in one line and without the token."""
        text = _complaint(response)
        if response.status == 200 and not text:
            return
        words = " ".join(text.replace(self._token, "(token)").split())[:200] if self._token else text
        said = f": {words!r}" if words else ""
        if response.status in (200, 404):
            raise _NoData(f"{where}: no data{said}", hint="check the zone's name with `ga carbon zones`")
        if response.status == 401 and (not text or "auth-token" in text):
            raise CarbonUnavailable(f"{where}: the token was refused (HTTP 401){said}", hint=_REFUSED)
        if response.status in (401, 403):
            raise _Denied(f"{where}: this account may not see it (HTTP {response.status}){said}", hint=_ACCOUNT)
        raise CarbonUnavailable(f"{where}: expected values, found HTTP {response.status}{said}")


def _complaint(response: Response) -> str:
    """What an answer says in the place of values, under any of the names that the API has for it; else nothing."""
    try:
        body = response.json(NAME)
    except CarbonUnavailable:
        if response.status == 200:
            raise
        return response.body.strip()[:200]
    if not isinstance(body, dict):
        return ""
    if response.status == 200 and "error" not in body and body.get("status") != "error":
        return ""
    return str(body.get("error") or body.get("message") or body.get("status") or "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What the values of one answer have to be.

    key: the name of the value, which lies in 0..limit. where: begins every message.
    """

    key: str
    limit: float
    zone: str
    scope: Scope
    where: str

    def rows(self, body: object) -> list[Row]:
        """The values of `latest`, `history`, `past-range` or `forecast` in the answer's order; null ones left out.

        Raises CarbonUnavailable for another zone or scope, a sandbox, and for values and shapes that cannot be.
        """
        if not isinstance(body, dict):
            raise self._error("a JSON object", body)
        # Version 4 has been reported to say `data` where version 3 says `history`.
        rows: object = next((body[name] for name in ("history", "data", "forecast") if name in body), [body])
        if not isinstance(rows, list):
            raise self._error("a list of values", rows)
        granularity = body.get("temporalGranularity")
        self._check_pedigree({"zone": None, **body})
        return [found for row in rows if (found := self._row(row, granularity)) is not None]

    def _row(self, row: object, granularity: object) -> Row | None:
        if not isinstance(row, dict):
            raise self._error("an object for each value", row)
        self._check_pedigree(row)
        value = row.get(self.key)
        if value is None and "datetime" in row:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._error(f"a number as {self.key}", value)
        if not 0 <= value <= self.limit:
            raise self._error(f"{self.key} from 0 to {self.limit:.0f}", value, kind="the absurd value ")
        granularity = row.get("temporalGranularity", granularity)
        period_s = _PERIODS_S.get(granularity) if isinstance(granularity, str) else None
        if period_s is None:
            raise self._error(f"temporalGranularity to be one of {', '.join(_PERIODS_S)}", granularity)
        return Row(
            at=self._instant(row.get("datetime")),
            period_s=period_s,
            value=float(value),
            estimated=row.get("isEstimated") is not False or row.get("estimationMethod") is not None,
        )

    def _check_pedigree(self, part: Mapping[str, object]) -> None:
        if "_disclaimer" in part or part.get("estimationMethod") == "SANDBOX_MODE_DATA":
            raise CarbonUnavailable(
                f"{self.where}: expected real values, found those of a sandbox, which are random",
                hint="use a token that is not a sandbox's",
            )
        if part.get("zone", self.zone) != self.zone:
            raise self._error(f"values of zone {self.zone}", part["zone"])
        if part.get("emissionFactorType", self.scope.value) != self.scope.value:
            raise self._error(f"emission factors {self.scope.value}", part["emissionFactorType"])

    def _instant(self, text: object) -> datetime:
        try:
            at = datetime.fromisoformat(text) if isinstance(text, str) else None
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise self._error("a datetime such as 2026-03-29T18:00:00.000Z", text)
        return at.astimezone(UTC)

    def _error(self, expected: str, found: object, *, kind: str = "") -> CarbonUnavailable:
        return CarbonUnavailable(f"{self.where}: expected {expected}, found {kind}{repr(found)[:80]}")


def _query_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
