"""Preemption notices from metadata services over real connections: questions, answers, refusals and nonsense."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typing_extensions import override

from ga_playbooks.agent.notices import Notices

NOW_S = 1_795_000_000.0
AT_S = 1_795_257_005.0  # 2026-11-21T10:30:05Z
TOKEN, ACTION = "/latest/api/token", "/latest/meta-data/spot/instance-action"
PREEMPTED, MAINTENANCE = (f"/computeMetadata/v1/instance/{name}" for name in ("preempted", "maintenance-event"))
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
NAME = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
TERMINATE = json.dumps({"action": "terminate", "time": "2026-11-21T10:30:05Z"})
FIRMWARE = {
    "ec2": ("sys_vendor", "Amazon EC2"),
    "gce": ("product_name", "Google Compute Engine"),
    "azure": ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77"),
}


class Service(ThreadingHTTPServer):
    """answers: by path, a body (status 200) or a status with headers and body; all else is a 404."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, str | tuple[int, dict[str, str], str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.token, self.tokens = "", 0

    def refusal(self, path: str, headers: dict[str, str], method: str) -> int:
        """What the real ones insist on."""
        if path == TOKEN:
            return 0 if method == "PUT" and "x-aws-ec2-metadata-token-ttl-seconds" in headers else 405
        if path.startswith("/latest/"):
            return 0 if headers.get("x-aws-ec2-metadata-token") == self.token else 401
        needed = ("metadata-flavor", "Google") if path.startswith("/computeMetadata/") else ("metadata", "true")
        return 0 if headers.get(needed[0]) == needed[1] else 403


class Handler(BaseHTTPRequestHandler):
    server: Service

    def answer(self) -> None:
        service = self.server
        service.asked.append((self.command, self.path))
        status: int
        headers: dict[str, str] = {}
        given = service.answers.get(self.path, (404, {}, "not found"))
        status, headers, body = (200, {}, given) if isinstance(given, str) else given
        refusal = service.refusal(
            self.path, {name.lower(): value for name, value in self.headers.items()}, self.command
        )
        if refusal:
            status, headers, body = refusal, {}, "refused"
        elif self.path == TOKEN and status == 200:
            service.tokens += 1
            service.token = body = f"token-{service.tokens}=="
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_PUT = answer  # noqa: N815 - http.server asks for these names

    @override
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


Look = Callable[[], float | None]


def looking(folder: Path, address: tuple[str, int], cloud: str) -> Look:
    """One round of questions a call, all at the same time NOW_S; says when the machine is taken."""
    field, value = FIRMWARE[cloud]
    (folder / field).write_text(value + "\n")
    notices = Notices({}, address=address, dmi=str(folder))
    sources = notices.cloud_sources()

    def look() -> float | None:
        notices.look(sources, NOW_S)
        return notices.taken_at_s

    return look


@pytest.fixture
def ask(tmp_path: Path, service: Service) -> Callable[[str], Look]:
    return lambda cloud: looking(tmp_path, ("127.0.0.1", service.server_port), cloud)


def event(**changes: object) -> dict[str, object]:
    described = {"EventId": "e1", "EventType": "Preempt", "ResourceType": "VirtualMachine", "Resources": ["vm-1"]}
    return {**described, "EventStatus": "Scheduled", "NotBefore": "Sat, 21 Nov 2026 10:30:05 GMT", **changes}


def events(*listed: dict[str, object]) -> str:
    return json.dumps({"DocumentIncarnation": 3, "Events": listed})


def test_ec2_says_nothing_with_a_404_and_the_time_with_a_200(ask: Callable[[str], Look], service: Service) -> None:
    look = ask("ec2")
    service.answers[TOKEN] = ""
    service.answers["/latest/meta-data/events/recommendations/rebalance"] = '{"noticeTime": "2026-11-21T10:30:05Z"}'
    assert look() is None
    service.answers[ACTION] = TERMINATE
    assert look() == AT_S
    service.answers[ACTION] = (503, {}, "")
    assert look() == AT_S
    del service.answers[ACTION]
    assert look() is None
    assert service.asked == [("PUT", TOKEN), *[("GET", ACTION)] * 3, ("PUT", TOKEN), ("GET", ACTION)]


def test_ec2_an_expired_token_is_renewed_at_once(ask: Callable[[str], Look], service: Service) -> None:
    look = ask("ec2")
    service.answers.update({TOKEN: "", ACTION: TERMINATE})
    assert look() == AT_S
    service.token = "another"
    del service.answers[ACTION]
    assert look() is None
    assert (service.tokens, len(service.asked)) == (2, 5)


def test_ec2_tokens_that_are_never_accepted_are_no_busy_loop(ask: Callable[[str], Look], service: Service) -> None:
    look = ask("ec2")
    service.answers.update({TOKEN: "", ACTION: (401, {}, "")})
    assert look() is None
    assert service.asked == [("PUT", TOKEN), ("GET", ACTION)] * 2
    service.answers[ACTION] = TERMINATE
    assert look() == AT_S


@pytest.mark.parametrize("status", [403, 404, 500])
def test_ec2_without_tokens_nothing_is_asked(ask: Callable[[str], Look], service: Service, status: int) -> None:
    service.answers[TOKEN] = (status, {}, TERMINATE)
    assert ask("ec2")() is None
    assert service.asked == [("PUT", TOKEN)]


@pytest.mark.parametrize(
    ("body", "expected_s"),
    [
        ('{"action": "stop", "time": "2026-11-21T10:30:05Z"}', AT_S),
        ('{"action": "hibernate", "time": "2026-11-21T10:30:05Z"}', AT_S),
        ('{"action": "terminate"}', NOW_S + 120),
        ('{"action": "terminate", "time": "soon"}', NOW_S + 120),
        *((body, None) for body in ("", "<html>sign in</html>", "[]", "null", "7", "{}", '{"action": "wait"}')),
        ("[" * 60_000, None),
        (json.dumps({"action": "terminate", "time": "2026-11-21T10:30:05Z", "pad": "x" * 1_000_000}), None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_ec2_bodies(ask: Callable[[str], Look], service: Service, body: str, expected_s: float | None) -> None:
    service.answers.update({TOKEN: "", ACTION: body})
    assert ask("ec2")() == expected_s


@pytest.mark.parametrize(
    ("preempted", "maintenance", "expected_s"),
    [
        ("FALSE", "NONE", None),
        ("FALSE\n", "MIGRATE_ON_HOST_MAINTENANCE", None),
        ("TRUE", "NONE", NOW_S + 30),
        ("TRUE\n", "TERMINATE_ON_HOST_MAINTENANCE", NOW_S + 30),
        ("FALSE", "TERMINATE_ON_HOST_MAINTENANCE", NOW_S + 60),
        ("<html>TRUE</html>", "", None),
    ],
)
def test_gce_values(
    ask: Callable[[str], Look], service: Service, preempted: str, maintenance: str, expected_s: float | None
) -> None:
    service.answers.update({PREEMPTED: preempted, MAINTENANCE: maintenance})
    look = ask("gce")
    assert look() == expected_s
    service.answers.update({PREEMPTED: "FALSE", MAINTENANCE: (503, {}, "")})  # of two, one keeps silent
    assert look() == (NOW_S + 60 if "TERMINATE" in maintenance else None)
    service.answers[MAINTENANCE] = "NONE"
    assert look() is None


@pytest.mark.parametrize(
    ("listed", "expected_s"),
    [
        ([], None),
        ([event()], AT_S),
        ([event(EventType="Terminate", Resources=["VM-1", "vm-2"])], AT_S),
        ([event(EventStatus="Started", NotBefore="")], NOW_S + 30),
        ([event(NotBefore="later")], NOW_S + 30),
        ([event(Resources=["vm-10", "vm-2"])], None),
        ([event(Resources=[])], None),
        *(([event(EventType=kind)], None) for kind in ("Freeze", "Reboot", "Redeploy")),
        *(([event(EventStatus=status)], None) for status in ("Canceled", "Completed")),
        ([{}, event(EventId="e0", Resources=["vm-2"], NotBefore=""), event(), event(EventType="Freeze")], AT_S),
    ],
)
def test_azure_events(
    ask: Callable[[str], Look], service: Service, listed: list[dict[str, object]], expected_s: float | None
) -> None:
    service.answers.update({EVENTS: events(*listed), NAME: "Vm-1"})
    assert ask("azure")() == expected_s


def test_azure_an_event_keeps_its_time_when_it_starts_and_ends_when_it_is_cancelled(
    ask: Callable[[str], Look], service: Service
) -> None:
    look = ask("azure")
    service.answers.update({EVENTS: events(event()), NAME: (500, {}, "")})
    assert look() is None  # whose it is cannot be told yet
    service.answers[NAME] = "vm-1"
    assert look() == AT_S
    service.answers[EVENTS] = events(event(EventStatus="Started", NotBefore=""))
    assert look() == AT_S
    for nonsense in ("", "{", '{"Events": null}', '{"Events": [3]}', events(event(Resources=None))):
        service.answers[EVENTS] = nonsense
        assert look() == AT_S
    service.answers[EVENTS] = events()
    assert look() is None


def test_no_redirect_is_followed_and_no_proxy_asked(
    ask: Callable[[str], Look], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    service.answers.update({PREEMPTED: (302, {"Location": "/other"}, "TRUE"), "/other": "TRUE", MAINTENANCE: "NONE"})
    look = ask("gce")
    assert look() is None
    assert service.asked == [("GET", PREEMPTED), ("GET", MAINTENANCE)]
    service.answers[PREEMPTED] = "TRUE"
    assert look() == NOW_S + 30
