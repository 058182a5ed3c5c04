"""WattTime's API v3 as it is documented, from a function of time."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from gacli.carbon.fake.server import FakeServer, Reply, Request

_STEP_S = 300
_LONGEST = timedelta(days=30)
_TOKEN_S = 1800.0
_UNAUTHORIZED = Reply(status=401, body={"error": "Invalid or expired token. Please log in."})


class FakeWattTime(FakeServer):
    """Serves `/login`, `/v3/historical`, `/v3/forecast`, `/v3/signal-index` and `/v3/region-from-loc`.

    moer: lbs/MWh of a region at an instant, None where nothing is known. regions: what the account covers. denied:
    regions that exist beyond its plan. late_s: how long after its start a historical point is published. imputed:
    whether a historical point rests on imputed data.
    """

    def __init__(
        self,
        *,
        epoch_s: Callable[[], float],
        moer: Callable[[str, datetime], float | None],
        user: str,
        password: str,
        regions: Collection[str] = ("CAISO_NORTH",),
        denied: Collection[str] = (),
        late_s: float = 600.0,
        imputed: Callable[[datetime], bool] = lambda _at: False,
        port: int = 0,
    ) -> None:
        super().__init__(epoch_s=epoch_s, port=port)
        self._moer = moer
        self._basic = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        self._regions = frozenset(regions)
        self._denied = frozenset(denied)
        self._imputed = imputed
        self.late_s = late_s
        self._issued = 0
        self._tokens: dict[str, float] = {}

    def revoke(self) -> None:
        """Forget every token before its time."""
        self._tokens.clear()

    @override
    def answer(self, request: Request) -> Reply:
        authorization = request.headers.get("authorization", "")
        if request.path == "/login":
            return self._log_in(authorization)
        since_s = self._tokens.get(authorization.removeprefix("Bearer "))
        if since_s is None or self.epoch_s() - since_s >= _TOKEN_S:
            return _UNAUTHORIZED
        if request.path == "/v3/region-from-loc":
            return self._located(request)
        answers = {
            "/v3/historical": self._historical,
            "/v3/forecast": self._forecast,
            "/v3/signal-index": self._index,
        }
        if request.path not in answers:
            return Reply(status=404, body={"error": "Not Found"})
        region, signal = request.query.get("region", ""), request.query.get("signal_type", "")
        if region in self._denied:
            return Reply(status=403, body={"error": "Forbidden", "message": f"Your plan does not include {region}"})
        if region not in self._regions:
            return Reply(status=404, body={"error": "No coverage", "message": f"Region {region} not found"})
        if signal != "co2_moer":
            return Reply(status=400, body={"error": "Bad Request", "message": f"Unknown signal_type {signal!r}"})
        return answers[request.path](region, request)

    def _log_in(self, authorization: str) -> Reply:
        if authorization != self._basic:
            return Reply(status=401, body={"error": "Unauthorized"})
        self._issued += 1
        token = f"eyJ0b2tlbiI6{self._issued:08d}"
        self._tokens[token] = self.epoch_s()
        return Reply(body={"token": token})

    def _located(self, request: Request) -> Reply:
        try:
            latitude, longitude = float(request.query["latitude"]), float(request.query["longitude"])
        except (KeyError, ValueError):
            return Reply(status=400, body={"error": "Bad Request", "message": "latitude and longitude are required"})
        if not (32 < latitude < 42 and -125 < longitude < -114):
            return Reply(status=404, body={"error": "No coverage", "message": "Coordinates not found"})
        full_name = "California ISO Northern"
        return Reply(body={"region": "CAISO_NORTH", "region_full_name": full_name, "signal_type": "co2_moer"})

    def _historical(self, region: str, request: Request) -> Reply:
        try:
            start = datetime.fromisoformat(request.query["start"])
            end = datetime.fromisoformat(request.query["end"])
        except (KeyError, ValueError):
            return Reply(status=400, body={"error": "Bad Request", "message": "start and end are required"})
        if start.tzinfo is None or end.tzinfo is None or end < start or end - start > _LONGEST:
            return Reply(status=400, body={"error": "Bad Request", "message": "at most 30 days, times with an offset"})
        until_s = min(end.timestamp(), self.epoch_s() - self.late_s)
        marked = request.query.get("include_imputed_marker") == "true"
        points: list[dict[str, object]] = []
        for at in _steps(start.timestamp(), until_s):
            if (value := self._moer(region, at)) is not None:
                imputed = {"imputed_data_used": self._imputed(at)} if marked else {}
                points.append({"point_time": at.isoformat(), "value": value, **imputed})
        return Reply(body={"data": points, "meta": _meta(region)})

    def _forecast(self, region: str, request: Request) -> Reply:
        hours = request.query.get("horizon_hours", "24")
        if not hours.isdecimal() or int(hours) > 72:
            return Reply(status=400, body={"error": "Bad Request", "message": "horizon_hours: 0 to 72"})
        begin_s = self.epoch_s() // _STEP_S * _STEP_S
        points = [
            {"point_time": at.isoformat(), "value": value}
            for at in _steps(begin_s, begin_s + max(int(hours) * 3600 - _STEP_S, 0))
            if (value := self._moer(region, at)) is not None
        ]
        generated_at = datetime.fromtimestamp(begin_s, UTC).isoformat()
        meta = {**_meta(region), "generated_at_period_seconds": _STEP_S, "generated_at": generated_at}
        return Reply(body={"data": points, "meta": meta})

    def _index(self, region: str, _request: Request) -> Reply:
        at = datetime.fromtimestamp(self.epoch_s() // _STEP_S * _STEP_S, UTC)
        meta = {**_meta(region), "units": "percentile"}
        return Reply(body={"data": [{"point_time": at.isoformat(), "value": 96.0}], "meta": meta})


def _steps(begin_s: float, until_s: float) -> list[datetime]:
    """The instants of the five-minute grid in [begin_s, until_s]: both ends are inclusive in this API."""
    first, last = int(-(-begin_s // _STEP_S)), int(until_s // _STEP_S)
    return [datetime.fromtimestamp(number * _STEP_S, UTC) for number in range(first, last + 1)]


def _meta(region: str) -> dict[str, object]:
    return {
        "data_point_period_seconds": _STEP_S,
        "region": region,
        "signal_type": "co2_moer",
        "units": "lbs_co2_per_mwh",
        "warnings": [],
        "model": {"date": "2022-10-01"},
    }
