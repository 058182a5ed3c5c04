"""The last decisions with their reasons, and what went wrong lately."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from gacli.core.decision import Action, Decision
from gacli.views import formatting as fmt
from gacli.views.section import FRAME, Section, line, panel

_MOST = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """A warning or an error that viewers keep in sight. kind: `warning` or `error`."""

    at: datetime
    kind: str
    message: str


def decisions_panel(decisions: Sequence[Decision], now: datetime, width: int, *, rows: int) -> Section | None:
    """The newest first, like ones in a row taken together. rows: lines that it may fill, frame included."""
    room = rows - 2
    lines: list[RenderableType] = []
    for group in _grouped(decisions)[:_MOST]:
        wrapped = _lines(group, now, width - FRAME)
        fits = wrapped[: max(0, room - len(lines))]
        if not fits:
            break
        if len(fits) < len(wrapped):
            fits[-1].append(" …")
        lines += fits
    return panel("last decisions", lines, len(lines)) if lines else None


def notices_section(notices: Sequence[Notice], now: datetime) -> Section:
    """One line each."""
    lines = [
        line(
            (f" {fmt.short_clock(notice.at, now)} ", "dim"),
            (f"{notice.kind}: ", "bold red" if notice.kind == "error" else "bold yellow"),
            fmt.plain(notice.message),
        )
        for notice in notices
    ]
    return Section(Group(*lines), len(lines))


def _grouped(decisions: Sequence[Decision]) -> list[list[Decision]]:
    """Runs of the same action and target, each with its newest first; the newest run first."""
    groups: list[list[Decision]] = []
    for decision in reversed(decisions):
        newest = groups[-1][0] if groups else None
        if newest is not None and (newest.action, newest.target) == (decision.action, decision.target):
            groups[-1].append(decision)
        else:
            groups.append([decision])
    return groups


def _lines(group: Sequence[Decision], now: datetime, width: int) -> list[Text]:
    newest = group[0]
    moves = newest.action is Action.MOVE
    head = f"{fmt.short_clock(newest.at, now)} "
    what = f"{newest.action}" + (f" → {newest.target}" if newest.target else "")
    what += f" (×{len(group)})" if len(group) > 1 else ""
    reason = fmt.plain(newest.reason)
    indent = " " * len(head)
    wrapped = textwrap.wrap(f"{head}{what}: {reason}", width, subsequent_indent=indent, break_long_words=True)
    lines = [line(text) for text in wrapped]
    if lines:
        lines[0].stylize("dim", 0, len(head))
        lines[0].stylize("bold cyan" if moves else "bold", len(head), len(head) + len(what))
    return lines
