"""Figures → bytes of a file, the same bytes for the same values."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gacli.errors import GaError
from gacli.views.charts.style import FILE, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 144


def rendered(draw: Callable[[], Figure], theme: Theme, file_format: str) -> bytes:
    """draw: makes the figure, under the settings that it is saved with. file_format: svg or png."""
    from matplotlib import rc_context

    out = io.BytesIO()
    settings: Any = {
        # With this salt and without a date the same values give the same file.
        "svg.hashsalt": "ga",
        # Words on a page can be searched and read aloud; a file shows the same everywhere.
        "svg.fonttype": "path" if theme is FILE else "none",
        # Months of five-minute values fit into a page when what nobody can see is left out.
        "path.simplify_threshold": 0.5,
    }
    with rc_context(settings), _quiet_fonts():
        made = draw()
        made.savefig(
            out, format=file_format, dpi=_DOTS_PER_INCH, metadata={"Date": None} if file_format == "svg" else None
        )
    return out.getvalue()


def write_svgs(charts: Mapping[str, Callable[[], Figure]], folder: Path) -> list[Path]:
    """A file a chart, by its name; the folder is made. The paths. GaError when one cannot be written."""
    written = []
    for name, draw in charts.items():
        path = folder / f"{name}.svg"
        content = rendered(draw, FILE, "svg")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise GaError(f"{path}: the chart cannot be written: {error.strerror}") from error
        written.append(path)
    return written


@contextmanager
def _quiet_fonts() -> Iterator[None]:
    """A name that a font lacks signs for is drawn with boxes; that needs no warning on a terminal."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        yield
