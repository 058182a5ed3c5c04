"""The source `neso` against a server that speaks its API: actual, expected and regional values, and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from support.set_clock import SetClock

from gacli.carbon.fake.neso import FakeNeso
from gacli.carbon.fake.server import Fault, Reply
from gacli.carbon.http import Fetcher
from gacli.carbon.neso import NesoSource
from gacli.core.carbon import Quality, Reading, Scope, Signal, reading_at
from gacli.errors import CarbonUnavailable
from gacli.ports.carbon import CarbonSource, ForecastSource

NOW = datetime(2026, 10, 25, 1, 40, tzinfo=UTC)  # in the night that British clocks are set back
PERIOD, HOUR, DAY = timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)
LONDON = 13


def forecast(at: datetime) -> float | None:
    """A value that names its half hour."""
    return 100.0 + at.timestamp() // 1800 % 48


def actual(at: datetime) -> float | None:
    return forecast(at + 10 * PERIOD)


def regional(region: int, at: datetime) -> float | None:
    return region * 10.0 + at.timestamp() // 1800 % 10


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def server(clock: SetClock) -> Iterator[FakeNeso]:
    with FakeNeso(epoch_s=clock, forecast=forecast, actual=actual, regional=regional) as fake:
        yield fake


@pytest.fixture
def source(server: FakeNeso, fetcher: Fetcher, clock: SetClock) -> NesoSource:
    regions = {"GB-LON": LONDON, "GB-NOWHERE": 99}
    return NesoSource(fetcher, regions=regions, base_url=server.url, epoch_s=clock)


def _refused(source: NesoSource, told: str, zone: str = "GB") -> CarbonUnavailable:
    with pytest.raises(CarbonUnavailable, match=told) as caught:
        source.readings(zone, NOW - HOUR, NOW)
    return caught.value


def _short(readings: list[Reading]) -> list[tuple[time, float, Quality]]:
    return [(reading.at.time(), reading.intensity_g_per_kwh, reading.quality) for reading in readings]


def test_is_a_source_of_readings_and_forecasts(source: NesoSource) -> None:
    as_source: CarbonSource = source

    assert isinstance(as_source, ForecastSource)
    assert (as_source.name, as_source.live) == ("neso", True)


def test_actual_values_and_what_stands_in_for_the_newest(source: NesoSource) -> None:
    readings = source.readings("GB", NOW - HOUR, NOW + 3 * HOUR)

    assert _short(readings) == [
        (time(0, 30), actual(datetime(2026, 10, 25, 0, 30, tzinfo=UTC)), Quality.MEASURED),
        (time(1, 0), actual(datetime(2026, 10, 25, 1, 0, tzinfo=UTC)), Quality.MEASURED),
        (time(1, 30), forecast(datetime(2026, 10, 25, 1, 30, tzinfo=UTC)), Quality.ESTIMATED),
    ]
    assert {(each.zone, each.period_s, each.signal, each.scope, each.source) for each in readings} == {
        ("GB", 1800.0, Signal.AVERAGE, Scope.DIRECT, "neso")
    }


def test_actual_values_that_are_late(source: NesoSource, server: FakeNeso) -> None:
    server.late_s = 3600.0

    assert [each.quality for each in source.readings("GB", NOW - HOUR, NOW)] == [Quality.ESTIMATED] * 3
    assert source.readings("GB", NOW - 3 * HOUR, NOW)[0].quality is Quality.MEASURED


def test_late_periods_are_missing_and_the_newest_is_in_force(fetcher: Fetcher, clock: SetClock) -> None:
    """Neither actual nor expected values of the last hour."""

    def known(at: datetime) -> float | None:
        return None if at > NOW - 2 * HOUR else forecast(at)

    with FakeNeso(epoch_s=clock, forecast=known, actual=known, regional=regional) as fake:
        source = NesoSource(fetcher, base_url=fake.url, epoch_s=clock)
        (newest,) = source.readings("GB", NOW, NOW)
        clock.forward(4 * HOUR)
        assert source.readings("GB", NOW - HOUR, NOW + 4 * HOUR) == [newest]
        with pytest.raises(CarbonUnavailable, match="no reading of GB in 2026-10-26"):
            source.readings("GB", NOW + DAY, NOW + DAY)

    assert newest.at == datetime(2026, 10, 24, 23, 30, tzinfo=UTC)


def test_regional_values_are_never_measured(source: NesoSource) -> None:
    readings = source.readings("GB-LON", NOW - HOUR, NOW + HOUR)

    assert _short(readings) == [
        (at.time(), regional(LONDON, at), Quality.ESTIMATED)
        for at in (datetime(2026, 10, 25, 0, 30, tzinfo=UTC) + number * PERIOD for number in range(3))
    ]
    assert {reading.zone for reading in readings} == {"GB-LON"}


def test_a_list_where_an_object_was(source: NesoSource, server: FakeNeso) -> None:
    """The shape of `/regional/regionid` on the path that usually has the other."""
    rows = [{"from": "2026-10-25T01:30Z", "to": "2026-10-25T02:00Z", "intensity": {"forecast": 77, "index": "low"}}]
    server.fail(Fault(reply=Reply(body={"data": [{"regionid": LONDON, "data": rows}]})))

    assert [each.intensity_g_per_kwh for each in source.readings("GB-LON", NOW, NOW)] == [77.0]


@pytest.mark.parametrize("zone", ["GB", "GB-LON"])
def test_forecast_of_two_days(source: NesoSource, zone: str) -> None:
    readings = source.forecast(zone, NOW, 96 * 3600)

    assert readings[0].at == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert readings[-1].at == datetime(2026, 10, 27, 1, 30, tzinfo=UTC)
    assert {after.at - before.at for before, after in pairwise(readings)} == {PERIOD}
    assert {reading.quality for reading in readings} == {Quality.FORECAST}
    assert [each.at.time() for each in source.forecast(zone, NOW, 1800)] == [time(1, 30), time(2, 0)]


def test_only_the_present_is_forecast(source: NesoSource, server: FakeNeso) -> None:
    """Of the past the API keeps the last expectation alone, which was not known then."""
    with pytest.raises(CarbonUnavailable, match="forecasts begin at the present 2026-10-25T01:40Z, not at 2026-10-24"):
        source.forecast("GB", NOW - DAY, 3600)
    assert server.requests == []


@pytest.mark.parametrize("zone", ["GB", "GB-LON"])
def test_long_spans_come_in_pieces_of_fourteen_days(source: NesoSource, server: FakeNeso, zone: str) -> None:
    readings = source.readings(zone, NOW - 30 * DAY, NOW)

    assert len(server.requests) == 3
    assert (readings[0].at, readings[-1].at) == (NOW - 30 * DAY - timedelta(minutes=10), NOW - timedelta(minutes=10))
    assert {after.at - before.at for before, after in pairwise(readings)} == {PERIOD}


def test_jobs_share_one_answer_a_day(source: NesoSource, server: FakeNeso, fetcher: Fetcher, clock: SetClock) -> None:
    for minutes in (0, 2, 4):
        other = NesoSource(fetcher, base_url=server.url, epoch_s=clock)
        for each in (source, other):
            each.readings("GB", NOW + timedelta(minutes=minutes), NOW + timedelta(minutes=minutes))
        clock.forward(timedelta(minutes=2))
    assert len(server.requests) == 1

    clock.forward(timedelta(minutes=2))
    assert source.readings("GB", NOW + timedelta(minutes=10), NOW + timedelta(minutes=10))
    assert len(server.requests) == 2
    assert server.requests[0].path == server.requests[1].path
    assert "if-none-match" in server.requests[1].headers


def test_other_zones(source: NesoSource, server: FakeNeso) -> None:
    told = "covers Great Britain alone, found zone DE; zones that it knows: GB, GB-LON, GB-NOWHERE"
    with pytest.raises(CarbonUnavailable, match=told):
        source.readings("DE", NOW, NOW)
    with pytest.raises(CarbonUnavailable, match=told):
        source.forecast("DE", NOW, 3600)
    assert server.requests == []


def test_the_services_own_words(source: NesoSource) -> None:
    error = _refused(source, r"expected periods, found HTTP 400: .*Please enter a valid Region ID", zone="GB-NOWHERE")

    assert "/regionid/99" in error.message


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(delay_s=3.0), "no (whole )?answer within"),
        (Fault(cut_bytes=40), "the connection failed or broke"),
        (Fault(drip_s=0.2), "too slowly|no whole answer within"),
        (Fault(reply=Reply(status=500, body={"error": {"code": "500", "message": "Internal Server Error"}})), "500"),
        (Fault(reply=Reply(status=404, body="<html>")), "HTTP 404"),
        (Fault(reply=Reply(body="<html>maintenance</html>")), "expected JSON"),
        (
            Fault(reply=Reply(body={"error": {"code": "400 Bad Request", "message": "Please enter a valid date"}})),
            "the service refused: '400 Bad Request': 'Please enter a valid date'",
        ),
        (Fault(reply=Reply(body={"data": {"regionid": 1, "data": []}})), "expected `data` as a list of periods"),
        (Fault(reply=Reply(body={"data": []})), "no reading of GB"),
    ],
    ids=["slow", "cut", "dripping", "500", "404", "no JSON", "error with 200", "regional", "empty"],
)
def test_an_unusable_answer(source: NesoSource, server: FakeNeso, fault: Fault, told: str) -> None:
    server.fail(fault, times=3)

    _refused(source, told)


def test_another_region_than_asked(source: NesoSource, server: FakeNeso) -> None:
    server.fail(Fault(reply=Reply(body={"data": {"regionid": 12, "data": []}})))

    _refused(source, "expected region 13, found 12", zone="GB-LON")


def test_a_limit_leaves_the_service_alone_and_takes_what_is_kept(
    source: NesoSource, server: FakeNeso, clock: SetClock
) -> None:
    known = source.readings("GB", NOW, NOW)
    clock.forward(timedelta(minutes=6))
    server.fail(Fault(reply=Reply(status=429, body="", headers={"Retry-After": "600"})))

    assert source.readings("GB", NOW, NOW) == known
    _refused(source, "left alone for 600 s", zone="GB-LON")
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("skew", "newest", "quality"),
    [
        (-45, time(1, 30), Quality.ESTIMATED),
        (-5, time(1, 30), Quality.ESTIMATED),
        (5, time(1, 30), Quality.ESTIMATED),
        (45, time(1, 30), Quality.MEASURED),
    ],
)
def test_a_server_whose_clock_differs(
    fetcher: Fetcher, clock: SetClock, skew: int, newest: time, quality: Quality
) -> None:
    with FakeNeso(
        epoch_s=lambda: clock.epoch_s + skew * 60, forecast=forecast, actual=actual, regional=regional
    ) as fake:
        source = NesoSource(fetcher, base_url=fake.url, epoch_s=clock)
        found = reading_at(source.readings("GB", NOW - HOUR, NOW), NOW)
        expected = source.forecast("GB", NOW, 7200)

    assert found is not None
    assert (found.at.time(), found.quality) == (newest, quality)
    assert [each.at.time() for each in expected] == [time(1, 30), time(2), time(2, 30), time(3), time(3, 30)]


def test_the_future_is_not_known(source: NesoSource, server: FakeNeso) -> None:
    assert source.readings("GB", NOW, NOW + DAY)[-1].at <= NOW
    with pytest.raises(CarbonUnavailable, match="no reading of GB in 2026-10-27"):
        source.readings("GB", NOW + 2 * DAY, NOW + 3 * DAY)
    assert len(server.requests) == 1
