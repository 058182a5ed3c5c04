"""One attempt at one HTTP GET: where it may go, how large and how slow its answer may be, how its failure is told."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from gacli import __version__
from gacli.ports.answers import Answer

MAX_BODY_BYTES = 32 * 2**20
_CHUNK_BYTES = 64 * 2**10
_REDIRECTIONS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    service: str
    url: str
    path: str
    host: str
    params: dict[str, str]
    headers: dict[str, str]

    @property
    def key(self) -> str:
        return f"GET {self.url}?{urlencode(sorted(self.params.items()))}"

    def conditional(self, kept: Answer | None) -> Request:
        asked = dict(self.headers)
        if kept is not None and kept.etag:
            asked["If-None-Match"] = kept.etag
        if kept is not None and kept.last_modified:
            asked["If-Modified-Since"] = kept.last_modified
        return replace(self, headers=asked)


@dataclass(frozen=True, kw_only=True, slots=True)
class Got:
    """headers: names in lower case."""

    status: int
    body: str
    headers: dict[str, str]


class Failure(Exception):
    """An attempt that ended without an HTTP answer; the text holds nothing of URL or headers."""

    def __init__(self, text: str, *, may_pass: bool) -> None:
        super().__init__(text)
        self.may_pass = may_pass


class Adapter(HTTPAdapter):
    """Knows its connections, so that one on which headers drip can be cut from another thread."""

    def __init__(self) -> None:
        super().__init__()
        self._connections: list[HTTPConnection] = []

    @override
    def get_connection_with_tls_context(  # type: ignore[no-untyped-def]
        self, request, verify, proxies=None, cert=None
    ) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        assert isinstance(pool, HTTPConnectionPool)  # nothing else is mounted here
        connect = pool.ConnectionCls

        def opened(*args: object, **options: object) -> object:
            connection = connect(*args, **options)  # type: ignore[arg-type]
            self._connections.append(connection)  # type: ignore[arg-type]
            return connection

        pool.ConnectionCls = opened  # type: ignore[assignment]
        return pool

    def cut(self) -> None:
        for connection in self._connections:
            if connection.sock is not None:
                try:
                    connection.sock.shutdown(2)
                except OSError:  # it is closed already
                    continue


def fetch(adapter: HTTPAdapter, request: Request, timeout_s: float, deadline_s: float) -> Got:
    with requests.Session() as session:
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        session.auth = _as_it_is  # else requests would take credentials from ~/.netrc
        session.trust_env = not _is_loopback(request.host)  # no proxy reaches this computer's own loopback
        try:
            with session.get(
                request.url,
                params=request.params,
                headers={"Accept": "application/json", "User-Agent": f"ga-cli/{__version__}", **request.headers},
                timeout=min(timeout_s, max(0.001, deadline_s - time.monotonic())),
                allow_redirects=False,
                stream=True,
            ) as response:
                if response.status_code in _REDIRECTIONS:
                    raise _redirected(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Got(status=response.status_code, body=_body(response, deadline_s), headers=headers)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise _explained(error, timeout_s) from None


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _body(response: requests.Response, deadline_s: float) -> str:
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise Failure(f"expected at most {MAX_BODY_BYTES // 2**20} MiB, found more", may_pass=False)
        if time.monotonic() > deadline_s:
            raise Failure("the answer came too slowly", may_pass=False)
    return body.decode(errors="replace")


def _redirected(response: requests.Response) -> Failure:
    target = urlsplit(response.headers.get("Location", ""))
    return Failure(
        f"expected an answer, found a redirection (HTTP {response.status_code}) to "
        f"{target.hostname or 'another path'}, which is not followed because it would be given the credentials",
        may_pass=False,
    )


def _explained(error: Exception, timeout_s: float) -> Failure:
    """Which failure it is. The library's own text may hold the URL with its query, a proxy's password or a header."""
    if isinstance(error, requests.exceptions.SSLError):
        return Failure("the server's certificate or encryption is not acceptable", may_pass=False)
    if isinstance(error, requests.exceptions.ProxyError):
        return Failure("the proxy of the environment could not be used", may_pass=True)
    if isinstance(error, (requests.exceptions.Timeout, TimeoutError)):
        return Failure(f"no answer within {timeout_s:.0f} s", may_pass=True)
    if isinstance(error, ValueError):  # of requests' own, too: an unusable URL, proxy or header
        return Failure(f"the request could not be made ({type(error).__name__})", may_pass=False)
    return Failure(f"the connection failed or broke ({_reason(error)})", may_pass=True)


def _reason(error: BaseException) -> str:
    """The system's words for the failure behind the libraries' wrappings, else the kind of the innermost one."""
    seen: BaseException = error
    while True:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        inner = [each for each in (*seen.args, getattr(seen, "reason", None)) if isinstance(each, BaseException)]
        following = seen.__cause__ or seen.__context__ or (inner[0] if inner else None)
        if following is None:
            return type(seen).__name__
        seen = following
