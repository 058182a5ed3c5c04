"""Electricity Maps over real sockets: readings, shares and forecasts of versions 3 and 4."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from support.electricity_maps_service import (
    HOUR,
    NOW,
    THIS_HOUR,
    TOKEN,
    Version,
    World,
    forty_days,
    intensity_of,
    values_of,
)

from gacli.carbon.fake.electricity_maps import DIRECT_SHARE, Hour
from gacli.carbon.fake.server import HIDDEN
from gacli.core.carbon import Quality, Scope
from gacli.errors import CarbonUnavailable


@pytest.mark.parametrize("version", ["v3", "v4"])
@pytest.mark.parametrize("scope", [Scope.LIFECYCLE, Scope.DIRECT])
@pytest.mark.parametrize("back_h", [0, 5, 23, 24, 240, 700])
def test_every_hour_of_both_versions(world: World, version: Version, scope: Scope, back_h: int) -> None:
    source = world.another(version=version, scope=scope)
    berlin = (NOW - back_h * HOUR).astimezone(ZoneInfo("Europe/Berlin"))  # its day has 23 hours
    readings = source.readings("DE", berlin, NOW)
    share = DIRECT_SHARE if scope is Scope.DIRECT else 1.0
    assert values_of(readings) == [
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
    assert values_of(readings) == [(THIS_HOUR, 100.0), (THIS_HOUR + HOUR, 99.5)]


def test_estimated_values_say_so(open_world: Callable[[list[Hour]], World]) -> None:
    assert open_world(forty_days(estimated=True)).now().quality is Quality.ESTIMATED


def test_null_and_missing_hours_are_no_readings(open_world: Callable[[list[Hour]], World]) -> None:
    hours = {hour.at: hour for hour in forty_days()}
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
    world = open_world([hour for hour in forty_days() if hour.at <= THIS_HOUR - 6 * HOUR])
    reading = world.now()
    assert reading.at == THIS_HOUR - 6 * HOUR
    assert reading.is_stale(NOW, 5 * 3600)


def test_data_that_ended_long_ago_is_none(open_world: Callable[[list[Hour]], World]) -> None:
    world = open_world([hour for hour in forty_days() if hour.at <= THIS_HOUR - 60 * HOUR])
    assert 'No recent data for zone "DE"' in world.refused()


@pytest.mark.parametrize("skew_s", [-2 * 3600.0, 2 * 3600.0])
def test_a_wrong_clock_of_the_server_brings_no_future(world: World, skew_s: float) -> None:
    world.clock.skew_s = skew_s
    assert world.now().at == min(THIS_HOUR, THIS_HOUR + timedelta(seconds=skew_s))


def test_shares_come_with_the_last_day_for_one_request(world: World) -> None:
    readings = world.source.readings("DE", NOW - 30 * HOUR, NOW)
    shares = {reading.at: reading.renewable_percent for reading in readings}
    assert [shares[THIS_HOUR - number * HOUR] for number in (0, 23, 24, 30)] == [40.0, 40.0, None, None]
    for _ in range(3):
        assert world.now().renewable_percent == 40.0
    assert world.paths().count("renewable-energy/history") == 1


def test_without_shares_the_intensity_is_as_good(open_world: Callable[[list[Hour]], World]) -> None:
    world = open_world(forty_days(renewable_percent=None))
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
    assert values_of(readings) == [(THIS_HOUR + number * HOUR, intensity_of(number)) for number in range(points)]
    assert {(each.quality, each.period_s, each.renewable_percent) for each in readings} == {
        (Quality.FORECAST, 3600.0, None)
    }


def test_no_forecast_for_a_zone(world: World) -> None:
    with pytest.raises(CarbonUnavailable, match="No forecast for zone"):
        world.source.forecast("ATLANTIS", NOW, 3600.0)
