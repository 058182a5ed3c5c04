"""Electricity Maps without a network: what its answers mean, and which requests a span takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.electricity_maps import ElectricityMapsSource, Expected, Row
from gacli.carbon.http import Fetcher, Response
from gacli.core.carbon import Quality, Scope, Signal
from gacli.errors import CarbonUnavailable
from gacli.ports.carbon import CarbonSource, ForecastSource

HOUR = timedelta(hours=1)
AT = datetime(2025, 3, 29, 18, tzinfo=UTC)
# As in the service's documentation.
LATEST: dict[str, Any] = {
    "zone": "DE",
    "carbonIntensity": 144,
    "datetime": "2025-03-29T18:00:00.000Z",
    "updatedAt": "2025-03-29T16:45:44.917Z",
    "createdAt": "2025-03-26T18:42:35.805Z",
    "emissionFactorType": "lifecycle",
    "isEstimated": False,
    "estimationMethod": None,
    "temporalGranularity": "hourly",
}
INTENSITY = Expected(key="carbonIntensity", limit=2000.0, zone="DE", scope=Scope.LIFECYCLE, where="here")
SHARE = Expected(key="value", limit=100.0, zone="DE", scope=Scope.LIFECYCLE, where="here")


def _naive(year: int) -> datetime:
    """As hypothesis wants the bounds of aware instants."""
    return datetime(year, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def _without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in LATEST.items() if name not in names}


def _listed(key: str, *rows: Mapping[str, Any]) -> dict[str, Any]:
    return {"zone": "DE", key: list(rows), "temporalGranularity": "hourly"}


@pytest.mark.parametrize(
    "body",
    [
        LATEST,
        LATEST | {"flowTraced": True},
        LATEST | {"datetime": "2025-03-29T19:00:00+01:00"},
        LATEST | {"carbonIntensity": 144.0},
        _listed("history", LATEST),
        _listed("data", LATEST),
        _listed("history", _without("zone", "temporalGranularity", "emissionFactorType")),
    ],
)
def test_the_same_value_in_every_shape(body: object) -> None:
    assert INTENSITY.rows(body) == [Row(at=AT, period_s=3600.0, value=144.0, estimated=False)]


def test_a_share_of_renewables() -> None:
    body = _without("carbonIntensity", "emissionFactorType") | {"value": 84, "unit": "%"}
    assert [row.value for row in SHARE.rows(body)] == [84.0]


@pytest.mark.parametrize(
    ("change", "estimated"),
    [
        ({"isEstimated": False, "estimationMethod": None}, False),
        ({"isEstimated": True, "estimationMethod": None}, True),
        ({"isEstimated": True, "estimationMethod": "TIME_SLICER_AVERAGE"}, True),
        ({"isEstimated": False, "estimationMethod": "FORECASTS_HIERARCHY"}, True),
        ({"isEstimated": None}, True),
        ({"isEstimated": "false"}, True),
    ],
)
def test_what_is_not_known_to_be_measured_is_estimated(change: dict[str, Any], estimated: bool) -> None:
    assert [row.estimated for row in INTENSITY.rows(LATEST | change)] == [estimated]


@pytest.mark.parametrize(
    ("granularity", "period_s"), [("5_minutes", 300.0), ("15_minutes", 900.0), ("hourly", 3600.0), ("daily", 86400.0)]
)
def test_periods_are_those_of_the_answer(granularity: str, period_s: float) -> None:
    body = _listed("history", _without("temporalGranularity")) | {"temporalGranularity": granularity}
    assert [row.period_s for row in INTENSITY.rows(body)] == [period_s]


@pytest.mark.parametrize(
    "body",
    [
        LATEST | {"carbonIntensity": None},
        _without("carbonIntensity"),
        _listed("history"),
        _listed("history", LATEST | {"carbonIntensity": None}),
    ],
)
def test_a_missing_value_is_no_value(body: object) -> None:
    assert INTENSITY.rows(body) == []


def test_null_among_values() -> None:
    later = LATEST | {"datetime": "2025-03-29T20:00:00.000Z", "carbonIntensity": 0}
    null = LATEST | {"datetime": "2025-03-29T19:00:00.000Z", "carbonIntensity": None}
    assert [(row.at, row.value) for row in INTENSITY.rows(_listed("history", LATEST, null, later))] == [
        (AT, 144.0),
        (AT + 2 * HOUR, 0.0),
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([LATEST], r"expected a JSON object, found \["),
        (None, "expected a JSON object, found None"),
        ({}, "expected values of zone DE, found None"),
        (LATEST | {"zone": "FR"}, "expected values of zone DE, found 'FR'"),
        (_listed("history", LATEST | {"zone": "FR"}), "expected values of zone DE, found 'FR'"),
        (LATEST | {"emissionFactorType": "direct"}, "expected emission factors lifecycle, found 'direct'"),
        (_listed("data", LATEST | {"emissionFactorType": "direct"}), "expected emission factors lifecycle"),
        (LATEST | {"_disclaimer": "Random"}, "those of a sandbox"),
        (LATEST | {"estimationMethod": "SANDBOX_MODE_DATA"}, "those of a sandbox"),
        (_listed("history", LATEST | {"estimationMethod": "SANDBOX_MODE_DATA"}), "those of a sandbox"),
        (_listed("history") | {"_disclaimer": "Random"}, "those of a sandbox"),
        (_listed("history") | {"history": {"carbonIntensity": 1}}, "expected a list of values"),
        (_listed("history", LATEST) | {"history": [7]}, "expected an object for each value, found 7"),
        ({"zone": "DE", "message": "hello"}, "expected a number as carbonIntensity, found None"),
        (LATEST | {"carbonIntensity": "144"}, "expected a number as carbonIntensity, found '144'"),
        (LATEST | {"carbonIntensity": True}, "expected a number as carbonIntensity, found True"),
        (LATEST | {"carbonIntensity": -0.1}, "found the absurd value -0.1"),
        (LATEST | {"carbonIntensity": 2000.1}, r"expected carbonIntensity from 0 to 2000, found the absurd"),
        (LATEST | {"carbonIntensity": 10**400}, "absurd"),
        (LATEST | {"carbonIntensity": float("inf")}, "absurd"),
        (LATEST | {"carbonIntensity": float("nan")}, "absurd"),
        (_without("temporalGranularity"), "temporalGranularity to be one of 5_minutes, .* found None"),
        (LATEST | {"temporalGranularity": "yearly"}, "found 'yearly'"),
        (LATEST | {"temporalGranularity": ["hourly"]}, "found .'hourly'"),
        (LATEST | {"datetime": "2025-03-29T18:00:00"}, "expected a datetime such as .* found '2025"),
        (LATEST | {"datetime": "yesterday"}, "expected a datetime"),
        (LATEST | {"datetime": 1743271200}, "expected a datetime"),
    ],
)
def test_answers_that_cannot_be_trusted(body: object, message: str) -> None:
    with pytest.raises(CarbonUnavailable, match=f"here: expected .*{message.removeprefix('expected ')}"):
        INTENSITY.rows(body)


@given(
    st.lists(
        st.tuples(
            st.datetimes(_naive(1990), _naive(2100), timezones=st.timezones()),
            st.none() | st.floats(0, 2000),
        ),
        max_size=30,
    )
)
def test_values_and_instants_arrive_exactly(values: list[tuple[datetime, float | None]]) -> None:
    rows = [LATEST | {"datetime": at.isoformat(), "carbonIntensity": value} for at, value in values]
    found = INTENSITY.rows(json.loads(json.dumps(_listed("history", *rows))))
    # In UTC, because Python takes times in the hours of a clock change for unequal to all of another zone.
    expected = [(at.astimezone(UTC), value) for at, value in values if value is not None]
    assert [(row.at, row.value) for row in found] == expected
    assert all(row.at.tzinfo is UTC for row in found)


class Hourly(Fetcher):
    """Answers from a service that has every hour up to `now`, whose value is its number since 1970 modulo 1000."""

    def __init__(self, now: datetime) -> None:
        super().__init__(MemoryAnswers(), epoch_s=now.timestamp)
        self.now = now
        self.asked: list[tuple[str, dict[str, str], float | None]] = []

    @override
    def get(
        self,
        service: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        fresh_s: float | None,
    ) -> Response:
        query, path = dict(params or {}), url.removeprefix("https://maps.test/v4/")
        self.asked.append((path, query, fresh_s))
        this_hour = self.now.replace(minute=0, second=0, microsecond=0)
        first, last = this_hour - 23 * HOUR, this_hour
        if path.endswith("latest"):
            first = last
        elif path.endswith("past-range"):
            first, last = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
            assert timedelta() < last - first <= timedelta(days=10)
            assert last <= self.now
            last -= HOUR
        elif path.endswith("forecast"):
            first, last = this_hour, this_hour + int(query["horizonHours"]) * HOUR
        hours = [first + number * HOUR for number in range((last - first) // HOUR + 1)]
        rows = [{"datetime": at.isoformat(), "carbonIntensity": _value(at), "isEstimated": False} for at in hours]
        body = json.dumps({"zone": "DE", "data": rows, "temporalGranularity": "hourly"})
        status = 401 if path.startswith("renewable-energy") else 200
        return Response(status=status, body=body, path=path, from_cache=False)

    def spans(self) -> list[tuple[str, str]]:
        return [(query["start"], query["end"]) for path, query, _ in self.asked if path.endswith("past-range")]


def _value(at: datetime) -> float:
    return float(at.timestamp() // 3600 % 1000)


def _source(fetcher: Hourly) -> ElectricityMapsSource:
    return ElectricityMapsSource(
        fetcher,
        token="t",
        base_url="https://maps.test/",
        version="v4",
        scope=Scope.LIFECYCLE,
        epoch_s=fetcher.now.timestamp,
    )


def test_it_is_both_kinds_of_source() -> None:
    source: CarbonSource = _source(Hourly(AT))
    assert source.name == "electricitymaps"
    assert isinstance(source, ForecastSource)


@given(
    now=st.datetimes(_naive(2024), _naive(2027), timezones=st.just(UTC)),
    ago_min=st.integers(0, 60 * 24 * 40),
    length_min=st.integers(0, 60 * 24 * 40),
    offset_h=st.integers(-12, 14),
)
def test_every_hour_in_force_comes_once(now: datetime, ago_min: int, length_min: int, offset_h: int) -> None:
    start = now - timedelta(minutes=ago_min)
    end = min(now, start + timedelta(minutes=length_min))
    zone = timezone(timedelta(hours=offset_h))
    readings = _source(Hourly(now)).readings("DE", start.astimezone(zone), end.astimezone(zone))
    first = start.replace(minute=0, second=0, microsecond=0)
    hours = [first + number * HOUR for number in range((end - first) // HOUR + 1)]
    assert [(reading.at, reading.intensity_g_per_kwh) for reading in readings] == [(at, _value(at)) for at in hours]
    assert {reading.at.tzinfo for reading in readings} == {UTC}


NOW = datetime(2026, 11, 21, 10, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "paths"),
    [
        (NOW, NOW, ["latest"]),
        (NOW - 20 * timedelta(minutes=1), NOW, ["latest"]),
        (NOW - HOUR, NOW, ["latest", "history"]),
        (NOW - 23 * HOUR, NOW, ["latest", "history"]),
        (NOW - 24 * HOUR, NOW, ["latest", "history", "past-range"]),
        (NOW - 48 * HOUR, NOW - 36 * HOUR, ["past-range"]),
        (NOW - 30 * 24 * HOUR, NOW, ["latest", "history", *["past-range"] * 4]),
    ],
)
def test_paths_of_a_span(start: datetime, end: datetime, paths: list[str]) -> None:
    fetcher = Hourly(NOW)
    _source(fetcher).readings("DE", start, end)
    asked = [path for path, _, _ in fetcher.asked if path.startswith("carbon-intensity/")]
    assert asked == [f"carbon-intensity/{path}" for path in paths]


def test_whatever_the_hour_the_same_past_is_asked_for() -> None:
    spans = set()
    for hours in range(14):
        fetcher = Hourly(NOW + hours * HOUR - timedelta(minutes=20))
        _source(fetcher).readings("DE", NOW - 24 * 24 * HOUR, NOW)
        spans.add(tuple(fetcher.spans()))
    assert len(spans) == 1


def test_readings_say_what_they_are() -> None:
    (reading,) = _source(Hourly(NOW)).readings("DE", NOW, NOW)
    assert (reading.zone, reading.source, reading.period_s) == ("DE", "electricitymaps", 3600.0)
    assert (reading.signal, reading.scope, reading.quality) == (Signal.AVERAGE, Scope.LIFECYCLE, Quality.MEASURED)
    assert reading.renewable_percent is None


@pytest.mark.parametrize(
    ("horizon_h", "asked_h"), [(0, 6), (6, 6), (6.1, 24), (24, 24), (25, 48), (48, 48), (49, 72), (72, 72), (96, 72)]
)
def test_horizons(horizon_h: float, asked_h: int) -> None:
    fetcher = Hourly(NOW)
    forecast = _source(fetcher).forecast("DE", NOW, horizon_h * 3600)
    assert fetcher.asked[0][1]["horizonHours"] == str(asked_h)
    hours = min(int(horizon_h + NOW.minute / 60), 72)
    first = NOW.replace(minute=0)
    assert [reading.at for reading in forecast] == [first + number * HOUR for number in range(hours + 1)]
    assert {reading.quality for reading in forecast} == {Quality.FORECAST}


def test_a_forecast_of_another_time_is_none() -> None:
    with pytest.raises(CarbonUnavailable, match=r"no forecast of DE for 2026-11-16.*covers 2026-11-21T10:00Z to"):
        _source(Hourly(NOW)).forecast("DE", NOW - timedelta(days=5), 3600.0)


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(ValueError, match="lifecycle or direct"):
        ElectricityMapsSource(Hourly(NOW), token="t", version="v3", scope=Scope.UNKNOWN, epoch_s=NOW.timestamp)
