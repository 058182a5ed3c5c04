"""Electricity Maps over real sockets: every documented error and trap of versions 3 and 4."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from support.electricity_maps_service import HOUR, NOW, THIS_HOUR, TOKEN, World

from gacli.carbon.fake.electricity_maps import Account
from gacli.carbon.fake.server import Fault, Reply
from gacli.errors import CarbonUnavailable

LATEST: dict[str, Any] = {
    "zone": "DE",
    "carbonIntensity": 144,
    "datetime": "2026-03-29T00:00:00.000Z",
    "emissionFactorType": "lifecycle",
    "isEstimated": False,
    "temporalGranularity": "hourly",
}


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
