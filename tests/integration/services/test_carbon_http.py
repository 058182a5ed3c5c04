"""The HTTP layer of the carbon sources over real sockets: what is kept, how long is waited, what never leaves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from support.set_clock import SetClock
from support.waiting import wait_for
from typing_extensions import override

from gacli.carbon import http_attempt
from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.fake.server import HIDDEN, FakeServer, Fault, Reply, Request
from gacli.carbon.http import Fetcher, Response
from gacli.errors import CarbonUnavailable

NOW = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
SECRET = "s3cret-t0ken"
ZONE = {"zone": "DE"}


class Numbers(FakeServer):
    """Answers `{"n": value}` to everything, with an ETag, or with `last_modified` in its place."""

    value = 1
    last_modified = ""

    @override
    def answer(self, request: Request) -> Reply:
        headers = {"Last-Modified": self.last_modified} if self.last_modified else {}
        return Reply(body={"n": self.value, "query": dict(request.query)}, headers=headers)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def server(clock: SetClock) -> Iterator[Numbers]:
    with Numbers(epoch_s=clock) as running:
        yield running


@pytest.fixture
def cache() -> MemoryAnswers:
    return MemoryAnswers()


@pytest.fixture
def fetcher(cache: MemoryAnswers, clock: SetClock) -> Fetcher:
    return Fetcher(cache, epoch_s=clock)


def _get(fetcher: Fetcher, server: FakeServer, *, fresh_s: float | None = 60.0, path: str = "/v3/latest") -> Response:
    headers = {"auth-token": SECRET}
    return fetcher.get("numbers", server.url + path, params=ZONE, headers=headers, fresh_s=fresh_s)


def _n(response: Response) -> object:
    value = response.json("numbers")
    assert isinstance(value, dict)
    return value["n"]


def _refused(fetcher: Fetcher, server: FakeServer) -> str:
    """The message of a failing GET, which holds no secret, host or query."""
    with pytest.raises(CarbonUnavailable) as caught:
        _get(fetcher, server)
    message = str(caught.value)
    assert message.startswith("numbers: /v3/latest: ")
    assert not any(hidden in message for hidden in (SECRET, "auth-token", "zone=", "127.0.0.1"))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


def test_an_answer_is_what_the_server_says(fetcher: Fetcher, server: Numbers) -> None:
    response = _get(fetcher, server)
    assert (response.status, response.path, response.from_cache) == (200, "/v3/latest", False)
    assert response.json("numbers") == {"n": 1, "query": ZONE}
    assert server.requests[0].headers["user-agent"].startswith("ga-cli/")
    assert server.requests[0].headers["auth-token"] == HIDDEN


def test_two_fetchers_share_one_answer(server: Numbers, cache: MemoryAnswers, clock: SetClock) -> None:
    assert _n(_get(Fetcher(cache, epoch_s=clock), server)) == 1
    server.value = 2
    clock.epoch_s += 59
    again = _get(Fetcher(cache, epoch_s=clock), server)
    assert (_n(again), again.from_cache, len(server.requests)) == (1, True, 1)
    clock.epoch_s += 1
    assert _n(_get(Fetcher(cache, epoch_s=clock), server)) == 2


def test_ten_at_once_ask_once(fetcher: Fetcher, server: Numbers) -> None:
    server.fail(Fault(delay_s=0.2))
    threads = [threading.Thread(target=_get, args=(fetcher, server)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1


def test_another_query_is_another_answer(fetcher: Fetcher, server: Numbers) -> None:
    for zone in ("DE", "FR", "DE"):
        got = fetcher.get("numbers", server.url + "/v3/latest", params={"zone": zone, "a": "&"}, fresh_s=60)
        assert got.json("numbers") == {"n": 1, "query": {"zone": zone, "a": "&"}}
    assert [request.query["zone"] for request in server.requests] == ["DE", "FR"]


@pytest.mark.parametrize("validator", ["if-none-match", "if-modified-since"])
def test_unchanged_answers_are_renewed(fetcher: Fetcher, server: Numbers, clock: SetClock, validator: str) -> None:
    if validator == "if-modified-since":
        server.last_modified = format_datetime(NOW, usegmt=True)
    _get(fetcher, server)
    clock.epoch_s += 100
    renewed = _get(fetcher, server)
    assert (renewed.status, _n(renewed), renewed.from_cache) == (200, 1, False)
    assert [validator in request.headers for request in server.requests] == [False, True]
    clock.epoch_s += 59
    assert _get(fetcher, server).from_cache  # fresh since the 304
    assert len(server.requests) == 2


def test_changed_answers_are_replaced(fetcher: Fetcher, server: Numbers, clock: SetClock) -> None:
    _get(fetcher, server)
    server.value = 2
    clock.epoch_s += 100
    assert _n(_get(fetcher, server)) == 2
    assert _n(_get(fetcher, server)) == 2
    assert len(server.requests) == 2


def test_a_secret_answer_is_not_kept(fetcher: Fetcher, server: Numbers) -> None:
    for expected in (1, 2):
        assert _n(_get(fetcher, server, fresh_s=None)) == server.value == expected
        server.value += 1
    assert not any(name.startswith("if-") for request in server.requests for name in request.headers)


def test_a_clock_set_back_makes_no_answer_fresh_for_years(fetcher: Fetcher, server: Numbers, clock: SetClock) -> None:
    _get(fetcher, server)
    clock.epoch_s -= 86400
    _get(fetcher, server)
    assert len(server.requests) == 2


def test_a_wrong_clock_of_the_server_is_harmless(cache: MemoryAnswers, clock: SetClock) -> None:
    fetcher = Fetcher(cache, epoch_s=clock)
    for skew_s in (-86400.0, 86400.0):
        with Numbers(epoch_s=lambda skew_s=skew_s: clock() + skew_s) as server:  # type: ignore[misc]
            assert [_n(_get(fetcher, server)), _n(_get(fetcher, server))] == [1, 1]
            assert len(server.requests) == 1
            until = format_datetime(NOW + timedelta(seconds=skew_s + 90), usegmt=True)
            server.fail(Fault(reply=Reply(status=429), headers={"Retry-After": until}))
            with pytest.raises(CarbonUnavailable, match="left alone for 90 s"):
                _get(fetcher, server, path="/v3/other")
        cache.pause("numbers", 0)


@pytest.mark.parametrize(
    ("status", "retry_after", "paused_s"),
    [
        (429, "120", 120),
        (503, "120", 120),
        (429, None, 60),
        (429, "soon", 60),
        (429, "0", 1),
        (429, "9" * 400, 3600),
        (429, format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (429, format_datetime(NOW - timedelta(days=1), usegmt=True), 1),
        (503, format_datetime(NOW + timedelta(days=9), usegmt=True), 3600),
    ],
)
def test_a_pause_is_kept_by_all(
    server: Numbers, cache: MemoryAnswers, clock: SetClock, status: int, retry_after: str | None, paused_s: int
) -> None:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    server.fail(Fault(reply=Reply(status=status, body={"error": "slow down"}), headers=headers))
    one, other = Fetcher(cache, epoch_s=clock), Fetcher(cache, epoch_s=clock)
    assert f"left alone for {paused_s} s" in _refused(one, server)
    clock.epoch_s += paused_s - 0.5
    assert "no answer is kept" in _refused(other, server)
    assert len(server.requests) == 1
    clock.epoch_s += 0.5
    assert _n(_get(other, server)) == 1


def test_while_paused_an_old_answer_serves(fetcher: Fetcher, server: Numbers, clock: SetClock) -> None:
    _get(fetcher, server)
    clock.epoch_s += 86400
    server.fail(Fault(reply=Reply(status=429), headers={"Retry-After": "60"}))
    assert [(_n(got), got.from_cache) for got in (_get(fetcher, server), _get(fetcher, server))] == [(1, True)] * 2
    assert len(server.requests) == 2


def test_a_pause_is_of_one_service(fetcher: Fetcher, server: Numbers) -> None:
    fetcher.pause("other")
    assert _n(_get(fetcher, server)) == 1
    fetcher.pause("numbers", 30)
    assert _get(fetcher, server).from_cache


def test_a_pause_of_a_clock_set_back_is_forgotten(fetcher: Fetcher, server: Numbers, clock: SetClock) -> None:
    fetcher.pause("numbers")
    clock.epoch_s -= 86400
    assert _n(_get(fetcher, server)) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failures_of_the_server_are_tried_again(fetcher: Fetcher, server: Numbers, status: int) -> None:
    server.fail(Fault(reply=Reply(status=status, body="<html>")), times=2)
    assert _n(_get(fetcher, server)) == 1
    assert len(server.requests) == 3


@pytest.mark.parametrize(("status", "asked"), [(500, 3), (400, 1), (401, 1), (404, 1), (501, 1), (599, 1)])
def test_other_answers_are_the_callers(fetcher: Fetcher, server: Numbers, status: int, asked: int) -> None:
    server.fail(Fault(reply=Reply(status=status, body={"error": "no"})), times=asked)
    got = _get(fetcher, server)
    assert (got.status, got.json("numbers"), len(server.requests)) == (status, {"error": "no"}, asked)
    assert _n(_get(fetcher, server)) == 1  # it was not kept


@pytest.mark.parametrize("cut_bytes", [0, 5])
def test_a_cut_answer_is_tried_again_and_never_kept(fetcher: Fetcher, server: Numbers, cut_bytes: int) -> None:
    server.fail(Fault(cut_bytes=cut_bytes), times=3)
    assert "the connection failed or broke" in _refused(fetcher, server)
    assert len(server.requests) == 3
    server.fail(Fault(cut_bytes=cut_bytes), times=2)
    assert _n(_get(fetcher, server)) == 1


def test_nobody_there(fetcher: Fetcher, clock: SetClock) -> None:
    with Numbers(epoch_s=clock) as server:
        pass
    assert "Connection refused" in _refused(fetcher, server)


@pytest.mark.parametrize("body", ["<html>Log in</html>", "", '{"n": NaN}', '{"n": 1', "[" * 100_000])
def test_what_is_no_json_is_not_kept(fetcher: Fetcher, server: Numbers, clock: SetClock, body: str) -> None:
    _get(fetcher, server)
    clock.epoch_s += 100
    server.fail(Fault(reply=Reply(body=body)))
    assert "expected JSON" in _refused(fetcher, server)
    fetcher.pause("numbers")
    assert _n(_get(fetcher, server)) == 1  # the answer before it is still there


@pytest.mark.parametrize("drip_head", [False, True])
def test_a_drip_ends_at_the_deadline(server: Numbers, cache: MemoryAnswers, clock: SetClock, drip_head: bool) -> None:
    long = Reply(body="[" + " " * 5000 + "]", headers={"X-Long": "x" * 5000})
    server.fail(Fault(drip_s=0.05, drip_head=drip_head, reply=long))
    assert "no whole answer within" in _refused(Fetcher(cache, epoch_s=clock, deadline_s=0.4), server)
    assert len(server.requests) == 1
    # The one who waits in vain leaves no thread behind.
    wait_for(
        lambda: not any(thread.name == "GET numbers" for thread in threading.enumerate()), "the end of the request"
    )


def test_silence_is_tried_again_until_the_deadline(server: Numbers, cache: MemoryAnswers, clock: SetClock) -> None:
    server.fail(Fault(delay_s=30))
    assert _n(_get(Fetcher(cache, epoch_s=clock, timeout_s=0.2), server)) == 1
    server.fail(Fault(delay_s=30), times=9)
    clock.epoch_s += 100
    assert "within 1 s" in _refused(Fetcher(cache, epoch_s=clock, timeout_s=0.4, deadline_s=0.6), server)


def test_too_large_a_body(fetcher: Fetcher, server: Numbers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_attempt, "MAX_BODY_BYTES", 2**20)
    server.fail(Fault(reply=Reply(body="[" + " " * 2**20 + "]")))
    assert "expected at most 1 MiB" in _refused(fetcher, server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirection_is_given_the_token(fetcher: Fetcher, server: Numbers, clock: SetClock, status: int) -> None:
    with Numbers(epoch_s=clock) as other:
        target = f"{other.url.replace('127.0.0.1', 'localhost')}/steal?zone=DE"
        server.fail(Fault(reply=Reply(status=status, headers={"Location": target})))
        assert "redirection" in _refused(fetcher, server)
        assert (len(server.requests), other.requests) == (1, [])


def test_netrc_is_ignored(fetcher: Fetcher, server: Numbers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login any password body\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    _get(fetcher, server)
    url = "http://carbon.invalid/v3/latest"  # by a proxy, since the loopback takes nothing from the environment
    monkeypatch.setenv("http_proxy", server.url)
    fetcher.get("numbers", url, fresh_s=0)
    fetcher.get("numbers", url, headers={"Authorization": "Bearer mine"}, fresh_s=0)
    assert ["authorization" in request.headers for request in server.requests] == [False, False, True]


def test_proxies_of_the_environment(fetcher: Fetcher, server: Numbers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    assert _n(fetcher.get("numbers", "http://carbon.invalid/v3/latest", params=ZONE, fresh_s=60)) == 1
    assert (server.requests[0].headers["host"], server.requests[0].path) == ("carbon.invalid", "/v3/latest")


def test_no_proxy_for_the_loopback(fetcher: Fetcher, server: Numbers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert _n(_get(fetcher, server)) == 1


def test_a_broken_proxy_is_told_without_its_password(
    fetcher: Fetcher, server: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:  # bound, but nobody listens
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://me:{SECRET}@127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(CarbonUnavailable, match="proxy") as caught:
            fetcher.get("numbers", "http://carbon.invalid/v3/latest", params=ZONE, fresh_s=60)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("ftp://127.0.0.1/v3/latest", SECRET),
        ("127.0.0.1/v3/latest", SECRET),
        ("http:///v3/latest", SECRET),
        ("http://[::1/v3/latest", SECRET),
        (None, f"{SECRET}\nEvil: yes"),
        (None, f"{SECRET}→"),
    ],
)
def test_requests_that_cannot_be_made(fetcher: Fetcher, server: Numbers, url: str | None, token: str) -> None:
    with pytest.raises(CarbonUnavailable) as caught:
        fetcher.get("numbers", url or server.url, headers={"auth-token": token}, fresh_s=60)
    assert SECRET not in str(caught.value)
    assert server.requests == []
