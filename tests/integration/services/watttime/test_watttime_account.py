"""The source `watttime` and its account: log-in, tokens, what the plan covers, limits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.set_clock import SetClock
from support.watttime_service import (
    BASIC,
    HOUR,
    NOW,
    PASSWORD,
    STEP,
    ZONE,
    Recorded,
    asked,
    refused,
    source_of,
)

from gacli.carbon.fake.server import Fault, Reply
from gacli.carbon.fake.watttime import FakeWattTime
from gacli.carbon.watttime import WattTimeSource
from gacli.errors import CarbonUnavailable


def test_one_log_in_serves_for_25_minutes(source: WattTimeSource, server: FakeWattTime, clock: SetClock) -> None:
    for _ in range(15):
        source.readings(ZONE, NOW, NOW)
        source.forecast(ZONE, NOW, 3600)
        clock.forward(timedelta(seconds=240))

    # 56 minutes: the token is renewed before the service would refuse it.
    assert len(asked(server, "/login")) == 3
    assert len(server.requests) == 3 + 2 * 15


def test_a_token_that_ends_in_mid_run_is_renewed_once(
    source: WattTimeSource, server: FakeWattTime, clock: SetClock
) -> None:
    before = source.readings(ZONE, NOW - HOUR, NOW)
    server.revoke()
    clock.forward(STEP)

    assert len(source.readings(ZONE, NOW - HOUR, NOW + STEP)) == len(before) + 1
    assert [request.path for request in server.requests] == [
        "/login", "/v3/historical", "/v3/historical", "/login", "/v3/historical"
    ]  # fmt: skip


def test_a_new_token_that_is_refused_is_no_reason_to_go_on(source: WattTimeSource, server: FakeWattTime) -> None:
    body = {"error": "Invalid or expired token"}
    denied = Fault(reply=Reply(status=401, body=body))
    server.fail(Fault(), denied, Fault(), denied)

    refused(source, r"/v3/historical: a token that was issued just now is refused \(HTTP 401\)")
    assert len(server.requests) == 4


def test_wrong_password(server: FakeWattTime, cache: Recorded, clock: SetClock) -> None:
    error = refused(source_of(server, cache, clock, password="other"), r"/login: .* is refused \(HTTP 401\)")

    assert error.hint == "check the name and password of the WattTime account"
    assert [request.path for request in server.requests] == ["/login"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body="eyJ0b2tlbiI6 is your token"),
        Reply(body={"jwt": "eyJ0b2tlbiI6"}),
        Reply(body={"token": ""}),
        Reply(body=["eyJ0b2tlbiI6"]),
        Reply(status=418, body={"token": "eyJ0b2tlbiI6"}),
    ],
)
def test_a_log_in_without_a_token_shows_nothing_of_its_answer(
    source: WattTimeSource, server: FakeWattTime, reply: Reply
) -> None:
    server.fail(Fault(reply=reply))

    refused(source, "/login: expected a token, found none")


def test_secrets_are_never_kept(source: WattTimeSource, server: FakeWattTime, cache: Recorded, clock: SetClock) -> None:
    source.readings(ZONE, NOW - HOUR, NOW)
    server.revoke()
    clock.forward(HOUR)
    source.readings(ZONE, NOW, NOW + HOUR)
    source.forecast(ZONE, NOW + HOUR, 3600)

    assert len(cache.kept) == 6
    assert not [text for text in cache.kept for secret in ("eyJ0b2tlbiI6", PASSWORD, BASIC, "login") if secret in text]


@pytest.mark.parametrize(
    ("region", "told", "hint"),
    [
        ("PJM_NJ", r"the account's plan does not cover region PJM_NJ \(HTTP 403\)", "CAISO_NORTH alone"),
        ("ATLANTIS", r"WattTime does not cover region ATLANTIS \(HTTP 404\)", "check the name of the region"),
    ],
)
def test_regions_without_access(
    server: FakeWattTime, cache: Recorded, clock: SetClock, region: str, told: str, hint: str
) -> None:
    assert hint in refused(source_of(server, cache, clock, region=region), told).hint


def test_a_zone_without_a_region(source: WattTimeSource, server: FakeWattTime) -> None:
    told = f"no WattTime region is known for zone DE; zones with one: {ZONE}"
    with pytest.raises(CarbonUnavailable, match=told):
        source.readings("DE", NOW, NOW)
    with pytest.raises(CarbonUnavailable, match=told):
        source.forecast("DE", NOW, 3600)
    assert server.requests == []


def test_a_limit_leaves_the_service_alone_and_takes_what_is_kept(
    source: WattTimeSource, server: FakeWattTime, clock: SetClock
) -> None:
    known = source.readings(ZONE, NOW, NOW)
    clock.forward(timedelta(seconds=90))
    limited = Fault(reply=Reply(status=429, body={"error": "Too many requests"}, headers={"Retry-After": "120"}))
    server.fail(limited)
    with pytest.raises(CarbonUnavailable, match="left alone for 120 s"):
        source.forecast(ZONE, NOW, 3600)
    asked = len(server.requests)

    clock.forward(timedelta(seconds=60))
    assert source.readings(ZONE, NOW, NOW) == known  # kept for 150 s, and older than that when it is paused
    with pytest.raises(CarbonUnavailable, match="the service is left alone for 60 s"):
        source.forecast(ZONE, NOW, 3600)
    assert len(server.requests) == asked

    clock.forward(timedelta(seconds=61))
    assert source.forecast(ZONE, NOW, 3600)


def test_a_limit_of_log_ins(source: WattTimeSource, server: FakeWattTime) -> None:
    server.fail(Fault(reply=Reply(status=429, body={"error": "Too many logins"})))

    refused(source, "watttime: /login: .* left alone for 60 s")
    refused(source, "watttime: /login: .* left alone for 60 s")
    assert len(server.requests) == 1


def test_a_clock_that_was_set_back_means_a_new_log_in(
    source: WattTimeSource, server: FakeWattTime, clock: SetClock
) -> None:
    source.readings(ZONE, NOW, NOW)
    clock.forward(-2 * HOUR)
    source.readings(ZONE, NOW - 2 * HOUR, NOW - 2 * HOUR)

    assert len(asked(server, "/login")) == 2
