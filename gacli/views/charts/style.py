"""How charts look: one figure each, without the state of a display, on a page or in a file of their own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gacli.core.energy import Phase
from gacli.core.site import Site

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_IN = 9.5
_SMALL, _NORMAL = 8.5, 9.5
_NOTE_COLUMNS = 120

# Told apart by people with any kind of colour vision, and seen on white as well as on black.
PALETTE = ("#2f7ed8", "#e08214", "#1b9e77", "#c2539b", "#8c6bd1", "#b0413e", "#5f9e2f", "#9a7b4f")
OTHERS = "#8a9099"
PHASE_COLOURS: Mapping[Phase, str] = {
    Phase.TRAIN: "#2f7ed8",
    Phase.CHECKPOINT: "#e08214",
    Phase.TRANSFER: "#c2539b",
    Phase.IDLE: "#8a9099",
    Phase.BOOT: "#1b9e77",
}


@dataclass(frozen=True, slots=True)
class Theme:
    """ink: of words and lines. paper: the background, None for that of the page. titled: the chart says itself what it
    shows; on a page its caption does."""

    ink: str
    paper: str | None
    titled: bool


# This ink stands for the page's own and is replaced by it: black or white, as the reader's system has it.
PAGE = Theme(ink="#010203", paper=None, titled=False)
FILE = Theme(ink="#1f2328", paper="#ffffff", titled=True)


def site_colours(sites: Sequence[Site]) -> dict[str, str]:
    """By site name; the sites that come first have colours of their own, those beyond the palette share one."""
    return {site.name: colour for site, colour in zip(sites, (*PALETTE, *[OTHERS] * len(sites)), strict=False)}


def figure(theme: Theme, title: str, note: str, height_in: float) -> Figure:
    """An empty one, as wide as all others. note: what the figures rest on, below the title."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)
    made = Figure(figsize=(_WIDTH_IN, height_in), layout=layout, facecolor=theme.paper or "none")
    if theme.titled:
        words = title + "\n" + textwrap.fill(note, _NOTE_COLUMNS) if note else title
        made.suptitle(words, x=0.01, ha="left", fontsize=_NORMAL, color=theme.ink, parse_math=False)
    return made


def dress(axes: Axes, theme: Theme, label: str) -> None:
    """Words and lines in the theme's ink; label: of the vertical axis, with its unit."""
    axes.set_facecolor("none")
    axes.set_ylabel(label, fontsize=_NORMAL, color=theme.ink, parse_math=False)
    axes.tick_params(labelsize=_SMALL, colors=theme.ink)
    axes.set_axisbelow(True)
    axes.grid(color=theme.ink, alpha=0.15, linewidth=0.6)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(theme.ink)
        spine.set_alpha(0.5)


def dress_time(axes: Axes, theme: Theme, start: datetime, end: datetime) -> None:
    """The horizontal axis as UTC over [start, end]."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz="UTC", minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC"))  # type: ignore[no-untyped-call]
    axes.set_xlim(*numbers([start, end]) if start < end else (None, None))
    axes.xaxis.get_offset_text().set(color=theme.ink, fontsize=_SMALL)
    axes.set_xlabel("UTC", fontsize=_SMALL, color=theme.ink)


def legend(axes: Axes, theme: Theme, columns: int = 4) -> None:
    """Above the axes, where it covers nothing."""
    if axes.get_legend_handles_labels()[0]:
        made = axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, fontsize=_SMALL,
            labelcolor=theme.ink, borderaxespad=0.2, handlelength=1.6, columnspacing=1.4,
        )  # fmt: skip
        for text in made.get_texts():
            text.set_parse_math(False)


def rows(axes: Axes, names: Iterable[str]) -> None:
    """One row a name, the first on top."""
    listed = list(names)
    axes.set_yticks(range(len(listed)), listed)
    axes.set_ylim(len(listed) - 0.5, -0.5)
    for text in axes.get_yticklabels():
        text.set_parse_math(False)


def numbers(instants: Sequence[datetime]) -> list[float]:
    """Instants as Matplotlib counts them."""
    from matplotlib.dates import date2num

    return [float(date2num(instant.astimezone(UTC))) for instant in instants]  # type: ignore[no-untyped-call]
