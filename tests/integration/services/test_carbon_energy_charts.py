"""The source `energy-charts` against a server that speaks its API: gaps, forecasts, two requests a minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from support.set_clock import SetClock

from gacli.carbon.energy_charts import COUNTRIES, EnergyChartsSource
from gacli.carbon.fake.energy_charts import FakeEnergyCharts
from gacli.carbon.fake.server import Fault, Reply
from gacli.carbon.http import Fetcher
from gacli.core.carbon import Quality, Scope, Signal
from gacli.errors import CarbonUnavailable
from gacli.ports.carbon import CarbonSource, ForecastSource

NOW = datetime(2026, 3, 29, 1, 20, tzinfo=UTC)  # after 02:00 local time has become 03:00
STEP, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)


def measured(country: str, at: datetime) -> float | None:
    """A value that names country and quarter of an hour; null from 23:00 to 23:30 UTC."""
    if at.hour == 23 and at.minute < 30:
        return None
    return {"de": 400.0, "fr": 40.0}.get(country, 100.0) + at.timestamp() // 900 % 32


def forecast(country: str, at: datetime) -> float | None:
    return {"de": 450.0, "fr": 50.0}.get(country, 110.0) + at.timestamp() // 900 % 32


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def server(clock: SetClock) -> Iterator[FakeEnergyCharts]:
    countries = ("de", "fr", "at", "nl")
    with FakeEnergyCharts(epoch_s=clock, measured=measured, forecast=forecast, countries=countries) as fake:
        yield fake


@pytest.fixture
def source(server: FakeEnergyCharts, fetcher: Fetcher, clock: SetClock) -> EnergyChartsSource:
    return EnergyChartsSource(fetcher, countries={"DK-DK1": "dk"}, base_url=server.url, epoch_s=clock)


def _refused(source: EnergyChartsSource, told: str, zone: str = "DE") -> CarbonUnavailable:
    with pytest.raises(CarbonUnavailable, match=told) as caught:
        source.readings(zone, NOW - HOUR, NOW)
    return caught.value


def test_is_a_source_of_readings_and_forecasts(source: EnergyChartsSource) -> None:
    as_source: CarbonSource = source

    assert isinstance(as_source, ForecastSource)
    assert (as_source.name, as_source.live) == ("energy-charts", True)


def test_readings_leave_out_what_is_null(source: EnergyChartsSource) -> None:
    readings = source.readings("DE", NOW - 3 * HOUR, NOW)

    assert [each.at.time() for each in readings] == [
        time(22, 15), time(22, 30), time(22, 45), time(23, 30), time(23, 45), time(0, 0), time(0, 15)
    ]  # fmt: skip
    assert [each.intensity_g_per_kwh for each in readings] == [measured("de", each.at) for each in readings]
    assert {(r.zone, r.period_s, r.signal, r.scope, r.quality, r.source) for r in readings} == {
        ("DE", 900.0, Signal.AVERAGE, Scope.UNKNOWN, Quality.MEASURED, "energy-charts")
    }


def test_late_data_are_shown_with_their_age_and_then_missed(
    source: EnergyChartsSource, server: FakeEnergyCharts, clock: SetClock
) -> None:
    server.late_s = 5 * 3600.0
    (late,) = source.readings("DE", NOW, NOW)
    assert late.at == datetime(2026, 3, 28, 20, 15, tzinfo=UTC)

    server.late_s = 90 * 3600.0
    clock.forward(STEP)
    with pytest.raises(CarbonUnavailable, match="no reading of DE in 2026-03-29T01:35Z"):
        source.readings("DE", NOW + STEP, NOW + STEP)


def test_forecast_to_the_end_of_tomorrow(source: EnergyChartsSource, server: FakeEnergyCharts) -> None:
    server.late_s = 0.0
    readings = source.forecast("DE", NOW, 96 * 3600)

    # What is measured already has no forecast: the first quarter of an hour is the next one.
    assert readings[0].at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert readings[-1].at == datetime(2026, 3, 30, 21, 45, tzinfo=UTC)
    assert {after.at - before.at for before, after in pairwise(readings)} == {STEP}
    assert {(each.quality, each.scope, each.signal) for each in readings} == {
        (Quality.FORECAST, Scope.UNKNOWN, Signal.AVERAGE)
    }
    assert [each.intensity_g_per_kwh for each in readings] == [forecast("de", each.at) for each in readings]


def test_forecast_in_force_now(source: EnergyChartsSource) -> None:
    assert [each.at.time() for each in source.forecast("DE", NOW, 900)] == [time(1, 15), time(1, 30)]


def test_only_the_present_is_forecast(source: EnergyChartsSource, server: FakeEnergyCharts) -> None:
    with pytest.raises(CarbonUnavailable, match="forecasts begin at the present 2026-03-29T01:20Z, not at 2026-03-28"):
        source.forecast("DE", NOW - DAY, 3600)
    assert server.requests == []


def test_nothing_is_forecast(fetcher: Fetcher, clock: SetClock) -> None:
    with FakeEnergyCharts(epoch_s=clock, measured=measured, forecast=lambda _country, _at: None) as fake:
        source = EnergyChartsSource(fetcher, base_url=fake.url, epoch_s=clock)
        with pytest.raises(CarbonUnavailable, match="no forecast of DE from 2026-03-29T01:20Z on"):
            source.forecast("DE", NOW, 3600)


@pytest.mark.parametrize("until_days", [0, 1, 2, 3, 4, 30])
def test_history_is_one_request_more_and_without_a_joint(
    source: EnergyChartsSource, server: FakeEnergyCharts, until_days: int
) -> None:
    server.late_s = 0.0
    end = NOW - until_days * DAY

    readings = source.readings("DE", NOW - 40 * DAY, end)

    assert len(server.requests) == (2 if until_days <= 2 else 1)
    assert readings[0].at == NOW - 40 * DAY - timedelta(minutes=5)
    assert readings[-1].at == end - timedelta(minutes=5)
    holes = [after.at - before.at for before, after in pairwise(readings) if after.at - before.at != STEP]
    assert holes == [timedelta(minutes=45)] * (40 - until_days)


def test_days_of_a_query_are_local_ones(source: EnergyChartsSource) -> None:
    """Their last hours in UTC belong to the next day there."""
    end = datetime(2026, 3, 10, 23, 50, tzinfo=UTC)

    assert source.readings("DE", end - HOUR, end)[-1].at == end - timedelta(minutes=5)


def test_one_answer_serves_readings_and_forecast_of_all_jobs(
    source: EnergyChartsSource, server: FakeEnergyCharts, fetcher: Fetcher, clock: SetClock
) -> None:
    for _ in range(5):
        now = NOW.fromtimestamp(clock.epoch_s, UTC)
        for each in (source, EnergyChartsSource(fetcher, base_url=server.url, epoch_s=clock)):
            each.readings("DE", now - DAY, now)
            each.readings("DE", now, now)
            each.forecast("DE", now, 24 * 3600)
        clock.forward(timedelta(minutes=3))
    assert len(server.requests) == 1

    source.readings("DE", NOW + STEP, NOW + STEP)
    assert len(server.requests) == 2
    assert "if-none-match" in server.requests[1].headers


def test_two_requests_a_minute(source: EnergyChartsSource, server: FakeEnergyCharts, clock: SetClock) -> None:
    assert source.readings("DE", NOW, NOW)
    assert source.readings("FR", NOW, NOW)
    _refused(source, "left alone for 60 s", zone="AT")
    _refused(source, "left alone for 60 s", zone="NL")
    assert len(server.requests) == 3

    clock.forward(timedelta(minutes=5))  # the others' turn: the answers for the first two are still fresh
    for zone in ("DE", "FR", "AT", "NL"):
        assert source.readings(zone, NOW, NOW)
    assert len(server.requests) == 5


def test_above_the_limit_a_kept_answer_is_taken(
    source: EnergyChartsSource, server: FakeEnergyCharts, clock: SetClock
) -> None:
    known = source.readings("DE", NOW, NOW)
    clock.forward(timedelta(minutes=16))
    server.fail(Fault(reply=Reply(status=429, body={"detail": "Too many requests"})))

    assert source.readings("DE", NOW, NOW) == known
    assert len(server.requests) == 2


def test_zones_and_countries(source: EnergyChartsSource, server: FakeEnergyCharts) -> None:
    assert COUNTRIES["DE"] == "de"
    with pytest.raises(
        CarbonUnavailable, match=r"no country is known for zone US-CAL-CISO; zones with one: AT, .*DK-DK1"
    ):
        source.readings("US-CAL-CISO", NOW, NOW)
    with pytest.raises(CarbonUnavailable, match="no country is known for zone GB"):
        source.forecast("GB", NOW, 3600)
    assert server.requests == []
    _refused(source, "expected values of country dk, found HTTP 404: .*no content available", zone="DK-DK1")


def test_a_deprecated_answer(source: EnergyChartsSource, server: FakeEnergyCharts) -> None:
    server.deprecated = True

    assert "another source" in _refused(source, "marked as deprecated").hint


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(delay_s=3.0), "no (whole )?answer within"),
        (Fault(cut_bytes=1000), "left alone for 60 s"),  # what is tried again counts, too
        (Fault(drip_s=0.2), "too slowly|no whole answer within"),
        (Fault(reply=Reply(status=504, body="")), "HTTP 504"),
        (Fault(reply=Reply(status=422, body={"detail": "start"})), "HTTP 422: .*start"),
        (Fault(reply=Reply(body="<html>maintenance</html>")), "expected JSON"),
        (Fault(reply=Reply(body={"unix_seconds": [0, 900], "co2eq": [1.0], "co2eq_forecast": [None]})), "one length"),
        (Fault(reply=Reply(body={"unix_seconds": [], "co2eq": [], "co2eq_forecast": []})), "no reading of DE"),
        (Fault(reply=Reply(body={"unix_seconds": [0], "co2eq": [1e9], "co2eq_forecast": [None]})), "absurd value"),
        (Fault(reply=Reply(body={"detail": "soon"})), "expected lists"),
    ],
    ids=["slow", "cut", "dripping", "504", "422", "no JSON", "unequal", "empty", "absurd", "other shape"],
)
def test_an_unusable_answer(source: EnergyChartsSource, server: FakeEnergyCharts, fault: Fault, told: str) -> None:
    server.fail(fault, times=3)

    _refused(source, told)


@pytest.mark.parametrize(
    ("skew_min", "newest", "expected"),
    [
        (-90, time(22, 45), time(1, 15)),
        (-3, time(0, 15), time(1, 15)),
        (3, time(0, 15), time(1, 15)),
        (90, time(1, 15), time(2, 0)),
    ],
)
def test_a_server_whose_clock_differs(
    fetcher: Fetcher, clock: SetClock, skew_min: int, newest: time, expected: time
) -> None:
    """One that is behind has fewer readings; one that is ahead has some of the future, which are not shown."""
    with FakeEnergyCharts(epoch_s=lambda: clock.epoch_s + skew_min * 60, measured=measured, forecast=forecast) as fake:
        source = EnergyChartsSource(fetcher, base_url=fake.url, epoch_s=clock)
        readings = source.readings("DE", NOW - HOUR, NOW)
        forecasts = source.forecast("DE", NOW, 3600)

    assert readings[-1].at.time() == newest
    assert forecasts[0].at.time() == expected


def test_the_future_is_not_known(source: EnergyChartsSource) -> None:
    with pytest.raises(CarbonUnavailable, match="no reading of DE in 2026-04-01"):
        source.readings("DE", NOW + 3 * DAY, NOW + 4 * DAY)
    assert source.readings("DE", NOW, NOW + DAY)[-1].at < NOW
