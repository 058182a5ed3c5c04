"""Three ways to show a job as it goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text
from typing_extensions import override

from gacli.core.site import Site
from gacli.store import Store
from gacli.store.journal import Event
from gacli.views.decisions_panel import Notice
from gacli.views.emissions import RecentEmissions
from gacli.views.job_view import epoch_at, read_job
from gacli.views.lines import Lines
from gacli.views.stream import record_of, to_line
from gacli.views.summary_text import summary_lines
from gacli.views.tables import dashboard

# Real seconds without a line before one says that the job goes on.
_HEARTBEAT_S = 60.0


class Viewer(ABC):
    """Entered once; `show` is called several times a second, `conclude` once at the end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    @abstractmethod
    def show(self, events: Sequence[Event], now: datetime) -> None:
        """events: new ones, without the summary. now: on the job's clock."""

    @abstractmethod
    def conclude(self, summary: Event | None, now: datetime) -> None:
        """summary: None when the job is not over."""


class LiveViewer(Viewer):
    """Tables that are drawn over each other; the last ones stay, with the summary below."""

    def __init__(self, store: Store, job_id: str, sites: Sequence[Site], console: Console, max_age_s: float) -> None:
        self._store = store
        self._job_id = job_id
        self._sites = sites
        self._console = console
        self._max_age_s = max_age_s
        self._emissions = RecentEmissions(store, sites, job_id)
        self._notices: deque[Notice] = deque(maxlen=3)
        self._live = Live(console=console, auto_refresh=False, screen=False)

    @override
    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    @override
    def show(self, events: Sequence[Event], now: datetime) -> None:
        self._notices += [
            Notice(at=event.at, kind=event.kind, message=str(event.body["message"]))
            for event in events
            if event.kind in ("warning", "error")
        ]
        self._draw(now)

    @override
    def conclude(self, summary: Event | None, now: datetime) -> None:
        self._emissions.forget()
        self._draw(now)
        self._live.stop()
        if summary is not None:
            self._console.print(Text("\n".join(summary_lines(summary.body))), soft_wrap=True)

    def _draw(self, now: datetime) -> None:
        epoch_s = epoch_at(self._store.jobs.get(self._job_id), now)
        view = read_job(
            self._store,
            self._job_id,
            self._sites,
            now=now,
            emissions=self._emissions.at(epoch_s),
            max_age_s=self._max_age_s,
        )
        width, height = self._console.size
        # One line less than the terminal has: the cursor stands on the last.
        shown = dashboard(view, width, height - 1, notices=tuple(self._notices))
        self._live.update(shown, refresh=True)


class LinesViewer(Viewer):
    """One line an event for logs and cron, and a sign of life in between."""

    def __init__(self, store: Store, job_id: str, out: TextIO) -> None:
        self._store = store
        self._job_id = job_id
        self._out = out
        self._lines = Lines()
        self._said_s: float | None = None

    @override
    def show(self, events: Sequence[Event], now: datetime) -> None:
        lines = [line for event in events for line in self._lines.of(event)]
        job = self._store.jobs.get(self._job_id)
        epoch_s = epoch_at(job, now)
        if self._said_s is None or lines:
            self._said_s = epoch_s
        elif epoch_s - self._said_s >= _HEARTBEAT_S:
            self._said_s = epoch_s
            progress = self._store.journal.progress(self._job_id)
            lines = [self._lines.heartbeat(now, job.state, job.detail, progress)]
        _write(self._out, lines)

    @override
    def conclude(self, summary: Event | None, now: datetime) -> None:
        if summary is not None:
            _write(self._out, self._lines.of(summary))


class JsonViewer(Viewer):
    """One object an event; the summary's is the last."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    @override
    def show(self, events: Sequence[Event], now: datetime) -> None:
        _write(self._out, (to_line(record_of(event)) for event in events))

    @override
    def conclude(self, summary: Event | None, now: datetime) -> None:
        if summary is not None:
            _write(self._out, [to_line(record_of(summary))])


def _write(out: TextIO, lines: Iterable[str]) -> None:
    """At once, so that a pipe's reader sees what happens when it does."""
    wrote = False
    for line in lines:
        # A log in a poorer encoding than the text's loses an arrow, not the line.
        encoding = out.encoding or "utf-8"
        out.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        wrote = True
    if wrote:
        out.flush()
