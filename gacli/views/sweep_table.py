"""What came of a sweep, for people: the best policy of each job at each site, and what its figures rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gacli.sweep.grid import Plan
from gacli.sweep.scoring import Point
from gacli.views import formatting as fmt
from gacli.views.carbon_output import kind_words
from gacli.views.section import columns

# Columns that a narrow terminal does without, and how many of its own columns it takes to show them.
_WIDE, _WIDER = 92, 112


def sweep_table(plan: Plan, best: Sequence[Point], width: int) -> RenderableType:
    """One table a job, the sites in the file's order. width: of the terminal, in columns."""
    sweep = plan.sweep
    title = (
        f"{sweep.name}: {fmt.count(plan.policies)} policies; {fmt.plural(len(sweep.jobs), 'job')}, "
        f"{fmt.plural(len(sweep.sites), 'site')}, {fmt.plural(len(sweep.starts), 'start')}"
    )
    parts: list[RenderableType] = [Text(title, style="bold")]
    for job in sweep.jobs:
        of_job = [point for point in best if point.key.job is job]
        parts.append(Padding(_table(plan, job.name, of_job, width), (1, 0, 0, 0)))
    parts += [Text(), *(Text(note, style="dim") for note in basis_notes(plan))]
    return Group(*parts)


def basis_notes(plan: Plan) -> Iterator[str]:
    """What the figures rest on, a sentence or two each."""
    sweep = plan.sweep
    series = next(iter(sweep.series.values()))
    named = ", ".join(fmt.plain(one.source) for one in sweep.series.values())
    yield f"Intensity: {kind_words(series.signal, series.scope)}, from {named}. Energy is modelled; emissions with PUE."
    budget = "" if sweep.budget_percent is None else f" Policies lose at most {sweep.budget_percent:g} % of the work."
    finer = ", refined" if sweep.thresholds.refine else ""
    yield (
        f"Best score of all starts and thresholds{finer}. above/at: pauses above one, resumes at or below the other, "
        "g/kWh; saved, longer: against never pausing, from the same start. Given up, and left out: runs that take over "
        f"{sweep.limit_percent:g} % longer.{budget}"
    )
    if sweep.repeat_year:
        yield "After the end of a start's year the same year begins again."


def _table(plan: Plan, job: str, best: Sequence[Point], width: int) -> Table:
    table = columns(gap=2, expand=False)
    table.add_column(fmt.plain(job), no_wrap=True, header_style="bold")
    headers = [header for header, _ in _cells(None, width)]
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    by_site = {point.key.site.name: point for point in best}
    for site in plan.sweep.sites:
        table.add_row(site.name, *(cell for _, cell in _cells(by_site.get(site.name), width)))
    return table


def _cells(point: Point | None, width: int) -> list[tuple[str, str]]:
    """Headers with what stands below them; of a site without a best policy nothing is known."""
    known: dict[str, Callable[[Point], str]] = {
        "start": lambda of: f"{of.key.start:%Y-%m-%d}",
        "above/at": lambda of: f"{of.pause_above_g_per_kwh:.1f}/{of.resume_below_g_per_kwh:.1f}",
        "saved": lambda of: f"{of.saved_percent:.1f} %",
        "longer": lambda of: f"{of.overhead_percent:.1f} %",
        "score": lambda of: f"{of.score:.4f}",
    }
    if width >= _WIDE:
        known["pauses"] = lambda of: fmt.count(of.pauses)
    known["CO₂eq"] = lambda of: fmt.mass(of.emissions_g)
    if width >= _WIDER:
        known["never pausing"] = lambda of: fmt.mass(of.baseline.emissions_g)
    return [(header, fmt.UNKNOWN if point is None else cell(point)) for header, cell in known.items()]
