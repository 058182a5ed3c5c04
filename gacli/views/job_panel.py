"""The job itself: state, steps, pace, and the long steps under way."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gacli.core.job import JobState
from gacli.ports.machine import StepProgress
from gacli.views import formatting as fmt
from gacli.views.job_view import JobView
from gacli.views.placement_stages import Reached, Underway
from gacli.views.section import FRAME, Section, line, panel
from gacli.views.wording import step_amount, step_label

STATE_STYLE: Mapping[JobState, str] = {
    JobState.QUEUED: "cyan",
    JobState.PLACING: "cyan",
    JobState.RUNNING: "bold green",
    JobState.MOVING: "bold cyan",
    JobState.PAUSING: "yellow",
    JobState.PAUSED: "bold yellow",
    JobState.WAITING: "yellow",
    JobState.BLOCKED: "bold yellow",
    JobState.FINISHING: "green",
    JobState.DONE: "bold green",
    JobState.FAILED: "bold red",
    JobState.STOPPED: "bold yellow",
}
_STAGE_MARK = {Reached.DONE: ("✓", "green"), Reached.NOW: ("●", "bold cyan"), Reached.LATER: ("○", "dim")}


def job_panel(view: JobView, width: int, *, max_steps: int | None = None) -> Section:
    """max_steps: how many long steps are shown at most."""
    lines: list[RenderableType] = [_state(view)]
    if view.detail and view.underway is None and view.state is not JobState.RUNNING:
        lines.append(line((fmt.plain(view.detail), "red" if view.state is JobState.FAILED else "")))
    if view.step is not None:
        lines.append(_progress(view, width - FRAME))
        if pace := _pace(view):
            lines.append(line(pace))
    if view.underway is not None:
        lines.append(_stages(view.underway, width - FRAME))
    for key, step in list(view.steps.items())[:max_steps]:
        lines.append(_step(step_label(key, step, view.underway), step, width - FRAME))
    note = fmt.clock(view.now) + (f" · {fmt.scale(view.scale)}" if view.replayed else "")
    return panel(view.job_id, lines, len(lines), note=note)


def _state(view: JobView) -> Text:
    words: list[tuple[str, str] | str] = [(view.state.value, STATE_STYLE[view.state])]
    if view.where is not None:
        words.append(f" at {view.where}")
    facts = [f"generation {view.generation}", fmt.plural(view.moves, "move"), f"{fmt.duration(view.elapsed_s)}"]
    if view.replayed:
        facts[-1] += f" ({fmt.duration(view.elapsed_s / view.scale)} real)"
    words.append((" · " + " · ".join(facts), "dim"))
    return line(*words)


def _progress(view: JobView, width: int) -> RenderableType:
    label = line(f"step {fmt.steps(view.step, view.total_steps)}")
    if view.total_steps is None or view.step is None:
        return label
    share = 100.0 * view.step / view.total_steps if view.total_steps else 100.0
    eta = ""
    if view.remaining_s is not None:
        eta = f"  ETA {fmt.duration(view.remaining_s)}"
        if view.replayed:
            eta += f" ({fmt.duration(view.remaining_s / view.scale)} real)"
    return _bar(label, view.step, view.total_steps, line(f"{share:.0f} %{eta}"), width)


def _pace(view: JobView) -> str:
    figures = [] if view.loss is None else [f"loss {fmt.figure(view.loss)}"]
    figures += [f"{fmt.plain(name)} {fmt.figure(value)}" for name, value in view.metrics.items()]
    if view.steps_per_s:
        figures.append(fmt.throughput(view.steps_per_s))
    if view.checkpoint is not None and view.checkpoint.step >= 0 and not view.state.final:
        figures.append(f"safe up to step {fmt.count(view.checkpoint.step)}")
    return " · ".join(figures)


def _stages(underway: Underway, width: int) -> Text:
    """Every stage with its time where there is room, else only the present one's."""
    full = _stage_line(underway, timed=frozenset({Reached.DONE, Reached.NOW}))
    return full if full.cell_len <= width else _stage_line(underway, timed=frozenset({Reached.NOW}))


def _stage_line(underway: Underway, *, timed: frozenset[Reached]) -> Text:
    way = " → ".join(site for site in (underway.source, underway.target) if site is not None)
    words: list[tuple[str, str] | str] = [(f"{underway.purpose}", "cyan"), f" {way} " if way else " "]
    for stage in underway.stages:
        mark, style = _STAGE_MARK[stage.reached]
        spent = "" if stage.real_s is None or stage.reached not in timed else f" {fmt.duration(stage.real_s)}"
        words += [" ", (mark, style), (f" {stage.name}{spent}", "" if stage.reached is Reached.NOW else "dim")]
    return line(*words)


def _step(label: str, step: StepProgress, width: int) -> RenderableType:
    if step.done is None or not step.total:
        return line((label, "cyan"))
    return _bar(line((label, "cyan")), step.done, step.total, line(step_amount(step)), width)


def _bar(label: Text, done: float, total: float, tail: Text, width: int) -> Table:
    """Label, bar, tail on one line of at most `width` columns; the bar takes what the others leave, within reason."""
    room = width - min(label.cell_len, width // 2) - tail.cell_len - 3
    length = max(4, min(room, 40))
    grid = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True, max_width=max(8, width - length - tail.cell_len - 3))
    grid.add_column(width=length)
    grid.add_column(no_wrap=True)
    grid.add_row(
        label,
        ProgressBar(
            total=total, completed=min(done, total), width=length, complete_style="cyan", finished_style="green"
        ),
        tail,
    )
    return grid
