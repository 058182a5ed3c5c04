"""One GET of a web service of carbon data: bounded in time, repeated where that helps, shared through a cache."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import NoReturn
from urllib.parse import urlsplit

from gacli.carbon.http_attempt import Adapter, Failure, Got, Request, fetch
from gacli.errors import CarbonUnavailable
from gacli.ports.answers import Answer, AnswerCache

_TRIES = 3
_BACKOFF_S = 0.5
_TRANSIENT = frozenset({500, 502, 503, 504})
_PAUSE_S = 60.0  # when the service does not say how long
_MIN_PAUSE_S, _MAX_PAUSE_S = 1.0, 3600.0  # who asks for more is asked again after an hour
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """What a service answered. path: the URL's path, for messages.

    from_cache: the service did not confirm the body in this call, so that it may be old; a 304 confirms it.
    """

    status: int
    body: str
    path: str
    from_cache: bool

    def json(self, service: str) -> object:
        """The body as JSON; CarbonUnavailable, naming `service` and the path, when it is none."""
        try:
            value: object = json.loads(self.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            found = repr(self.body[:60]) if self.body else "nothing"
            raise CarbonUnavailable(
                f"{service}: {self.path}: expected JSON, found {found} (HTTP {self.status})"
            ) from None
        return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class Fetcher:
    """GETs answers of web services for many sources, jobs and commands, which share `cache`. Safe to use in threads.

    epoch_s: real seconds since 1970. timeout_s: for a connection, and for each wait for a byte. deadline_s: for one
    `get` in all, repetitions included, however the service behaves; the wait for another process that fetches the
    same comes on top. Proxies and certificates are those of the environment; ~/.netrc is never used.
    """

    def __init__(
        self,
        cache: AnswerCache,
        *,
        epoch_s: Callable[[], float],
        timeout_s: float = 10.0,
        deadline_s: float = 30.0,
    ) -> None:
        self._cache = cache
        self._epoch_s = epoch_s
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s

    def get(
        self,
        service: str,
        url: str,
        *,
        params: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        fresh_s: float | None,
    ) -> Response:
        """The service's answer to one GET, whatever its status.

        fresh_s: seconds for which a kept answer is taken without asking; then it is asked whether it has changed. None:
        the answer holds a secret and is not kept. Only a status 200 with JSON is kept. headers: may hold secrets;
        params and url may not, they are part of the key. While the service is paused, or when it asks for a pause, a
        kept answer of any age is returned.

        Raises CarbonUnavailable when there is no HTTP answer in time: no connection, a redirection (never followed: it
        would be given the headers), a cut or too large body, a pause without a kept answer.
        """
        try:
            path, host = urlsplit(url).path or "/", urlsplit(url).hostname or ""
        except ValueError:
            raise CarbonUnavailable(
                f"{service}: expected a URL such as https://host/path, found another text"
            ) from None
        request = Request(service=service, url=url, path=path, host=host, params=dict(params), headers=dict(headers))
        if fresh_s is None:
            return self._respond(request, None, keep=False)
        kept = self._cache.get(request.key)
        if kept is not None and self._is_fresh(kept, fresh_s):
            return _kept(request, kept)
        with self._cache.alone(request.key):
            kept = self._cache.get(request.key)  # what another one has fetched meanwhile
            if kept is not None and self._is_fresh(kept, fresh_s):
                return _kept(request, kept)
            return self._respond(request, kept, keep=True)

    def pause(self, service: str, for_s: float = _PAUSE_S) -> None:
        """Leave the service alone for `for_s` (at most an hour), for those that ask for it in a way of their own."""
        self._cache.pause(service, self._epoch_s() + for_s)

    def _is_fresh(self, kept: Answer, fresh_s: float) -> bool:
        # An answer from the future means that the clock was set back: nothing is known of its age.
        return 0 <= self._epoch_s() - kept.fetched_epoch_s < fresh_s

    def _respond(self, request: Request, kept: Answer | None, *, keep: bool) -> Response:
        paused_s = self._cache.paused_until(request.service) - self._epoch_s()
        if 0 < paused_s <= _MAX_PAUSE_S:  # more is left of a clock that was set back
            return self._paused(request, kept, paused_s)
        got = self._fetch(request.conditional(kept))
        now = self._epoch_s()
        if (pause_s := _asked_pause_s(got, now)) is not None:
            self.pause(request.service, pause_s)
            return self._paused(request, kept, pause_s)
        if got.status == 304 and kept is not None:
            kept = replace(kept, fetched_epoch_s=now)
            self._cache.put(request.key, kept)
            return replace(_kept(request, kept), from_cache=False)
        response = Response(status=got.status, body=got.body, path=request.path, from_cache=False)
        if keep and got.status == 200:
            response.json(request.service)  # a log-in page or the like never displaces an answer
            answer = Answer(
                body=got.body,
                etag=got.headers.get("etag", ""),
                last_modified=got.headers.get("last-modified", ""),
                fetched_epoch_s=now,
            )
            self._cache.put(request.key, answer)
        return response

    @staticmethod
    def _paused(request: Request, kept: Answer | None, paused_s: float) -> Response:
        if kept is not None:
            return _kept(request, kept)
        raise CarbonUnavailable(
            f"{request.service}: {request.path}: no answer is kept, and the service is left alone for "
            f"{paused_s:.0f} s, as it asked for"
        )

    def _fetch(self, request: Request) -> Got:
        """The answer, after repetitions where the failure may pass."""
        deadline_s = time.monotonic() + self._deadline_s
        for left in reversed(range(_TRIES)):
            try:
                got = self._try(request, deadline_s)
            except Failure as failure:
                if not (left and failure.may_pass):
                    raise CarbonUnavailable(f"{request.service}: {request.path}: {failure}") from None
            else:
                if not left or got.status not in _TRANSIENT or "retry-after" in got.headers:
                    return got
            wait_s = _BACKOFF_S * 2 ** (_TRIES - 1 - left) * random.uniform(0.5, 1.0)  # noqa: S311 jitter
            if time.monotonic() + wait_s >= deadline_s:
                break
            time.sleep(wait_s)
        raise CarbonUnavailable(f"{request.service}: {request.path}: no answer within {self._deadline_s:.0f} s")

    def _try(self, request: Request, deadline_s: float) -> Got:
        """One attempt in a thread of its own: no timeout ends the look-up of a name, nor a slow drip of headers."""
        result: Future[Got] = Future()
        adapter = Adapter()

        def work() -> None:
            try:
                result.set_result(fetch(adapter, request, self._timeout_s, deadline_s))
            except BaseException as error:
                result.set_exception(error)

        threading.Thread(target=work, name=f"GET {request.service}", daemon=True).start()
        try:
            return result.result(max(0.0, deadline_s - time.monotonic()))
        except TimeoutError:
            adapter.cut()
            raise Failure(f"no whole answer within {self._deadline_s:.0f} s", may_pass=False) from None


def _kept(request: Request, answer: Answer) -> Response:
    return Response(status=200, body=answer.body, path=request.path, from_cache=True)


def _asked_pause_s(got: Got, now_epoch_s: float) -> float | None:
    """How long the service wants to be left alone; None when it does not ask for that."""
    asked = got.headers.get("retry-after", "")
    if got.status != 429 and not (asked and got.status == 503):
        return None
    pause_s = _PAUSE_S
    if asked.isdecimal():
        pause_s = float(asked)
    elif (until := _instant(asked)) is not None:
        # By the server's own clock, if it tells it: ours may differ.
        server_now = _instant(got.headers.get("date", "")) or datetime.fromtimestamp(now_epoch_s, UTC)
        pause_s = (until - server_now).total_seconds()
    return min(max(pause_s, _MIN_PAUSE_S), _MAX_PAUSE_S)


def _instant(http_date: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(http_date)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
