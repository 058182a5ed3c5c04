"""Where the job was, below the carbon intensities of all zones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from gacli.core.carbon import Reading
from gacli.core.energy import EmissionInterval, Phase
from gacli.views.charts.data import ChartData
from gacli.views.charts.style import OTHERS, Theme, dress, dress_time, figure, legend, numbers, rows, site_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TRAINING, _REST = 1.0, 0.4
_GRIDS_IN, _ROW_IN, _FRAME_IN = 3.0, 0.3, 1.0
# Bars narrower than this share of the chart would not be seen.
_NARROWEST = 0.0015


def draw_timeline(data: ChartData, theme: Theme) -> Figure:
    """Above the grids, bold where the job trains; below a row a site, pale where it did not train."""
    sites_in = _ROW_IN * len(data.used) + _FRAME_IN
    made = figure(theme, f"{data.job_id}: sites and the carbon intensity of their zones", "", _GRIDS_IN + sites_in)
    grids, places = made.subplots(2, 1, sharex=True, height_ratios=[_GRIDS_IN, sites_in])
    _draw_grids(grids, data)
    signals = " and ".join(signal.value for signal in data.signals)
    dress(grids, theme, f"gCO₂eq/kWh\n({signals})" if signals else "gCO₂eq/kWh")
    grids.set_ylim(bottom=0)
    legend(grids, theme)
    _draw_places(places, data)
    dress(places, theme, "")
    places.grid(visible=False, axis="y")
    for axes in (grids, places):
        for at in numbers(data.moves):
            axes.axvline(at, color=theme.ink, alpha=0.45, linewidth=0.8, linestyle=":")
    dress_time(places, theme, data.start, data.end)
    grids.tick_params(labelbottom=False)
    return made


def _draw_grids(axes: Axes, data: ChartData) -> None:
    colours = site_colours(data.sites)
    others: list[str] = []
    for zone, readings in data.readings.items():
        names = [site.name for site in data.sites if site.zone == zone]
        colour = colours.get(names[0], OTHERS) if names else OTHERS
        if not readings:
            continue
        label: str | None = f"{zone} ({', '.join(names[:2])}{', …' if len(names) > 2 else ''})"
        if colour == OTHERS:
            others.append(zone)
            label = "other zones" if len(others) == 1 else None
        at, values = _steps(readings, data.start, data.end)
        axes.step(numbers(at), values, where="post", color=colour, linewidth=1.1, alpha=0.75, label=label)
        training = [part for part in data.entries if part.zone == zone and part.energy.phase is Phase.TRAIN]
        for start, end in _joined(training):
            inside, bold = _steps(readings, start, end)
            axes.step(numbers(inside), bold, where="post", color=colour, linewidth=3.2, solid_capstyle="butt")


def _draw_places(axes: Axes, data: ChartData) -> None:
    colours = site_colours(data.sites)
    least = (data.end - data.start).total_seconds() / 86400 * _NARROWEST
    for row, name in enumerate(data.used):
        own = [part for part in data.entries if part.energy.site == name]
        for training, alpha in ((True, _TRAINING), (False, _REST)):
            chosen = [part for part in own if (part.energy.phase is Phase.TRAIN) is training]
            bars = [numbers(stretch) for stretch in _joined(chosen)]
            axes.broken_barh(
                [(start, max(end - start, least)) for start, end in bars],
                (row - 0.35, 0.7), linewidth=0, color=colours.get(name, OTHERS), alpha=alpha,
            )  # fmt: skip
    rows(axes, data.used)


def _steps(readings: Sequence[Reading], start: datetime, end: datetime) -> tuple[list[datetime], list[float]]:
    """Values in force over [start, end]; nothing before the first that is known."""
    before = [reading for reading in readings if reading.at <= start][-1:]
    known = [*before, *(reading for reading in readings if start < reading.at < end)]
    if not known:
        return [], []
    at = [max(start, reading.at) for reading in known]
    values = [reading.intensity_g_per_kwh for reading in known]
    return [*at, end], [*values, values[-1]]


def _joined(parts: Sequence[EmissionInterval]) -> list[tuple[datetime, datetime]]:
    """Stretches without a gap."""
    joined: list[tuple[datetime, datetime]] = []
    for part in parts:
        if joined and part.energy.start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], part.energy.end))
        else:
            joined.append((part.energy.start, part.energy.end))
    return joined
