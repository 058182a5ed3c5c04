"""Whatever a service answers, a source gives readings that may be believed or says that there are none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.electricity_maps import ElectricityMapsSource
from gacli.carbon.energy_charts import EnergyChartsSource
from gacli.carbon.http import Fetcher, Response
from gacli.carbon.neso import NesoSource
from gacli.carbon.watttime import WattTimeSource
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Reading, Scope
from gacli.errors import CarbonUnavailable
from gacli.ports.carbon import CarbonSource

NOW = datetime(2026, 3, 29, 12, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def epoch_s() -> float:
    return NOW.timestamp()


class Canned(Fetcher):
    """Answers everything with one body, but for log-ins."""

    def __init__(self, body: object, status: int) -> None:
        super().__init__(MemoryAnswers(), epoch_s=epoch_s)
        self.body = body
        self.status = status

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
        if url.endswith("/login"):
            return Response(status=200, body='{"token": "t"}', path="/login", from_cache=False)
        return Response(status=self.status, body=json.dumps(self.body), path="/x", from_cache=False)


def electricity_maps(fetcher: Fetcher) -> CarbonSource:
    return ElectricityMapsSource(fetcher, token="t", version="v3", scope=Scope.LIFECYCLE, epoch_s=epoch_s)


def watttime(fetcher: Fetcher) -> CarbonSource:
    return WattTimeSource(fetcher, user="u", password="p", regions={"DE": "DE"}, epoch_s=epoch_s)


def energy_charts(fetcher: Fetcher) -> CarbonSource:
    return EnergyChartsSource(fetcher, epoch_s=epoch_s)


def neso(fetcher: Fetcher) -> CarbonSource:
    return NesoSource(fetcher, regions={"DE": 13}, epoch_s=epoch_s)


ROW = {"zone": "DE", "carbonIntensity": 300, "datetime": "2026-03-29T12:00:00.000Z", "emissionFactorType": "lifecycle",
       "isEstimated": False, "estimationMethod": None, "temporalGranularity": "hourly"}  # fmt: skip
PERIOD = {"from": "2026-03-29T12:00Z", "to": "2026-03-29T12:30Z", "intensity": {"forecast": 266, "index": "moderate"}}
SOURCES: dict[str, tuple[Callable[[Fetcher], CarbonSource], object]] = {
    "electricitymaps latest": (electricity_maps, ROW),
    "electricitymaps history": (electricity_maps, {"zone": "DE", "history": [ROW], "temporalGranularity": "hourly"}),
    "watttime": (
        watttime,
        {
            "data": [{"point_time": "2026-03-29T12:05:00+00:00", "value": 870.0}],
            "meta": {
                "region": "DE",
                "signal_type": "co2_moer",
                "units": "lbs_co2_per_mwh",
                "data_point_period_seconds": 300,
                "warnings": [],
            },
        },
    ),
    "neso": (neso, {"data": {"regionid": 13, "data": [PERIOD]}}),
    "energy-charts": (
        energy_charts,
        {
            "unix_seconds": [int(epoch_s()) - 600, int(epoch_s()) + 300],
            "co2eq": [491.5, None],
            "co2eq_forecast": [None, 505.0],
            "deprecated": False,
        },
    ),
}

ODD: st.SearchStrategy[object] = st.sampled_from(
    [
        *(None, True, False, 0, -1, 10**400, 1e308, -0.0, "", "x", "12", [], {}, [None], [[]], {"error": "no"}),
        *("2026-13-45T99:99Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"),
    ]
)
ANY = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@st.composite
def spoilt(draw: st.DrawFn, body: object) -> object:
    """The body with one of its parts, at any depth, replaced by something or left out."""
    if isinstance(body, dict) and body and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(body)))
        if draw(st.integers(0, 5)) == 0:
            return {name: value for name, value in body.items() if name != key}
        return {**body, key: draw(spoilt(body[key]))}
    if isinstance(body, list) and body and draw(st.booleans()):
        index = draw(st.integers(0, len(body) - 1))
        return [*body[:index], draw(spoilt(body[index])), *body[index + 1 :]]
    return draw(ANY)


def believed(source: CarbonSource) -> list[Reading]:
    return source.readings("DE", NOW - HOUR, NOW)


@pytest.mark.parametrize("name", SOURCES)
def test_the_sound_answer_is_understood(name: str) -> None:
    make, body = SOURCES[name]
    assert believed(make(Canned(body, 200)))


@pytest.mark.parametrize("name", SOURCES)
@given(data=st.data(), status=st.sampled_from([200, 200, 200, 400, 401, 403, 404, 418, 500]))
def test_any_other_is_believed_or_refused(name: str, data: st.DataObject, status: int) -> None:
    make, body = SOURCES[name]
    source = make(Canned(data.draw(spoilt(body)), status))
    try:
        readings = believed(source)
    except CarbonUnavailable:
        return
    assert status == 200
    ats = [reading.at for reading in readings]
    assert ats == sorted(set(ats))
    for reading in readings:
        assert 0 <= reading.intensity_g_per_kwh <= MAX_INTENSITY_G_PER_KWH
        assert reading.zone == "DE"
        assert reading.period_s > 0
        assert reading.at.tzinfo is not None
