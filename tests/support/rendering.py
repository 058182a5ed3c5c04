"""Rich renderables as the text that a terminal would show."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType


def text_of(renderable: RenderableType, width: int) -> str:
    """Without colours, and whatever the environment says of the real terminal."""
    out = io.StringIO()
    console = Console(file=out, width=width, height=500, color_system=None, force_terminal=False, _environ={})
    console.print(renderable)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
