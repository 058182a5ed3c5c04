"""Electricity Maps over real sockets: every documented answer, error and trap of versions 3 and 4."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest

from gacli.carbon import http
from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.electricity_maps import ElectricityMapsSource
from gacli.carbon.fake.electricity_maps import (
    DIRECT_SHARE,
    Account,
    FakeElectricityMaps,
    Hour,
    table_of,
)
from gacli.carbon.fake.server import HIDDEN, Fault, Reply
from gacli.carbon.http import Fetcher
from gacli.core.carbon import Quality, Reading, Scope
from gacli.errors import CarbonUnavailable

Version = Literal["v3", "v4"]
HOUR = timedelta(hours=1)
# The Sunday on which Europe puts its clocks forward at 01:00 UTC, half an hour before that.
NOW = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
THIS_HOUR = NOW.replace(minute=0)
TOKEN = "s3cret-t0ken"


class Clock:
    """Real time as the tests want it; seconds ahead of it, the server's."""

    def __init__(self) -> None:
        self.epoch_s = NOW.timestamp()
        self.skew_s = 0.0

    def __call__(self) -> float:
        return self.epoch_s

    def of_server(self) -> float:
        return self.epoch_s + self.skew_s


def _hours(**changes: object) -> list[Hour]:
    """40 days back and 4 ahead; the hour n hours before this one has 100 + n g/kWh, those ahead less."""
    hours = []
    for number in range(-40 * 24, 4 * 24):
        hour = Hour(at=THIS_HOUR + number * HOUR, intensity_g_per_kwh=_intensity(number), renewable_percent=40.0)
        hours.append(replace(hour, **changes))  # type: ignore[arg-type]
    return hours


def _intensity(number: int) -> float:
    return 100.0 - number if number <= 0 else 100.0 - number / 2


class World:
    """A server with the zones DE and FR, and one source that asks it."""

    def __init__(self, clock: Clock, server: FakeElectricityMaps, cache: MemoryAnswers) -> None:
        self.clock = clock
        self.server = server
        self.cache = cache
        self.source = self.another()

    def another(
        self, *, version: Version = "v4", scope: Scope = Scope.LIFECYCLE, token: str = TOKEN
    ) -> ElectricityMapsSource:
        """A source as another process has it, which shares the cache."""
        return ElectricityMapsSource(
            Fetcher(self.cache, epoch_s=self.clock, deadline_s=5.0),
            token=token,
            base_url=self.server.url,
            version=version,
            scope=scope,
            epoch_s=self.clock,
        )

    def now(self, zone: str = "DE") -> Reading:
        """The reading that a poll finds."""
        at = datetime.fromtimestamp(self.clock.epoch_s, UTC)
        return self.source.readings(zone, at, at)[-1]

    def refused(self, zone: str = "DE") -> str:
        """The message of a failing poll, which has no secret."""
        with pytest.raises(CarbonUnavailable) as caught:
            self.now(zone)
        assert TOKEN not in f"{caught.value} {caught.value.__context__}"
        assert caught.value.message.startswith("electricitymaps: /v4/carbon-intensity/")
        return str(caught.value)

    def paths(self) -> list[str]:
        return [request.path.split("/", 2)[2] for request in self.server.requests]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_BACKOFF_S", 0.01)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_world(clock: Clock) -> Iterator[Callable[[list[Hour]], World]]:
    """Makes a world whose zone DE has these hours."""
    servers: list[FakeElectricityMaps] = []

    def make(hours: list[Hour]) -> World:
        table = table_of({"DE": hours, "FR": _hours(intensity_g_per_kwh=30.0)})
        server = FakeElectricityMaps(table, epoch_s=clock.of_server, account=Account(token=TOKEN))
        servers.append(server.__enter__())
        return World(clock, server, MemoryAnswers())

    yield make
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture
def world(open_world: Callable[[list[Hour]], World]) -> World:
    return open_world(_hours())


def _of(readings: list[Reading]) -> list[tuple[datetime, float]]:
    return [(reading.at, reading.intensity_g_per_kwh) for reading in readings]


@pytest.mark.parametrize("version", ["v3", "v4"])
@pytest.mark.parametrize("scope", [Scope.LIFECYCLE, Scope.DIRECT])
@pytest.mark.parametrize("back_h", [0, 5, 23, 24, 240, 700])
def test_every_hour_of_both_versions(world: World, version: Version, scope: Scope, back_h: int) -> None:
    source = world.another(version=version, scope=scope)
    berlin = (NOW - back_h * HOUR).astimezone(ZoneInfo("Europe/Berlin"))  # its day has 23 hours
    readings = source.readings("DE", berlin, NOW)
    share = DIRECT_SHARE if scope is Scope.DIRECT else 1.0
    assert _of(readings) == [
        (THIS_HOUR - number * HOUR, (100.0 + number) * share) for number in reversed(range(back_h + 1))
    ]
    assert {(reading.scope, reading.quality, reading.period_s) for reading in readings} == {
        (scope, Quality.MEASURED, 3600.0)
    }
    for request in world.server.requests:
        assert request.path.startswith(f"/{version}/")
        assert request.headers["auth-token"] == HIDDEN
        assert request.query["zone"] == "DE"
        assert request.query["disableCallerLookup"] == "true"
        assert request.query["emissionFactorType"] == scope.value


def test_neither_cache_nor_log_holds_the_token(world: World) -> None:
    world.source.readings("DE", NOW - 24 * HOUR, NOW)
    assert world.server.requests
    assert TOKEN not in repr(vars(world.cache)) + repr(world.server.requests)


def test_many_jobs_share_one_fetch(world: World) -> None:
    for _ in range(5):
        world.another().readings("DE", NOW - 30 * HOUR, NOW)
    asked = [(request.path, *sorted(request.query.items())) for request in world.server.requests]
    assert len(asked) == len(set(asked))
    assert {path.split("/")[1] for path in world.paths()} == {"latest", "history", "past-range"}


def test_a_scope_never_serves_for_the_other(world: World) -> None:
    assert world.now().intensity_g_per_kwh == 100.0
    assert world.another(scope=Scope.DIRECT).readings("DE", NOW, NOW)[0].intensity_g_per_kwh == 75.0


def test_the_next_hour_arrives(world: World) -> None:
    assert world.now().at == THIS_HOUR
    world.clock.epoch_s += 3600
    readings = world.source.readings("DE", THIS_HOUR, NOW + HOUR)
    assert _of(readings) == [(THIS_HOUR, 100.0), (THIS_HOUR + HOUR, 99.5)]


def test_estimated_values_say_so(open_world: Callable[[list[Hour]], World]) -> None:
    assert open_world(_hours(estimated=True)).now().quality is Quality.ESTIMATED


def test_null_and_missing_hours_are_no_readings(open_world: Callable[[list[Hour]], World]) -> None:
    hours = {hour.at: hour for hour in _hours()}
    for number in (0, 1, 3, 30):
        hours[THIS_HOUR - number * HOUR] = replace(hours[THIS_HOUR - number * HOUR], intensity_g_per_kwh=None)
    del hours[THIS_HOUR - 5 * HOUR], hours[THIS_HOUR - 31 * HOUR]
    world = open_world(list(hours.values()))
    readings = world.source.readings("DE", NOW - 32 * HOUR, NOW)
    missing = {THIS_HOUR - number * HOUR for number in (0, 1, 3, 5, 30, 31)}
    assert {reading.at for reading in readings} == {THIS_HOUR - n * HOUR for n in range(33)} - missing
    assert all(reading.intensity_g_per_kwh >= 100.0 for reading in readings)
    assert world.now().at == THIS_HOUR - 2 * HOUR


def test_late_data_shows_its_age(open_world: Callable[[list[Hour]], World]) -> None:
    world = open_world([hour for hour in _hours() if hour.at <= THIS_HOUR - 6 * HOUR])
    reading = world.now()
    assert reading.at == THIS_HOUR - 6 * HOUR
    assert reading.is_stale(NOW, 5 * 3600)


def test_data_that_ended_long_ago_is_none(open_world: Callable[[list[Hour]], World]) -> None:
    world = open_world([hour for hour in _hours() if hour.at <= THIS_HOUR - 60 * HOUR])
    assert 'No recent data for zone "DE"' in world.refused()


@pytest.mark.parametrize("skew_s", [-2 * 3600.0, 2 * 3600.0])
def test_a_wrong_clock_of_the_server_brings_no_future(world: World, skew_s: float) -> None:
    world.clock.skew_s = skew_s
    assert world.now().at == min(THIS_HOUR, THIS_HOUR + timedelta(seconds=skew_s))


def test_a_zone_that_it_does_not_know(world: World) -> None:
    message = world.refused("ATLANTIS")  # and not the values of the caller's own zone
    assert 'No recent data for zone "ATLANTIS"' in message
    assert "ga carbon zones" in message


def test_error_404_with_status_200(world: World) -> None:
    body = {"error": 'No recent data for zone "DE"'}
    world.server.fail(Fault(reply=Reply(status=200, body=body)), times=2)
    assert "No recent data" in world.refused()


def test_no_latest_value_but_a_history(world: World) -> None:
    world.server.fail(Fault(reply=Reply(status=200, body={"error": 'No recent data for zone "DE"'})))
    assert world.now().at == THIS_HOUR


def test_a_wrong_token(world: World) -> None:
    world.server.account = Account(token="another")
    message = world.refused()
    assert "the token was refused" in message
    assert "check the token" in message
    assert world.cache.paused_until("electricitymaps") == 0  # nothing is gained by waiting


@pytest.mark.parametrize(
    ("account", "message"),
    [
        (Account(token=TOKEN, zones=frozenset({"FR"})), "Request unauthorized for zoneKey=DE"),
        (Account(token=TOKEN, paths=frozenset({"forecast"})), "Your plan does not include latest"),
    ],
)
def test_what_the_account_may_not_see(world: World, account: Account, message: str) -> None:
    assert world.now("FR").zone == "FR"  # the token itself is accepted
    world.server.account = account
    assert message in world.refused()
    assert "this account may not see it" in world.refused()
    assert world.cache.paused_until("electricitymaps") == 0


def test_a_plain_403_is_a_denial(world: World) -> None:
    world.server.fail(Fault(reply=Reply(status=403, body="Access denied")), times=2)
    assert "this account may not see it (HTTP 403): 'Access denied'" in world.refused()


def test_an_account_without_the_past_still_has_the_last_day(world: World) -> None:
    world.server.account = Account(token=TOKEN, paths=frozenset({"latest", "history"}))
    readings = world.source.readings("DE", NOW - 600 * HOUR, NOW)
    assert [reading.at for reading in readings] == [THIS_HOUR - number * HOUR for number in reversed(range(24))]
    assert world.paths().count("carbon-intensity/past-range") == 1
    with pytest.raises(CarbonUnavailable, match="does not include past-range"):
        world.source.readings("DE", NOW - 600 * HOUR, NOW - 500 * HOUR)


def test_401_for_too_many_requests_is_a_pause(world: World) -> None:
    world.server.account = replace(world.server.account, requests_per_minute=2)  # latest and shares
    assert world.now().intensity_g_per_kwh == 100.0
    message = world.refused("FR")
    assert "HTTP 401 for a token that was accepted before" in message
    assert "left alone for a minute" in message
    asked = len(world.server.requests)
    world.clock.epoch_s += 59
    assert "left alone" in world.refused("FR")
    assert world.another().readings("DE", NOW, NOW)[0].intensity_g_per_kwh == 100.0  # kept, and shared
    assert len(world.server.requests) == asked
    world.clock.epoch_s += 1
    assert world.now("FR").intensity_g_per_kwh == 30.0


def test_401_for_too_many_requests_leaves_old_answers(world: World) -> None:
    world.now()
    world.clock.epoch_s += 1200
    world.server.account = replace(world.server.account, requests_per_minute=0)
    assert world.now().at == THIS_HOUR
    assert world.cache.paused_until("electricitymaps") == world.clock.epoch_s + 60


def test_a_token_withdrawn_in_mid_run(world: World) -> None:
    world.now()
    world.clock.epoch_s += 7 * 3600
    world.server.account = Account(token="another")
    assert world.now().is_stale(NOW + 7 * HOUR, 3600.0)  # old answers serve as what they are: old
    world.clock.epoch_s += 61
    assert "may have been withdrawn" in world.refused("FR")


def test_a_rate_limit_that_says_so(world: World) -> None:
    body = {"message": "API rate limit exceeded"}
    world.server.fail(Fault(reply=Reply(status=401, body=body)))
    assert "left alone for a minute" in world.refused()


def test_429_is_a_pause(world: World) -> None:
    world.server.fail(Fault(reply=Reply(status=429, headers={"Retry-After": "30"})))
    assert "left alone for 30 s" in world.refused()
    world.clock.epoch_s += 30
    assert world.now().at == THIS_HOUR


def test_sandbox_values_are_refused(world: World) -> None:
    world.server.account = replace(world.server.account, sandbox=True)
    assert "those of a sandbox" in world.refused()
    with pytest.raises(CarbonUnavailable, match="sandbox"):
        world.source.forecast("DE", NOW, 3600.0)


LATEST: dict[str, Any] = {
    "zone": "DE",
    "carbonIntensity": 144,
    "datetime": "2026-03-29T00:00:00.000Z",
    "emissionFactorType": "lifecycle",
    "isEstimated": False,
    "temporalGranularity": "hourly",
}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (LATEST | {"zone": "FR"}, "expected values of zone DE, found 'FR'"),
        (LATEST | {"emissionFactorType": "direct"}, "expected emission factors lifecycle"),
        (LATEST | {"carbonIntensity": -1}, "absurd"),
        (LATEST | {"carbonIntensity": 2001}, "absurd"),
        (json.dumps(LATEST).replace("144", "NaN"), "expected JSON"),
        ("<html>Please log in</html>", "expected JSON"),
        ([], "expected a JSON object"),
        ({"history": "none", "zone": "DE"}, "expected a list of values"),
    ],
)
def test_answers_that_cannot_be_trusted(world: World, body: object, message: str) -> None:
    world.server.fail(Fault(reply=Reply(status=200, body=body)))
    assert message in world.refused()
    world.clock.epoch_s += 301
    assert world.now().intensity_g_per_kwh == 100.0


@pytest.mark.parametrize(
    ("fault", "tries", "message"),
    [
        (Reply(status=400, body={"status": "error", "message": f"bad {TOKEN}"}), 1, "HTTP 400: 'bad (token)'"),
        (Reply(status=500, body="<html>oops</html>"), 3, "expected values, found HTTP 500"),
        (Reply(status=418, body=[1]), 1, "expected values, found HTTP 418"),
        (None, 3, "the connection failed or broke"),
        (Reply(status=302, headers={"Location": "http://localhost:1/"}), 1, "redirection"),
    ],
)
def test_failures_are_told_and_pass(world: World, fault: Reply | None, tries: int, message: str) -> None:
    world.server.fail(Fault(reply=fault) if fault else Fault(cut_bytes=20), times=tries)
    assert message in world.refused()
    assert len(world.server.requests) == tries
    assert world.now().intensity_g_per_kwh == 100.0


def test_shares_come_with_the_last_day_for_one_request(world: World) -> None:
    readings = world.source.readings("DE", NOW - 30 * HOUR, NOW)
    shares = {reading.at: reading.renewable_percent for reading in readings}
    assert [shares[THIS_HOUR - number * HOUR] for number in (0, 23, 24, 30)] == [40.0, 40.0, None, None]
    for _ in range(3):
        assert world.now().renewable_percent == 40.0
    assert world.paths().count("renewable-energy/history") == 1


def test_without_shares_the_intensity_is_as_good(open_world: Callable[[list[Hour]], World]) -> None:
    world = open_world(_hours(renewable_percent=None))
    for _ in range(3):
        reading = world.now()
        assert (reading.intensity_g_per_kwh, reading.renewable_percent) == (100.0, None)
    assert world.paths().count("renewable-energy/history") == 1
    world.clock.epoch_s += 1801
    world.now()
    assert world.paths().count("renewable-energy/history") == 2


@pytest.mark.parametrize("version", ["v3", "v4"])
@pytest.mark.parametrize(("horizon_h", "points"), [(1, 2), (6, 7), (24, 25), (96, 73)])
def test_forecasts(world: World, version: Version, horizon_h: int, points: int) -> None:
    readings = world.another(version=version).forecast("DE", NOW, horizon_h * 3600.0)
    assert _of(readings) == [(THIS_HOUR + number * HOUR, _intensity(number)) for number in range(points)]
    assert {(each.quality, each.period_s, each.renewable_percent) for each in readings} == {
        (Quality.FORECAST, 3600.0, None)
    }


def test_no_forecast_for_a_zone(world: World) -> None:
    with pytest.raises(CarbonUnavailable, match="No forecast for zone"):
        world.source.forecast("ATLANTIS", NOW, 3600.0)
