"""Charts of a sweep: the score by both thresholds, and the best points by site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gacli.errors import GaError
from gacli.sweep.grid import Plan
from gacli.sweep.scoring import Point, Scoring
from gacli.views.carbon_output import kind_words
from gacli.views.charts.rendering import write_svgs
from gacli.views.charts.style import FILE, PALETTE, Theme, dress, figure, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_IN, _FRAME_IN = 3.0, 0.8
_PANELS_ACROSS = 3
_MARKERS = "os^Dv<>phX*P"


def write_sweep_charts(plan: Plan, scoring: Scoring, best: Sequence[Point], folder: Path) -> list[Path]:
    """One SVG a chart, the folder is made; the paths. GaError when one cannot be written, or nothing is to be drawn."""
    if not best:
        raise GaError(f"{folder}: nothing was drawn: every run was given up", hint="raise `limit`")
    charts: dict[str, Callable[[], Figure]] = {"best": lambda: draw_best(plan, best, FILE)}
    for job in plan.sweep.jobs:
        of_job = [point for point in best if point.key.job is job]
        if of_job:
            charts[f"score-{job.name}"] = partial(draw_scores, plan, scoring, of_job, FILE)
    return write_svgs(charts, folder)


def draw_scores(plan: Plan, scoring: Scoring, of_job: Sequence[Point], theme: Theme) -> Figure:
    """A panel a site: the score of every policy from the start of the best one, which is marked."""
    down = -(-len(of_job) // _PANELS_ACROSS)
    title = f"{plan.sweep.name}, {of_job[0].key.job.name}: score by thresholds, in g/kWh"
    made = figure(theme, title, _note(plan), _FRAME_IN + down * _PANEL_IN)
    panels = made.subplots(down, _PANELS_ACROSS, squeeze=False).ravel()
    for axes, point in zip(panels, of_job, strict=False):
        _draw_score(axes, plan, scoring, point, theme)
    for axes in panels[len(of_job) :]:
        axes.set_visible(False)
    return made


def draw_best(plan: Plan, best: Sequence[Point], theme: Theme) -> Figure:
    """The best policy of each job at each site: what it saves, and how much longer it takes."""
    made = figure(theme, f"{plan.sweep.name}: best policies", _note(plan), 4.2)
    axes: Axes = made.subplots()
    colours = {site.name: PALETTE[number % len(PALETTE)] for number, site in enumerate(plan.sweep.sites)}
    for number, job in enumerate(plan.sweep.jobs):
        for point in (one for one in best if one.key.job is job):
            axes.plot(
                point.overhead_percent,
                point.saved_percent,
                _MARKERS[number % len(_MARKERS)],
                color=colours[point.key.site.name],
                label=f"{point.key.site.name}, {job.name}",
            )
    dress(axes, theme, "saved, %")
    axes.set_xlabel("longer than never pausing, %", fontsize=9.5, color=theme.ink)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    legend(axes, theme)
    return made


def _draw_score(axes: Axes, plan: Plan, scoring: Scoring, point: Point, theme: Theme) -> None:
    thresholds = plan.thresholds(point.key.site)
    scores = _scores(plan, scoring, point, len(thresholds))
    edges = _edges(thresholds)
    mesh = axes.pcolormesh(edges, edges, scores, cmap="viridis", rasterized=True)
    axes.plot(point.pause_above_g_per_kwh, point.resume_below_g_per_kwh, "*", color="#e6194b", markersize=11)
    dress(axes, theme, "resume at or below")
    axes.grid(visible=False)
    axes.set_xlabel("pause above", fontsize=8.5, color=theme.ink)
    name = f"{point.key.site.name} ({point.key.site.site.zone})\nfrom {point.key.start:%Y-%m-%d}"
    axes.set_title(name, loc="left", fontsize=8.5, color=theme.ink, parse_math=False)
    bar = axes.figure.colorbar(mesh, ax=axes)
    bar.ax.tick_params(labelsize=7.5, colors=theme.ink)


def _scores(plan: Plan, scoring: Scoring, point: Point, thresholds: int) -> NDArray[np.float64]:
    """By threshold to resume, then to pause; NaN where a run was given up or there is no policy."""
    scores = np.full((thresholds, thresholds), np.nan)
    chunks = [chunk for chunk in plan.chunks if chunk.key.number == point.key.number]
    for chunk, scored in zip(chunks, scoring.scored(chunks), strict=True):
        pairs = plan.chunk_policies(chunk)
        scores[pairs[:, 1], pairs[:, 0]] = scored.score
    return scores


def _edges(middles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of cells around the thresholds."""
    if len(middles) == 1:
        return np.array([middles[0] - 0.5, middles[0] + 0.5])
    between = (middles[1:] + middles[:-1]) / 2
    return np.concatenate([[2 * middles[0] - between[0]], between, [2 * middles[-1] - between[-1]]])


def _note(plan: Plan) -> str:
    series = next(iter(plan.sweep.series.values()))
    return f"{kind_words(series.signal, series.scope)} intensity; against never pausing from the same start"
