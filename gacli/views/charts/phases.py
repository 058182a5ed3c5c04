"""Energy and emissions by phase and site."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gacli.core.energy import JOULES_PER_KWH
from gacli.store.ledger import LedgerTotal
from gacli.views import formatting as fmt
from gacli.views.charts.data import ChartData
from gacli.views.charts.style import PHASE_COLOURS, Theme, dress, figure, legend, rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW_IN, _FRAME_IN = 0.36, 1.3


def draw_phases(data: ChartData, theme: Theme) -> Figure:
    """Bars, a row a site; the sum stands at each bar's end."""
    made = figure(
        theme, f"{data.job_id}: energy and emissions by site and phase", "", _FRAME_IN + _ROW_IN * len(data.used)
    )
    left, right = made.subplots(1, 2, sharey=True)
    largest_j = max(sum(total.energy_j for total in data.totals if total.site == name) for name in data.used)
    unit, joules = ("kWh", JOULES_PER_KWH) if largest_j >= JOULES_PER_KWH else ("Wh", JOULES_PER_KWH / 1e3)
    _draw(left, data, lambda total: total.energy_j / joules, lambda value: fmt.energy(value * joules), theme)
    dress(left, theme, "")
    left.set_xlabel(f"IT energy in {unit}", fontsize=8.5, color=theme.ink)
    largest_g = max(sum(total.emissions_g for total in data.totals if total.site == name) for name in data.used)
    mass = fmt.mass_unit(largest_g)
    _draw(right, data, lambda total: total.emissions_g / mass.grams, lambda value: fmt.mass(value * mass.grams), theme)
    dress(right, theme, "")
    right.set_xlabel(f"emissions in {mass.name} CO₂eq, PUE included", fontsize=8.5, color=theme.ink)
    rows(left, data.used)
    right.tick_params(labelleft=False)
    legend(left, theme, columns=len(PHASE_COLOURS))
    for axes in (left, right):
        axes.grid(visible=False, axis="y")
    return made


def _draw(
    axes: Axes, data: ChartData, value_of: Callable[[LedgerTotal], float], words: Callable[[float], str], theme: Theme
) -> None:
    ends = [0.0] * len(data.used)
    for phase, colour in PHASE_COLOURS.items():
        widths = [
            sum(value_of(total) for total in data.totals if total.site == name and total.phase is phase)
            for name in data.used
        ]
        if any(total.phase is phase for total in data.totals):
            axes.barh(range(len(widths)), widths, left=ends, height=0.62, color=colour, linewidth=0, label=phase.value)
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    for row, end in enumerate(ends):
        axes.annotate(
            words(end), (end, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5,
            color=theme.ink,
        )  # fmt: skip
    # Room for the words at the ends.
    axes.set_xlim(0, max(ends) * 1.22 or 1.0)
