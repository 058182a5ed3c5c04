"""The source `watttime` against a server that speaks its API: log-in, limits, lateness and everything it may refuse."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from typing_extensions import override

from gacli.carbon import http
from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.fake.server import Fault, Reply, Request
from gacli.carbon.fake.watttime import FakeWattTime
from gacli.carbon.http import Fetcher
from gacli.carbon.watttime import G_PER_KWH_PER_LB_PER_MWH, WattTimeSource
from gacli.core.carbon import Quality, Reading, Scope, Signal, reading_at
from gacli.errors import CarbonUnavailable
from gacli.ports.answers import Answer
from gacli.ports.carbon import CarbonSource, ForecastSource

NOW = datetime(2026, 11, 21, 12, 3, 20, tzinfo=UTC)
ZONE, REGION = "US-CAL-CISO", "CAISO_NORTH"
USER, PASSWORD = "ada", "pass:wörd 12"
BASIC = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
STEP, HOUR, DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)


class Clock:
    """Real time as the tests want it."""

    def __init__(self) -> None:
        self.epoch_s = NOW.timestamp()

    def __call__(self) -> float:
        return self.epoch_s

    def forward(self, by: timedelta) -> None:
        self.epoch_s += by.total_seconds()


class Recorded(MemoryAnswers):
    """Remembers everything that was ever kept."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    @override
    def put(self, key: str, answer: Answer) -> None:
        self.kept += [key, repr(answer)]
        super().put(key, answer)


def moer(_region: str, at: datetime) -> float | None:
    """A value that names its instant; nothing between 03:00 and 03:30 of any day."""
    return None if at.hour == 3 and at.minute < 30 else 300.0 + at.timestamp() // 300 % 2000


def grams(at: datetime) -> float:
    value = moer(REGION, at)
    assert value is not None
    return value * G_PER_KWH_PER_LB_PER_MWH


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_BACKOFF_S", 0.01)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache() -> Recorded:
    return Recorded()


@pytest.fixture
def server(clock: Clock) -> Iterator[FakeWattTime]:
    fake = FakeWattTime(
        epoch_s=lambda: clock.epoch_s, moer=moer, user=USER, password=PASSWORD, denied=("PJM_NJ",), late_s=600
    )
    with fake:
        yield fake


def _source(server: FakeWattTime, cache: MemoryAnswers, clock: Clock, **changed: str) -> WattTimeSource:
    return WattTimeSource(
        Fetcher(cache, epoch_s=clock, timeout_s=1.0, deadline_s=1.5),
        user=USER,
        password=changed.get("password", PASSWORD),
        regions={ZONE: changed.get("region", REGION)},
        base_url=server.url,
        epoch_s=clock,
    )


@pytest.fixture
def source(server: FakeWattTime, cache: Recorded, clock: Clock) -> WattTimeSource:
    return _source(server, cache, clock)


def _asked(server: FakeWattTime, path: str) -> list[Request]:
    return [request for request in server.requests if request.path == path]


def _refused(source: WattTimeSource, told: str) -> CarbonUnavailable:
    with pytest.raises(CarbonUnavailable, match=told) as caught:
        source.readings(ZONE, NOW - HOUR, NOW)
    text = str(caught.value)
    assert not any(secret in text for secret in (PASSWORD, BASIC, "eyJ0b2tlbiI6"))
    return caught.value


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


def test_imputed_values_are_estimates(cache: Recorded, clock: Clock) -> None:
    fake = FakeWattTime(
        epoch_s=clock, moer=moer, user=USER, password=PASSWORD, late_s=0, imputed=lambda at: at.minute < 30
    )
    with fake:
        readings = _source(fake, cache, clock).readings(ZONE, NOW - HOUR, NOW)

    assert {reading.quality for reading in readings if reading.at.minute < 30} == {Quality.ESTIMATED}
    assert {reading.quality for reading in readings if reading.at.minute >= 30} == {Quality.MEASURED}


def test_the_reading_in_force_is_the_newest_that_is_published(source: WattTimeSource, server: FakeWattTime) -> None:
    (newest,) = source.readings(ZONE, NOW, NOW)
    assert newest.at == datetime(2026, 11, 21, 11, 50, tzinfo=UTC)

    server.late_s = 3600.0
    assert source.readings(ZONE, NOW, NOW) == [newest]  # of the same answer


def test_late_data_are_shown_with_their_age_and_then_missed(
    server: FakeWattTime, cache: Recorded, clock: Clock
) -> None:
    source = _source(server, cache, clock)
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
        for request in _asked(server, "/v3/historical")
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


def test_horizons_and_jobs_share_one_answer(server: FakeWattTime, cache: Recorded, clock: Clock) -> None:
    for _ in range(2):
        source = _source(server, cache, clock)
        for hours in (24, 72):
            source.forecast(ZONE, NOW, hours * 3600)
        source.readings(ZONE, NOW - HOUR, NOW)

    assert len(_asked(server, "/v3/forecast")) == len(_asked(server, "/v3/historical")) == 1


def test_only_the_present_is_forecast(source: WattTimeSource, server: FakeWattTime) -> None:
    with pytest.raises(
        CarbonUnavailable, match="forecasts begin at the present 2026-11-21T12:03:20Z, not at 2026-11-20"
    ):
        source.forecast(ZONE, NOW - DAY, 3600)
    assert server.requests == []


def test_one_log_in_serves_for_25_minutes(source: WattTimeSource, server: FakeWattTime, clock: Clock) -> None:
    for _ in range(15):
        source.readings(ZONE, NOW, NOW)
        source.forecast(ZONE, NOW, 3600)
        clock.forward(timedelta(seconds=240))

    # 56 minutes: the token is renewed before the service would refuse it.
    assert len(_asked(server, "/login")) == 3
    assert len(server.requests) == 3 + 2 * 15


def test_a_token_that_ends_in_mid_run_is_renewed_once(
    source: WattTimeSource, server: FakeWattTime, clock: Clock
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
    refused = Fault(reply=Reply(status=401, body=body))
    server.fail(Fault(), refused, Fault(), refused)

    _refused(source, r"/v3/historical: a token that was issued just now is refused \(HTTP 401\)")
    assert len(server.requests) == 4


def test_wrong_password(server: FakeWattTime, cache: Recorded, clock: Clock) -> None:
    error = _refused(_source(server, cache, clock, password="other"), r"/login: .* is refused \(HTTP 401\)")

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

    _refused(source, "/login: expected a token, found none")


def test_secrets_are_never_kept(source: WattTimeSource, server: FakeWattTime, cache: Recorded, clock: Clock) -> None:
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
    server: FakeWattTime, cache: Recorded, clock: Clock, region: str, told: str, hint: str
) -> None:
    assert hint in _refused(_source(server, cache, clock, region=region), told).hint


def test_a_zone_without_a_region(source: WattTimeSource, server: FakeWattTime) -> None:
    told = f"no WattTime region is known for zone DE; zones with one: {ZONE}"
    with pytest.raises(CarbonUnavailable, match=told):
        source.readings("DE", NOW, NOW)
    with pytest.raises(CarbonUnavailable, match=told):
        source.forecast("DE", NOW, 3600)
    assert server.requests == []


def test_a_limit_leaves_the_service_alone_and_takes_what_is_kept(
    source: WattTimeSource, server: FakeWattTime, clock: Clock
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

    _refused(source, "watttime: /login: .* left alone for 60 s")
    _refused(source, "watttime: /login: .* left alone for 60 s")
    assert len(server.requests) == 1


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

    _refused(source, "expected a token, found none" if at == "log-in" and fault.reply else told)


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

    _refused(source, told)


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

    _refused(source, "'percentile'")


@pytest.mark.parametrize(
    ("skew", "newest"),
    [
        (timedelta(minutes=-40), time(11, 20)),
        (timedelta(minutes=-3), time(12, 0)),
        (timedelta(minutes=3), time(12, 0)),
        (timedelta(minutes=40), time(12, 0)),
    ],
)
def test_a_server_whose_clock_differs(cache: Recorded, clock: Clock, skew: timedelta, newest: time) -> None:
    server = FakeWattTime(
        epoch_s=lambda: clock.epoch_s + skew.total_seconds(), moer=moer, user=USER, password=PASSWORD, late_s=0
    )
    with server:
        source = _source(server, cache, clock)
        readings = source.readings(ZONE, NOW - 2 * HOUR, NOW)
        expected = source.forecast(ZONE, NOW, 2 * 3600)
        clock.forward(timedelta(minutes=26))
        source.readings(ZONE, NOW, NOW)

    found = reading_at(readings, NOW)
    assert found is not None
    assert found.at.time() == newest
    assert all(_touches(reading, NOW, NOW + 2 * HOUR) for reading in expected)
    assert len(_asked(server, "/login")) == 2


def _touches(reading: Reading, start: datetime, end: datetime) -> bool:
    return reading.at <= end and reading.at + timedelta(seconds=reading.period_s) > start


def test_a_clock_that_was_set_back_means_a_new_log_in(
    source: WattTimeSource, server: FakeWattTime, clock: Clock
) -> None:
    source.readings(ZONE, NOW, NOW)
    clock.forward(-2 * HOUR)
    source.readings(ZONE, NOW - 2 * HOUR, NOW - 2 * HOUR)

    assert len(_asked(server, "/login")) == 2


def test_the_future_is_not_asked_for(source: WattTimeSource, server: FakeWattTime) -> None:
    with pytest.raises(CarbonUnavailable, match="no reading of CAISO_NORTH"):
        source.readings(ZONE, NOW + DAY, NOW + 2 * DAY)
    assert source.readings(ZONE, NOW - HOUR, NOW + DAY)[-1].at < NOW
    assert [request.query["end"] for request in _asked(server, "/v3/historical")] == ["2026-11-21T12:00Z"]
