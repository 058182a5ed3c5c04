"""What every fake API stands on: a small threaded server of JSON with faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

from typing_extensions import override

from gacli.errors import GaError

# Names of headers whose values never enter the log.
_SECRET = frozenset({"auth-token", "authorization", "proxy-authorization", "cookie"})
HIDDEN = "(hidden)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request. path: without the query. headers: names in lower case; in the log secrets are HIDDEN."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a fake API answers. body: JSON, or text that is sent as it is. headers: added to the usual ones."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What happens to one answer. What is left out stays as the API would answer.

    reply: sent in place of the API's own answer. headers: added to either. delay_s: silence before the answer.
    cut_bytes: the connection ends after so many bytes of the body. drip_s: seconds between any two bytes of the body,
    with `drip_head` of the headers, too.
    """

    reply: Reply | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut_bytes: int | None = None
    drip_s: float = 0.0
    drip_head: bool = False


@dataclass(slots=True)
class _Shared:
    """What the threads of one server have in common."""

    log: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)


class FakeServer:
    """Serves on 127.0.0.1 while it is entered. Subclasses answer in `answer`, which runs in many threads.

    epoch_s: the server's clock, seen in its `Date` header and by subclasses. port: 0 for any free one. Answers with
    status 200 carry an ETag unless they bring a `Last-Modified`, and are answered with 304 to who has them.
    """

    def __init__(self, *, epoch_s: Callable[[], float], port: int = 0) -> None:
        self.epoch_s = epoch_s
        self._shared = _Shared()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[Request]:
        """What was asked so far, oldest first, without secrets."""
        with self._shared.guard:
            return list(self._shared.log)

    def answer(self, request: Request) -> Reply:
        """What the API says to one GET; a GaError becomes a status 500."""
        raise NotImplementedError

    def fail(self, *faults: Fault, times: int = 1) -> None:
        """The next answers: these faults, one an answer and all of them `times` over, after those already planned."""
        with self._shared.guard:
            self._shared.faults.extend(faults * times)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shared.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def respond(self, request: Request, send: Callable[[bytes], object]) -> None:
        """Log one request and send the whole HTTP answer to it, as its fault wants it."""
        shown = {name: HIDDEN if name in _SECRET else value for name, value in request.headers.items()}
        with self._shared.guard:
            self._shared.log.append(Request(path=request.path, query=request.query, headers=shown))
            fault = self._shared.faults.pop(0) if self._shared.faults else Fault()
        reply = fault.reply or self._answer(request)
        head, body = self._encoded(request, reply, fault)
        stopping = self._shared.stopping
        stopping.wait(fault.delay_s)
        if not fault.drip_s:
            send(head + body[: fault.cut_bytes])
            return
        if not fault.drip_head:
            send(head)
        for byte in (head if fault.drip_head else b"") + body[: fault.cut_bytes]:
            send(bytes([byte]))
            if stopping.wait(fault.drip_s):
                return

    def _answer(self, request: Request) -> Reply:
        try:
            return self.answer(request)
        except GaError as error:
            return Reply(status=500, body={"error": error.message})

    def _encoded(self, request: Request, reply: Reply, fault: Fault) -> tuple[bytes, bytes]:
        body = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
        status = reply.status
        headers = {
            "Date": format_datetime(datetime.fromtimestamp(self.epoch_s(), UTC), usegmt=True),
            "Content-Type": "application/json; charset=utf-8",
            "Connection": "close",
            **reply.headers,
            **fault.headers,
        }
        if status == 200 and "Last-Modified" not in headers:
            headers.setdefault("ETag", f'"{hashlib.sha256(body).hexdigest()[:16]}"')
        asked = (request.headers.get("if-none-match"), request.headers.get("if-modified-since"))
        if status == 200 and any(asked) and asked == (headers.get("ETag"), headers.get("Last-Modified")):
            status, body = 304, b""
        else:
            headers["Content-Length"] = str(len(body))
        lines = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1"), body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # as some services make up
        return "Unknown"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout: ClassVar[float | None] = 60.0

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        request = Request(
            path=target.path,
            query=dict(parse_qsl(target.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        self.close_connection = True
        try:
            self.server.fake.respond(request, self.wfile.write)
        except OSError:
            return  # who asked has gone away, as faults make them do

    @override
    def log_message(self, *_: Any) -> None:
        """The log is `requests`."""
