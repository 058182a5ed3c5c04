"""IT power over time, site by site."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gacli.core.energy import EmissionInterval
from gacli.views.charts.data import ChartData, Level, Period, levels
from gacli.views.charts.style import OTHERS, Theme, dress, dress_time, figure, legend, numbers, site_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_power(data: ChartData, theme: Theme) -> Figure:
    """The mean of each interval of the ledger; dashed where any of it is modelled."""
    made = figure(theme, f"{data.job_id}: IT power", "means over the ledger's intervals, without PUE", 2.8)
    axes = made.subplots()
    colours = site_colours(data.sites)
    for name in data.used:
        own = [part for part in data.entries if part.energy.site == name]
        label: str | None = name
        for modelled in (False, True):
            stretches = _stretches(levels(_powers(own, modelled=modelled)))
            for stretch in stretches:
                _draw(axes, stretch, colours.get(name, OTHERS), label, modelled=modelled)
                label = None
    if any(part.energy.modelled for part in data.entries):
        axes.plot([], [], color=OTHERS, linestyle=(0, (2, 1)), label="modelled")
    dress(axes, theme, "W")
    axes.set_ylim(bottom=0)
    dress_time(axes, theme, data.start, data.end)
    legend(axes, theme)
    return made


def _powers(parts: Sequence[EmissionInterval], *, modelled: bool) -> list[Period]:
    return [
        (part.energy.start, part.energy.end, part.energy.energy_j / length_s)
        for part in parts
        if part.energy.modelled is modelled and (length_s := (part.energy.end - part.energy.start).total_seconds()) > 0
    ]


def _stretches(summed: Sequence[Level]) -> list[list[Level]]:
    """Levels that follow each other without a gap belong together."""
    stretches: list[list[Level]] = []
    for level in summed:
        if stretches and stretches[-1][-1].end == level.start:
            stretches[-1].append(level)
        else:
            stretches.append([level])
    return stretches


def _draw(axes: Axes, stretch: Sequence[Level], colour: str, label: str | None, *, modelled: bool) -> None:
    at = numbers([*(level.start for level in stretch), stretch[-1].end])
    values = [*(level.value for level in stretch), stretch[-1].value]
    axes.step(
        at, values, where="post", color=colour, linewidth=1.5, linestyle=(0, (2, 1)) if modelled else "-", label=label
    )
    axes.fill_between(at, values, step="post", color=colour, alpha=0.12, linewidth=0)
