"""The whole display of one job, fitted into a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group

from gacli.views.decisions_panel import Notice, decisions_panel, notices_section
from gacli.views.emissions_panel import emissions_panel
from gacli.views.job_panel import job_panel
from gacli.views.job_view import JobView
from gacli.views.section import Section
from gacli.views.sites_panel import sites_panel

# Lines of a decisions panel that is worth its frame.
_DECISIONS_WORTH = 3
_DECISIONS_ROWS = 14
_FEWEST_SITES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class _Room:
    """How much of each part is shown; None: all of it."""

    sites: int | None = None
    steps: int | None = None
    notices: int = 2
    emissions_table: bool = True


def dashboard(view: JobView, width: int, height: int | None = None, *, notices: Sequence[Notice] = ()) -> Group:
    """Everything about one job at `width` columns; with `height`, in at most that many lines (24 are enough).

    What does not fit goes in this order: decisions, sites that the job has nothing to do with, long steps but the
    first, notices but the newest, emissions by site and phase.
    """
    sections: list[Section] = []
    rows = 0
    for room in _rooms(len(view.sites)):
        sections = _sections(view, width, room, notices)
        rows = sum(section.rows for section in sections)
        if height is None or rows <= height:
            break
    left = _DECISIONS_ROWS if height is None else min(_DECISIONS_ROWS, height - rows)
    if left >= _DECISIONS_WORTH:
        decisions = decisions_panel(view.decisions, view.now, width, rows=left)
        sections += [] if decisions is None else [decisions]
    return Group(*(section.renderable for section in sections))


def _rooms(sites: int) -> Iterator[_Room]:
    """From everything to the least that still tells where the job stands."""
    yield _Room()
    for listed in range(sites - 1, _FEWEST_SITES - 1, -1):
        yield _Room(sites=listed)
    fewest = min(sites, _FEWEST_SITES)
    yield _Room(sites=fewest, steps=1)
    yield _Room(sites=fewest, steps=1, notices=1)
    yield _Room(sites=fewest, steps=1, notices=1, emissions_table=False)
    yield _Room(sites=1, steps=0, notices=0, emissions_table=False)


def _sections(view: JobView, width: int, room: _Room, notices: Sequence[Notice]) -> list[Section]:
    shown = notices[-room.notices :] if room.notices else ()
    return [
        job_panel(view, width, max_steps=room.steps),
        sites_panel(view, width, most=room.sites),
        emissions_panel(view.emissions, view.signals, width, table=room.emissions_table),
        *([notices_section(shown, view.now)] if shown else []),
    ]
