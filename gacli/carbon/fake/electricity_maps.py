"""The API of Electricity Maps, versions 3 and 4, as far as `ga` uses it; run as a module it serves a demo."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from typing_extensions import override

from gacli.carbon.fake.server import FakeServer, Reply, Request
from gacli.carbon.trace import TraceSource, files_in
from gacli.carbon.typical import typical_years
from gacli.clock import real_epoch_s
from gacli.core.carbon import Quality
from gacli.errors import CarbonUnavailable, GaError

DEMO_TOKEN = "demo"  # noqa: S105 no secret: it opens nothing but this server
# What direct emission factors make of a value, so that nobody can mistake one scope for the other.
DIRECT_SHARE = 0.75

_HOUR = timedelta(hours=1)
_HORIZONS = ("6", "24", "48", "72")
_CALLERS_ZONE = "FR"  # where the service believes the caller to be


@dataclass(frozen=True, kw_only=True, slots=True)
class Hour:
    """One hourly value of a zone, life cycle. intensity_g_per_kwh: None for the null that the API gives at times."""

    at: datetime
    intensity_g_per_kwh: float | None
    estimated: bool = False
    renewable_percent: float | None = None


# The value of a zone for the hour that begins then; None where there is none.
Table = Callable[[str, datetime], Hour | None]


def table_of(values: Mapping[str, Iterable[Hour]]) -> Table:
    """A table of given hours by zone."""
    by_hour = {zone: {hour.at: hour for hour in hours} for zone, hours in values.items()}
    return lambda zone, at: by_hour.get(zone, {}).get(at)


def typical_table(zone: str, at: datetime) -> Hour | None:
    """The typical days of all zones that have them, for any date."""
    year = typical_years().get(zone)
    return None if year is None else Hour(at=at, intensity_g_per_kwh=year[at.month - 1][at.hour])


def trace_table(folder: Path) -> Table:
    """The traces of a folder, named after their zones; each is read when it is first asked for."""
    names = (entry.name.removesuffix(".gz") for entry in folder.iterdir())
    source = TraceSource(files_in(folder, {name.removesuffix(".csv") for name in names if name.endswith(".csv")}))

    @cache
    def hours(zone: str) -> dict[datetime, Hour]:
        return {
            reading.at: Hour(
                at=reading.at,
                intensity_g_per_kwh=reading.intensity_g_per_kwh,
                estimated=reading.quality is Quality.ESTIMATED,
                renewable_percent=reading.renewable_percent,
            )
            for reading in source.trace(zone).readings
        }

    def look_up(zone: str, at: datetime) -> Hour | None:
        try:
            return hours(zone).get(at)
        except CarbonUnavailable:  # no file for the zone
            return None

    return look_up


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Who may ask for what. zones, paths: None for all, else others are denied; paths are such as `past-range`."""

    token: str = DEMO_TOKEN
    zones: frozenset[str] | None = None
    paths: frozenset[str] | None = None
    requests_per_minute: int = 150
    sandbox: bool = False


class FakeElectricityMaps(FakeServer):
    """Serves `table` up to the server's clock, and what lies ahead of it as a forecast.

    account: may be replaced while the server runs, as when a token is withdrawn.
    """

    def __init__(
        self,
        table: Table = typical_table,
        *,
        epoch_s: Callable[[], float],
        account: Account | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(epoch_s=epoch_s, port=port)
        self.account = account or Account()
        self._table = table
        self._served: deque[float] = deque()

    @override
    def answer(self, request: Request) -> Reply:
        parts = request.path.strip("/").split("/")
        if len(parts) != 3 or parts[0] not in ("v3", "v4"):
            return Reply(status=404, body={"error": "Not found"})
        version, signal, path = parts
        if request.headers.get("auth-token") != self.account.token or self._is_above_limit():
            return Reply(status=401, body={"error": "Invalid auth-token"})
        if request.query.get("temporalGranularity", "hourly") != "hourly":
            return _bad("Only temporalGranularity hourly is served")
        zone = self._zone(request.query)
        if zone is None:
            return _bad("No zone could be resolved")
        account = self.account
        if account.zones is not None and zone not in account.zones:
            return Reply(status=401, body={"message": f"Request unauthorized for zoneKey={zone}"})
        if account.paths is not None and path not in account.paths:
            return Reply(status=401, body={"message": f"Your plan does not include {path}"})
        return self._values(version, signal, path, zone, request.query)

    def _is_above_limit(self) -> bool:
        now = self.epoch_s()
        while self._served and self._served[0] <= now - 60:
            self._served.popleft()
        if len(self._served) >= self.account.requests_per_minute:
            return True
        self._served.append(now)
        return False

    def _zone(self, query: Mapping[str, str]) -> str | None:
        if zone := query.get("zone"):
            return zone
        return None if query.get("disableCallerLookup") == "true" else _CALLERS_ZONE

    def _values(self, version: str, signal: str, path: str, zone: str, query: Mapping[str, str]) -> Reply:
        scope = query.get("emissionFactorType", "lifecycle")
        if scope not in ("lifecycle", "direct"):
            return _bad("emissionFactorType must be lifecycle or direct")

        def row(hour: Hour) -> dict[str, object] | None:
            shown = self._value(signal, scope, hour)
            return None if shown is None else shown | ({"flowTraced": True} if version == "v4" else {})

        def rows(hours: Sequence[Hour]) -> list[dict[str, object]]:
            return [found for hour in hours if (found := row(hour)) is not None]

        top: dict[str, object] = {"zone": zone, "temporalGranularity": "hourly"}
        if self.account.sandbox:
            top["_disclaimer"] = "This data is randomised and must not be used."
        now = datetime.fromtimestamp(self.epoch_s(), UTC).replace(minute=0, second=0, microsecond=0)
        day = rows(self._hours(zone, now - 23 * _HOUR, now))
        match path:
            case "latest" if day:
                return Reply(body=top | day[-1])
            case "history" if day:
                return Reply(body=top | {"data" if version == "v4" else "history": day})
            case "past-range":
                return self._past_range(zone, query, now, lambda hours: top | {"data": rows(hours)})
            case "forecast":
                return self._forecast(zone, query.get("horizonHours", "24"), now, scope, top)
            case "latest" | "history":
                return Reply(status=404, body={"error": f'No recent data for zone "{zone}"'})
            case _:
                return Reply(status=404, body={"error": "Not found"})

    def _hours(self, zone: str, first: datetime, last: datetime) -> list[Hour]:
        count = (last - first) // _HOUR + 1
        return [hour for number in range(count) if (hour := self._table(zone, first + number * _HOUR)) is not None]

    def _value(self, signal: str, scope: str, hour: Hour) -> dict[str, object] | None:
        if signal == "carbon-intensity":
            intensity = hour.intensity_g_per_kwh
            scaled = intensity * DIRECT_SHARE if intensity is not None and scope == "direct" else intensity
            value: dict[str, object] = {"carbonIntensity": scaled, "emissionFactorType": scope}
        elif signal == "renewable-energy" and hour.renewable_percent is not None:
            value = {"value": hour.renewable_percent, "unit": "%"}
        else:
            return None
        method = "SANDBOX_MODE_DATA" if self.account.sandbox else "TIME_SLICER_AVERAGE" if hour.estimated else None
        return value | {
            "datetime": _iso(hour.at),
            "updatedAt": _iso(hour.at + _HOUR),
            "createdAt": _iso(hour.at - 72 * _HOUR),
            "isEstimated": method is not None,
            "estimationMethod": method,
        }

    def _past_range(
        self, zone: str, query: Mapping[str, str], now: datetime, body: Callable[[Sequence[Hour]], object]
    ) -> Reply:
        try:
            start, end = (datetime.fromisoformat(query[name]).astimezone(UTC) for name in ("start", "end"))
        except (KeyError, ValueError):
            return _bad("start and end must be ISO datetimes")
        if not timedelta() < end - start <= timedelta(days=10):
            return _bad("The range must be positive and at most 10 days for hourly data")
        hours = self._hours(zone, start.replace(minute=0, second=0, microsecond=0), min(end - _HOUR, now))
        if not hours:
            return Reply(status=404, body={"error": f'No data for zone "{zone}"'})
        return Reply(body=body(hours))

    def _forecast(self, zone: str, horizon: str, now: datetime, scope: str, top: dict[str, object]) -> Reply:
        if horizon not in _HORIZONS:
            return _bad(f"horizonHours must be one of {', '.join(_HORIZONS)}")
        rows = [
            {"carbonIntensity": shown["carbonIntensity"], "datetime": shown["datetime"]}
            for hour in self._hours(zone, now, now + int(horizon) * _HOUR)
            if (shown := self._value("carbon-intensity", scope, hour)) is not None
        ]
        if not rows:
            return Reply(status=404, body={"error": f'No forecast for zone "{zone}"'})
        return Reply(body=top | {"forecast": rows, "updatedAt": _iso(now)})


def _bad(message: str) -> Reply:
    return Reply(status=400, body={"status": "error", "message": message})


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def main() -> None:
    """Serve typical days, or the traces of a folder, until it is interrupted; prints one line when it is ready."""
    parser = argparse.ArgumentParser(description="A server that speaks the API of Electricity Maps, for demos.")
    parser.add_argument("--port", type=int, default=8123, help="port on 127.0.0.1, 0 for any free one")
    parser.add_argument("--folder", type=Path, help="folder of carbon traces named after their zones, as DE.csv")
    asked = parser.parse_args()
    try:
        table = typical_table if asked.folder is None else trace_table(asked.folder)
        with FakeElectricityMaps(table, epoch_s=real_epoch_s, port=asked.port) as server:
            print(f"{server.url} speaks the API of Electricity Maps to the token {DEMO_TOKEN}", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()
    except (GaError, OSError) as error:
        sys.exit(f"{parser.prog}: {error}")


if __name__ == "__main__":
    main()
