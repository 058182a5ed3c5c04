"""Energy-Charts' `/co2eq` as it is documented, from a function of time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from typing_extensions import override

from gacli.carbon.fake.server import FakeServer, Reply, Request

_STEP_S = 900
_PER_MINUTE = 2
_LOCAL = ZoneInfo("Europe/Berlin")
_DAY = timedelta(days=1)
_Values = Callable[[str, datetime], float | None]


class FakeEnergyCharts(FakeServer):
    """Serves `/co2eq` of `countries`, two requests a minute, with the days of a query in local time.

    measured, forecast: gCO2eq/kWh of a country at an instant, None where there is none. late_s: how long after its
    start a quarter of an hour is measured; what is not measured yet has its forecast, to the end of tomorrow.
    """

    def __init__(
        self,
        *,
        epoch_s: Callable[[], float],
        measured: _Values,
        forecast: _Values,
        countries: Collection[str] = ("de", "fr"),
        late_s: float = 3600.0,
        port: int = 0,
    ) -> None:
        super().__init__(epoch_s=epoch_s, port=port)
        self._measured = measured
        self._forecast = forecast
        self._countries = frozenset(countries)
        self.late_s = late_s
        self.deprecated = False
        self._served_s: list[float] = []
        self._guard = threading.Lock()

    @override
    def answer(self, request: Request) -> Reply:
        now_s = self.epoch_s()
        with self._guard:
            self._served_s = [at_s for at_s in self._served_s if 0 <= now_s - at_s < 60]
            if len(self._served_s) >= _PER_MINUTE:
                return Reply(status=429, body={"detail": "Too many requests"}, headers={"Retry-After": "60"})
            self._served_s.append(now_s)
        if request.path != "/co2eq":
            return Reply(status=404, body={"detail": "Not Found"})
        country = request.query.get("country", "de")
        if country not in self._countries:
            return Reply(status=404, body={"detail": f"no content available for country {country}"})
        today = datetime.fromtimestamp(now_s, _LOCAL).date()
        try:
            first = date.fromisoformat(request.query.get("start", today.isoformat()))
            last = date.fromisoformat(request.query.get("end", today.isoformat()))
        except ValueError:
            return Reply(status=422, body={"detail": "start and end are dates"})
        if last < first:
            return Reply(status=400, body={"detail": "end lies before start"})
        return Reply(body=self._columns(country, first, min(last, today + _DAY)))

    def _columns(self, country: str, first: date, last: date) -> dict[str, object]:
        begin_s, end_s = _midnight_s(first), _midnight_s(last + _DAY)
        seconds = list(range(begin_s, end_s, _STEP_S))
        measured: list[float | None] = []
        forecast: list[float | None] = []
        for second in seconds:
            at, known = datetime.fromtimestamp(second, UTC), second + self.late_s <= self.epoch_s()
            measured.append(self._measured(country, at) if known else None)
            forecast.append(None if known else self._forecast(country, at))
        return {
            "unix_seconds": seconds,
            "co2eq": measured,
            "co2eq_forecast": forecast,
            "deprecated": self.deprecated,
        }


def _midnight_s(day: date) -> int:
    return int(datetime.combine(day, time(), _LOCAL).timestamp())
