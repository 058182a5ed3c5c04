"""Great Britain's Carbon Intensity API as it is documented, from a function of time."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from gacli.carbon.fake.server import FakeServer, Reply, Request

_PERIOD = timedelta(minutes=30)
_LONGEST = timedelta(days=14)
_AHEAD = timedelta(hours=48)
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\dZ"
_REGIONS = range(1, 19)
_BANDS = ((60, "very low"), (130, "low"), (210, "moderate"), (310, "high"))
_Values = Callable[[datetime], float | None]


class FakeNeso(FakeServer):
    """Serves the national and the regional paths of one region: the present, a span, and the next 48 hours.

    forecast, actual: national gCO2/kWh of the period that begins at an instant, None where there is none. regional: the
    same of a region by its id. late_s: how long after its end a period has its actual value.
    """

    def __init__(
        self,
        *,
        epoch_s: Callable[[], float],
        forecast: _Values,
        actual: _Values,
        regional: Callable[[int, datetime], float | None],
        late_s: float = 0.0,
        port: int = 0,
    ) -> None:
        super().__init__(epoch_s=epoch_s, port=port)
        self._forecast = forecast
        self._actual = actual
        self._regional = regional
        self.late_s = late_s

    @override
    def answer(self, request: Request) -> Reply:
        path, now = request.path, datetime.fromtimestamp(self.epoch_s(), UTC)
        if path == "/intensity":
            return Reply(body={"data": self._national(now, now)})
        if found := re.fullmatch(r"/regional/regionid/(\d+)", path):
            # A list here and an object below, as the real service has it.
            return self._one_region(int(found[1]), now, now, as_list=True)
        found = re.fullmatch(r"(/regional)?/intensity/([^/]+)/([^/]+)(?:/regionid/(\d+))?", path)
        if found is None or bool(found[1]) != bool(found[4]):
            return _error(404, "Not Found", "The requested resource could not be found.")
        if not re.fullmatch(_TIME, found[2]) or not re.fullmatch(f"{_TIME}|fw48h", found[3]):
            return _error(400, "Bad Request", "Please enter a valid date in ISO8601 format e.g. 2017-08-25T12:35Z")
        begin = datetime.fromisoformat(found[2])
        end = begin + _AHEAD if found[3] == "fw48h" else datetime.fromisoformat(found[3])
        if end < begin:
            return _error(400, "Bad Request", "The from date must be before the to date")
        if end - begin > _LONGEST:
            return _error(400, "Bad Request", "The date range must be at most 14 days")
        if found[4]:
            return self._one_region(int(found[4]), begin, end, as_list=False)
        return Reply(body={"data": self._national(begin, end)})

    def _national(self, begin: datetime, end: datetime) -> list[dict[str, object]]:
        now_s = self.epoch_s()
        rows: list[dict[str, object]] = []
        for at in self._periods(begin, end):
            over = (at + _PERIOD).timestamp() + self.late_s <= now_s
            forecast, actual = self._forecast(at), self._actual(at) if over else None
            rows.append(_row(at, {"forecast": forecast, "actual": actual, "index": _index(forecast)}))
        return rows

    def _one_region(self, region: int, begin: datetime, end: datetime, *, as_list: bool) -> Reply:
        if region not in _REGIONS:
            return _error(400, "Bad Request", "Please enter a valid Region ID e.g. 1-17")
        rows: list[dict[str, object]] = []
        for at in self._periods(begin, end):
            forecast = self._regional(region, at)
            row = _row(at, {"forecast": forecast, "index": _index(forecast)})
            rows.append({**row, "generationmix": [{"fuel": "wind", "perc": 55.5}, {"fuel": "gas", "perc": 44.5}]})
        name = f"Region {region}"
        told = {"regionid": region, "dnoregion": name, "shortname": name, "data": rows}
        return Reply(body={"data": [told] if as_list else told})

    def _periods(self, begin: datetime, end: datetime) -> list[datetime]:
        """Periods that touch [begin, end], the one that ends at `begin` included, up to what is forecast by now."""
        end = min(end, datetime.fromtimestamp(self.epoch_s(), UTC) + _AHEAD)
        period_s = _PERIOD.total_seconds()
        first, last = int(-(-begin.timestamp() // period_s)) - 1, int(end.timestamp() // period_s)
        return [datetime.fromtimestamp(number * period_s, UTC) for number in range(first, last + 1)]


def _row(at: datetime, intensity: dict[str, object]) -> dict[str, object]:
    return {"from": f"{at:%Y-%m-%dT%H:%MZ}", "to": f"{at + _PERIOD:%Y-%m-%dT%H:%MZ}", "intensity": intensity}


def _index(value: float | None) -> str | None:
    if value is None:
        return None
    return next((name for limit, name in _BANDS if value < limit), "very high")


def _error(status: int, code: str, message: str) -> Reply:
    return Reply(status=status, body={"error": {"code": f"{status} {code}", "message": message}})
