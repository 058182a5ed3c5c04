"""Charts of an experiment: policies compared, carbon against time, regions, and the course of one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from gacli.config.experiment_checks import BASELINE
from gacli.sweep.study import BOUND, Reference, Row, Study
from gacli.views import formatting as fmt
from gacli.views.carbon_output import kind_words
from gacli.views.charts.rendering import write_svgs
from gacli.views.charts.style import FILE, OTHERS, PALETTE, Theme, dress, figure, rows
from gacli.views.charts.timeline import draw_timeline
from gacli.views.simulation_regions import draw_regions
from gacli.views.simulation_timeline import typical_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "os^Dv<>phX*P"
_PANEL_IN, _BAR_IN, _FRAME_IN = 3.0, 0.24, 0.9


def write_study_charts(study: Study, folder: Path) -> list[Path]:
    """One SVG a chart, the folder is made; the paths. GaError when one cannot be written."""
    course = typical_run(study)
    charts: dict[str, Callable[[], Figure]] = {
        "policies": lambda: draw_policies(study, FILE),
        "pareto": lambda: draw_pareto(study, FILE),
        "regions": lambda: draw_regions(study, FILE),
    }
    if course is not None:
        charts["timeline"] = lambda: draw_timeline(course, FILE)
    return write_svgs(charts, folder)


def draw_policies(study: Study, theme: Theme) -> Figure:
    """A panel a kind of job: what each policy saved against `stay`, with the range of nine starts in ten, and by a line
    what could have been saved."""
    jobs = _jobs(study)
    policies = [label for label in study.experiment.policies if label != BASELINE]
    height_in = _FRAME_IN + len(jobs) * (_BAR_IN * len(policies) + _FRAME_IN)
    made = figure(theme, f"{study.experiment.name}: saved against {BASELINE}, %", _note(study), height_in)
    panels = made.subplots(len(jobs), 1, sharex=True, squeeze=False)
    for job, (axes,) in zip(jobs, panels, strict=True):
        of_job = {row.policy: row for row in study.rows if row.job == job}
        _draw_savings(axes, [of_job[label] for label in policies], theme)
        bound = _bound(study, job)
        if bound is not None and bound.saved_percent is not None:
            axes.axvline(bound.saved_percent, color=theme.ink, linewidth=1.2, linestyle="--")
        dress(axes, theme, "")
        axes.grid(visible=False, axis="y")
        axes.set_title(job, loc="left", fontsize=9.5, color=theme.ink, parse_math=False)
    dashed = "; dashed: the bound" if study.bounded else ""
    label = f"saved, % of {BASELINE}; lines: 5–95 % of the starts{dashed}"
    panels[-1][0].set_xlabel(label, fontsize=8.5, color=theme.ink)
    return made


def draw_pareto(study: Study, theme: Theme) -> Figure:
    """A panel a kind of job: mean emissions over mean time; joined are the policies that no other one beats in both."""
    jobs = _jobs(study)
    down = math.ceil(len(jobs) / 2)
    title = f"{study.experiment.name}: emissions over the time from start to end, means"
    made = figure(theme, title, _note(study), _PANEL_IN * down + _FRAME_IN + 0.6)
    panels = made.subplots(down, min(len(jobs), 2), squeeze=False)
    flat: list[Axes] = [axes for row in panels for axes in row]
    styles = dict(zip(study.experiment.policies, zip(cycle(PALETTE), cycle(_MARKERS), strict=False), strict=False))
    for job, axes in zip(jobs, flat, strict=False):
        _draw_pareto(axes, [row for row in study.rows if row.job == job], _bound(study, job), styles)
        unit = _unit(study, job)
        dress(axes, theme, f"{unit.name} CO₂eq")
        axes.set_xlabel("h", fontsize=8.5, color=theme.ink)
        axes.set_title(job, loc="left", fontsize=9.5, color=theme.ink, parse_math=False)
    for axes in flat[len(jobs) :]:
        axes.set_visible(False)
    handles, labels = flat[0].get_legend_handles_labels()
    legend = made.legend(
        handles, labels, loc="outside lower left", ncols=5, frameon=False, fontsize=8.5, labelcolor=theme.ink
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return made


def _draw_savings(axes: Axes, of_job: Sequence[Row], theme: Theme) -> None:
    for number, row in enumerate(of_job):
        if row.saved_percent is None:
            continue
        axes.barh(number, row.saved_percent, height=0.62, color=PALETTE[0], linewidth=0)
        if row.saved_each_percent is not None:
            ends = [row.saved_each_percent.p5, row.saved_each_percent.p95]
            axes.plot(ends, [number, number], color=theme.ink, linewidth=1.0, alpha=0.8)
    axes.axvline(0, color=theme.ink, linewidth=0.8, alpha=0.5)
    rows(axes, [row.policy for row in of_job])


def _draw_pareto(
    axes: Axes, of_job: Sequence[Row], bound: Reference | None, styles: Mapping[str, tuple[str, str]]
) -> None:
    points: list[tuple[float, float]] = []
    unit = fmt.mass_unit(max((row.emissions_g.mean for row in of_job if row.emissions_g is not None), default=0.0))
    for row in of_job:
        if row.emissions_g is None or row.time_s is None:
            continue
        colour, marker = styles[row.policy]
        point = (row.time_s.mean / 3600, row.emissions_g.mean / unit.grams)
        axes.plot(*point, marker=marker, color=colour, markersize=6, linestyle="none", label=row.policy)
        points.append(point)
    front = [one for one in sorted(points) if not any(_beats(other, one) for other in points)]
    axes.plot([x for x, _ in front], [y for _, y in front], color=OTHERS, linewidth=1.0, zorder=0)
    if bound is not None and bound.emissions_g is not None:
        axes.axhline(bound.emissions_g.mean / unit.grams, color=OTHERS, linewidth=1.0, linestyle="--", label="bound")


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """No worse in both, better in one."""
    return one != other and one[0] <= other[0] and one[1] <= other[1]


def _jobs(study: Study) -> list[str]:
    return [job.name for job in study.experiment.jobs]


def _unit(study: Study, job: str) -> fmt.MassUnit:
    masses = [row.emissions_g.mean for row in study.rows if row.job == job and row.emissions_g is not None]
    return fmt.mass_unit(max(masses, default=0.0))


def _bound(study: Study, job: str) -> Reference | None:
    return next((one for one in study.references if (one.job, one.name) == (job, BOUND)), None)


def _note(study: Study) -> str:
    experiment = study.experiment
    starts = experiment.starts
    return (
        f"{fmt.plural(len(starts), 'start')} from {starts[0]:%Y-%m-%d} to {starts[-1]:%Y-%m-%d}; "
        f"{kind_words(experiment.signal, experiment.scope)} intensity; PUE included"
    )
