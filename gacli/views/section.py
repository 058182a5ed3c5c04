"""A part of a display that knows its height, so that displays can be fitted into a terminal."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

# Columns that a panel's border and padding take.
FRAME = 4


@dataclass(frozen=True, slots=True)
class Section:
    """rows: the lines it takes at the width it was made for; none of them wraps."""

    renderable: RenderableType
    rows: int


def line(*parts: tuple[str, str] | str) -> Text:
    """Words with their styles on one line; what does not fit ends in an ellipsis."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def panel(title: str, lines: list[RenderableType], rows: int, *, note: str = "", style: str = "dim") -> Section:
    """A frame around lines that take `rows` rows together; note: at the right of the lower border."""
    return Section(
        Panel(
            Group(*lines),
            title=Text(title, style="bold not dim"),
            title_align="left",
            subtitle=Text(note, style="dim") if note else None,
            subtitle_align="right",
            box=box.ROUNDED,
            border_style=style,
            padding=(0, 1),
        ),
        rows + 2,
    )


def columns(*, gap: int = 1, expand: bool = True) -> Table:
    """A table without lines, `gap` spaces between columns, headers dim."""
    return Table(
        box=None,
        expand=expand,
        padding=(0, gap, 0, 0),
        pad_edge=False,
        header_style="dim",
        show_edge=False,
    )
