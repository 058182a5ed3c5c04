"""Cumulative emissions beside what the same work would have emitted at one site."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from gacli.views import formatting as fmt
from gacli.views.accounted import basis_words, claim
from gacli.views.charts.data import ChartData, Curve
from gacli.views.charts.style import OTHERS, Theme, dress, dress_time, figure, legend, numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACTUAL = "#1b9e77"
_STYLES = ("--", ":", "-.")


def draw_emissions(data: ChartData, theme: Theme) -> Figure:
    """A baseline may end earlier than the job: staying has no downtime."""
    actual = data.actual
    note = basis_words(data.basis) if data.baseline is None else claim(data.baseline, actual.total_g, data.basis)
    made = figure(theme, f"{data.job_id}: cumulative emissions", note, 3.4)
    axes = made.subplots()
    unit = fmt.mass_unit(max(curve.total_g for curve in (actual, *data.baselines)))
    for curve, style in zip(data.baselines, cycle(_STYLES), strict=False):
        axes.plot(*_line(curve, unit), color=OTHERS, linewidth=1.8, linestyle=style, label=_label(curve))
    at, values = _line(actual, unit)
    axes.plot(at, values, color=_ACTUAL, linewidth=2.2, label=_label(actual))
    axes.fill_between(at, values, color=_ACTUAL, alpha=0.12, linewidth=0)
    for move in numbers(data.moves):
        axes.axvline(move, color=theme.ink, alpha=0.45, linewidth=0.8, linestyle=":")
    dress(axes, theme, f"{unit.name} CO₂eq")
    axes.set_ylim(bottom=0)
    dress_time(axes, theme, data.start, max(curve.end for curve in (actual, *data.baselines)))
    legend(axes, theme)
    return made


def _line(curve: Curve, unit: fmt.MassUnit) -> tuple[list[float], list[float]]:
    return numbers([at for at, _ in curve.points]), [mass_g / unit.grams for _, mass_g in curve.points]


def _label(curve: Curve) -> str:
    return f"{curve.label}: {fmt.mass(curve.total_g)}"
