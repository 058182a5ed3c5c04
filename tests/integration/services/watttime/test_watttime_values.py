"""What the source `watttime` makes of answers: readings and forecasts, lateness, and everything that cannot be used."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from support.set_clock import SetClock
from support.watttime_service import (
    BASIC,
    DAY,
    HOUR,
    NOW,
    PASSWORD,
    REGION,
    STEP,
    USER,
    ZONE,
    Recorded,
    asked,
    grams,
    moer,
    refused,
    source_of,
)

from gacli.carbon.fake.server import Fault, Reply, Request
from gacli.carbon.fake.watttime import FakeWattTime
from gacli.carbon.watttime import WattTimeSource
from gacli.core.carbon import Quality, Reading, Scope, Signal, reading_at
from gacli.errors import CarbonUnavailable
from gacli.ports.carbon import CarbonSource, ForecastSource


def test_is_a_source_of_readings_and_forecasts(source: WattTimeSource) -> None:
    as_source: CarbonSource = source

    assert isinstance(as_source, ForecastSource)
    assert (as_source.name, as_source.live) == ("watttime", True)


def test_readings_of_a_day(source: WattTimeSource) -> None:
    readings = source.readings(ZONE, NOW - DAY, NOW)

    assert (readings[0].at, readings[-1].at) == (
        NOW.replace(day=20, minute=0, second=0),
        datetime(2026, 11, 21, 11, 50, tzinfo=UTC),
    )
    assert len(readings) == 287 - 6  # what is late, and the half hour without values
    assert all(reading.intensity_g_per_kwh == pytest.approx(grams(reading.at)) for reading in readings)
    assert {(each.zone, each.period_s, each.signal, each.scope, each.quality, each.source) for each in readings} == {
        (ZONE, 300.0, Signal.MARGINAL, Scope.DIRECT, Quality.MEASURED, "watttime")
    }


def test_imputed_values_are_estimates(cache: Recorded, clock: SetClock) -> None:
    fake = FakeWattTime(
        epoch_s=clock, moer=moer, user=USER, password=PASSWORD, late_s=0, imputed=lambda at: at.minute < 30
    )
    with fake:
        readings = source_of(fake, cache, clock).readings(ZONE, NOW - HOUR, NOW)

    assert {reading.quality for reading in readings if reading.at.minute < 30} == {Quality.ESTIMATED}
    assert {reading.quality for reading in readings if reading.at.minute >= 30} == {Quality.MEASURED}


def test_the_reading_in_force_is_the_newest_that_is_published(source: WattTimeSource, server: FakeWattTime) -> None:
    (newest,) = source.readings(ZONE, NOW, NOW)
    assert newest.at == datetime(2026, 11, 21, 11, 50, tzinfo=UTC)

    server.late_s = 3600.0
    assert source.readings(ZONE, NOW, NOW) == [newest]  # of the same answer


def test_late_data_are_shown_with_their_age_and_then_missed(
    server: FakeWattTime, cache: Recorded, clock: SetClock
) -> None:
    source = source_of(server, cache, clock)
    server.late_s = 2 * 3600.0
    (late,) = source.readings(ZONE, NOW, NOW)
    assert late.at == datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

    server.late_s = 2.5 * 3600.0
    clock.forward(11 * STEP)
    with pytest.raises(CarbonUnavailable, match="no reading of CAISO_NORTH"):
        source.readings(ZONE, NOW + 11 * STEP, NOW + 11 * STEP)


def test_long_spans_come_in_pieces_of_thirty_days(source: WattTimeSource, server: FakeWattTime) -> None:
    readings = source.readings(ZONE, NOW - 70 * DAY, NOW - 3 * DAY)

    spans = [
        datetime.fromisoformat(request.query["end"]) - datetime.fromisoformat(request.query["start"])
        for request in asked(server, "/v3/historical")
    ]
    assert len(spans) == 3
    assert max(spans) == timedelta(days=30)
    instants = [reading.at for reading in readings]
    assert instants == sorted(set(instants))
    holes = [after - before for before, after in pairwise(instants) if after - before != STEP]
    assert holes == [timedelta(minutes=35)] * 67


@pytest.mark.parametrize("horizon_h", [0, 1, 24, 96])
def test_forecast_begins_now_and_ends_after_72_hours(source: WattTimeSource, horizon_h: int) -> None:
    readings = source.forecast(ZONE, NOW, horizon_h * 3600)

    assert readings[0].at == datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    assert readings[-1].at == datetime(2026, 11, 21, 12, 0, tzinfo=UTC) + min(horizon_h * HOUR, 72 * HOUR - STEP)
    assert {(reading.quality, reading.signal, reading.period_s) for reading in readings} == {
        (Quality.FORECAST, Signal.MARGINAL, 300.0)
    }
    assert readings[0].intensity_g_per_kwh == pytest.approx(grams(readings[0].at))


def test_horizons_and_jobs_share_one_answer(server: FakeWattTime, cache: Recorded, clock: SetClock) -> None:
    for _ in range(2):
        source = source_of(server, cache, clock)
        for hours in (24, 72):
            source.forecast(ZONE, NOW, hours * 3600)
        source.readings(ZONE, NOW - HOUR, NOW)

    assert len(asked(server, "/v3/forecast")) == len(asked(server, "/v3/historical")) == 1


def test_only_the_present_is_forecast(source: WattTimeSource, server: FakeWattTime) -> None:
    with pytest.raises(
        CarbonUnavailable, match="forecasts begin at the present 2026-11-21T12:03:20Z, not at 2026-11-20"
    ):
        source.forecast(ZONE, NOW - DAY, 3600)
    assert server.requests == []


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(delay_s=3.0), "no (whole )?answer within"),
        (Fault(cut_bytes=10), "the connection failed or broke"),
        (Fault(drip_s=0.2), "too slowly|no whole answer within"),
        (Fault(reply=Reply(status=502, body="<html>bad gateway</html>")), "HTTP 502|no answer within"),
        (Fault(reply=Reply(body="<html>please log in</html>")), "expected JSON"),
        (Fault(reply=Reply(status=400, body={"error": "Bad Request"})), "expected readings of region .* HTTP 400"),
    ],
    ids=["slow", "cut", "dripping", "gateway", "no JSON", "bad request"],
)
@pytest.mark.parametrize("at", ["log-in", "readings"])
def test_an_unusable_answer(source: WattTimeSource, server: FakeWattTime, fault: Fault, told: str, at: str) -> None:
    if at == "readings":
        server.fail(Fault())
    server.fail(fault, times=3)

    refused(source, "expected a token, found none" if at == "log-in" and fault.reply else told)


def test_a_passing_failure_is_not_seen(source: WattTimeSource, server: FakeWattTime) -> None:
    server.fail(Fault(cut_bytes=5), Fault(), Fault(reply=Reply(status=503, body="")))

    assert source.readings(ZONE, NOW, NOW)


def _answer(at: datetime = NOW - HOUR, **meta: object) -> Reply:
    told: dict[str, object] = {
        "data_point_period_seconds": 300,
        "region": REGION,
        "signal_type": "co2_moer",
        "units": "lbs_co2_per_mwh",
    }
    points = [{"point_time": at.isoformat(), "value": 96.0}]
    return Reply(body={"data": points, "meta": told | meta})


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (_answer(units="percentile"), "expected units lbs_co2_per_mwh .* found 'percentile'"),
        (_answer(region="PJM_NJ"), "expected region CAISO_NORTH .* found 'PJM_NJ'"),
        (_answer(signal_type="health_damage"), "expected signal co2_moer"),
        (Reply(body={"data": [], "meta": {}}), "expected `data` and `meta`"),
        (Reply(body={"error": "maintenance"}), "expected `data` and `meta`"),
    ],
)
def test_an_answer_of_something_else(source: WattTimeSource, server: FakeWattTime, reply: Reply, told: str) -> None:
    server.fail(Fault(), Fault(reply=reply))

    refused(source, told)


def test_the_percentile_of_signal_index_is_never_taken_for_an_intensity(
    source: WattTimeSource, server: FakeWattTime
) -> None:
    """What the index says, where the historical values are expected."""
    asked = Request(path="/login", query={}, headers={"authorization": f"Basic {BASIC}"})
    token = server.answer(asked).body
    assert isinstance(token, dict)
    index = server.answer(
        Request(
            path="/v3/signal-index",
            query={"region": REGION, "signal_type": "co2_moer"},
            headers={"authorization": f"Bearer {token['token']}"},
        )
    )
    server.fail(Fault(), Fault(reply=index))

    refused(source, "'percentile'")


@pytest.mark.parametrize(
    ("skew", "newest"),
    [
        (timedelta(minutes=-40), time(11, 20)),
        (timedelta(minutes=-3), time(12, 0)),
        (timedelta(minutes=3), time(12, 0)),
        (timedelta(minutes=40), time(12, 0)),
    ],
)
def test_a_server_whose_clock_differs(cache: Recorded, clock: SetClock, skew: timedelta, newest: time) -> None:
    server = FakeWattTime(
        epoch_s=lambda: clock.epoch_s + skew.total_seconds(), moer=moer, user=USER, password=PASSWORD, late_s=0
    )
    with server:
        source = source_of(server, cache, clock)
        readings = source.readings(ZONE, NOW - 2 * HOUR, NOW)
        expected = source.forecast(ZONE, NOW, 2 * 3600)
        clock.forward(timedelta(minutes=26))
        source.readings(ZONE, NOW, NOW)

    found = reading_at(readings, NOW)
    assert found is not None
    assert found.at.time() == newest
    assert all(_touches(reading, NOW, NOW + 2 * HOUR) for reading in expected)
    assert len(asked(server, "/login")) == 2


def _touches(reading: Reading, start: datetime, end: datetime) -> bool:
    return reading.at <= end and reading.at + timedelta(seconds=reading.period_s) > start


def test_the_future_is_not_asked_for(source: WattTimeSource, server: FakeWattTime) -> None:
    with pytest.raises(CarbonUnavailable, match="no reading of CAISO_NORTH"):
        source.readings(ZONE, NOW + DAY, NOW + 2 * DAY)
    assert source.readings(ZONE, NOW - HOUR, NOW + DAY)[-1].at < NOW
    assert [request.query["end"] for request in asked(server, "/v3/historical")] == ["2026-11-21T12:00Z"]
