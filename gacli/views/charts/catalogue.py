"""All charts by name, as files and as parts of a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gacli.errors import ConfigError, GaError
from gacli.views.charts.data import ChartData
from gacli.views.charts.decisions import draw_decisions
from gacli.views.charts.emissions import draw_emissions
from gacli.views.charts.phases import draw_phases
from gacli.views.charts.power import draw_power
from gacli.views.charts.rendering import rendered
from gacli.views.charts.style import FILE, PAGE, Theme
from gacli.views.charts.timeline import draw_timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "png")


@dataclass(frozen=True, slots=True)
class Chart:
    """name: of its file. title and caption: on a page. needs_decisions: nothing is drawn without any."""

    name: str
    title: str
    caption: str
    draw: Callable[[ChartData, Theme], Figure]
    needs_decisions: bool = False


_CHARTS = (
    Chart(
        "timeline",
        "Sites over the carbon intensities of all zones",
        "Bold: the zone in which the job trained. Below: full colour where it trained, pale where it booted, waited,"
        " saved or was copied. Dotted: the stops for a move.",
        draw_timeline,
    ),
    Chart(
        "emissions",
        "Cumulative emissions",
        "Operational emissions, PUE included, beside those of the same work at one site, without its gaps.",
        draw_emissions,
    ),
    Chart("power", "Power", "IT power without PUE: means over the ledger's intervals.", draw_power),
    Chart("phases", "Energy and emissions by site and phase", "IT energy; emissions with PUE.", draw_phases),
    Chart(
        "decisions",
        "Decisions",
        "Each answer of the policy; above, where it tells so, by how much the best other site was cleaner.",
        draw_decisions,
        needs_decisions=True,
    ),
)


def require_matplotlib(option: str) -> None:
    """ConfigError where charts cannot be drawn. option: what asked for them."""
    try:
        import matplotlib.figure  # noqa: F401 asked for before anything is read
    except ImportError:
        raise ConfigError(
            f"{option} needs Matplotlib, which is not installed", hint="pip install 'ga-cli[plot]'"
        ) from None


def charts_of(data: ChartData) -> tuple[Chart, ...]:
    """Those that have something to show."""
    return tuple(chart for chart in _CHARTS if data.decisions or not chart.needs_decisions)


def write_charts(data: ChartData, folder: Path, file_format: str) -> list[Path]:
    """One file a chart, named after it; the folder is made. file_format: of FORMATS. The paths; GaError when one
    cannot be written."""
    written = []
    for chart in charts_of(data):
        path = folder / f"{chart.name}.{file_format}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_rendered(chart, data, FILE, file_format))
        except OSError as error:
            raise GaError(f"{path}: the chart cannot be written: {error.strerror}") from error
        written.append(path)
    return written


def inline_svg(chart: Chart, data: ChartData) -> str:
    """An `<svg>` element for a page: in the page's own ink, without references and with ids of its own."""
    text = _rendered(chart, data, PAGE, "svg").decode("utf-8")
    element = text[text.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>\s*", "", element, flags=re.DOTALL)
    element = re.sub(r"<style type=\"text/css\">.*?</style>\s*", "", element, flags=re.DOTALL)
    # A page's parser knows what an <svg> is; the names of its vocabularies look like addresses.
    element = re.sub(r"\sxmlns(:xlink)?=\"[^\"]*\"", "", element).replace("xlink:href=", "href=")
    element = re.sub(r'\bid="', f'id="{chart.name}-', element)
    element = re.sub(r'href="#', f'href="#{chart.name}-', element)
    element = element.replace("url(#", f"url(#{chart.name}-").replace(PAGE.ink, "currentColor")
    head, _, rest = element.partition(">")
    head = re.sub(r'\s(width|height|version)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{escape(chart.title, quote=True)}">{rest.rstrip()}'


def _rendered(chart: Chart, data: ChartData, theme: Theme, file_format: str) -> bytes:
    return rendered(lambda: chart.draw(data, theme), theme, file_format)
