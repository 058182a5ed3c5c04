"""What the policy decided, and by how much the best other site was cleaner then."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from gacli.core.decision import Action, Decision
from gacli.views.charts.data import ChartData, Point
from gacli.views.charts.style import OTHERS, Theme, dress, dress_time, figure, legend, numbers, rows, site_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEADS_IN, _ROW_IN, _FRAME_IN = 2.2, 0.3, 1.0
# Figures that policies give for what a move is asked to bring.
_LEAD, _ASKED = "cleaner_percent", "margin_percent"


def draw_decisions(data: ChartData, theme: Theme) -> Figure:
    """Below a row for staying and one for each target; above, for policies that tell it, the lead of the best other
    site in percent and the margin that a move needs."""
    targets = list(dict.fromkeys(decision.target for decision in data.decisions if decision.target is not None))
    told = [decision for decision in data.decisions if _LEAD in decision.numbers]
    choices_in = _ROW_IN * (len(targets) + 1) + _FRAME_IN
    policies = " and ".join(dict.fromkeys(decision.policy for decision in data.decisions))
    title = f"{data.job_id}: decisions of {policies}"
    made = figure(theme, title, "", choices_in + (_LEADS_IN if told else 0.0))
    leads: Axes | None = None
    if told:
        leads, choices = made.subplots(2, 1, sharex=True, height_ratios=[_LEADS_IN, choices_in])
        _draw_leads(leads, data, told)
        dress(leads, theme, "best other site\ncleaner by %")
        leads.axhline(0, color=theme.ink, alpha=0.4, linewidth=0.8)
        legend(leads, theme)
    else:
        choices = made.subplots()
    _draw_choices(choices, data, targets)
    dress(choices, theme, "")
    start = min(data.start, data.decisions[0].at)
    dress_time(choices, theme, start, max(data.end, data.decisions[-1].at))
    if leads is not None:
        leads.tick_params(labelbottom=False)
    return made


def _draw_leads(axes: Axes, data: ChartData, told: list[Decision]) -> None:
    stays = [(decision.at, decision.numbers[_LEAD]) for decision in told if decision.action is Action.STAY]
    moves = [(decision.at, decision.numbers[_LEAD]) for decision in told if decision.action is Action.MOVE]
    axes.plot(*_dashes(stays, data), color=OTHERS, linewidth=2.5, label="stay" if stays else None)
    axes.plot(
        numbers([at for at, _ in moves]), [lead for _, lead in moves], "D", color="#1b9e77", markersize=5, zorder=3,
        label="move" if moves else None,
    )  # fmt: skip
    asked = [decision for decision in told if _ASKED in decision.numbers]
    axes.step(
        numbers([decision.at for decision in asked]), [decision.numbers[_ASKED] for decision in asked],
        where="post", color="#b0413e", linewidth=1, linestyle="--", label="margin of the policy" if asked else None,
    )  # fmt: skip


def _draw_choices(axes: Axes, data: ChartData, targets: list[str]) -> None:
    colours = site_colours(data.sites)
    stays = [(decision.at, 0.0) for decision in data.decisions if decision.action is Action.STAY]
    axes.plot(*_dashes(stays, data), color=OTHERS, linewidth=6, solid_capstyle="butt")
    for row, target in enumerate(targets, start=1):
        moves = [decision.at for decision in data.decisions if decision.target == target]
        axes.plot(
            numbers(moves), [row] * len(moves), "D", color=colours.get(target, OTHERS), markersize=6, clip_on=False
        )
    rows(axes, ["stay", *(f"to {target}" for target in targets)])


def _dashes(points: Sequence[Point], data: ChartData) -> tuple[list[float], list[float]]:
    """A dash from each point on, as one line: thousands of marks would make a large file. Each is nearly as long as
    points usually are apart."""
    at = numbers([instant for instant, _ in points])
    gaps = [after - before for before, after in pairwise(at)]
    start, end = numbers([data.start, data.end])
    length = 0.8 * median(gaps) if gaps else (end - start) / 100
    nothing = float("nan")
    across = [number for one in at for number in (one, one + length, nothing)]
    return across, [number for _, value in points for number in (value, value, nothing)]
