"""What came of an experiment, for people: a table a kind of job, and what its figures rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gacli.config.experiment_checks import BASELINE
from gacli.sweep.study import Reference, Row, Spread, Study
from gacli.views import formatting as fmt
from gacli.views.carbon_output import kind_words
from gacli.views.section import columns

_MOST_SOURCES = 3
_BOUND_NOTE = (
    "; the bound, the least of these moves and of what policies with perfect foresight made in time. of bound: which "
    "part of its saving was reached."
)
# Columns of a terminal that has room for the spread.
_WIDE = 100


def study_table(study: Study, width: int) -> RenderableType:
    """One table a kind of job, the policies in the file's order, what hindsight says of them below. width: columns."""
    wide = width >= _WIDE
    bounded = study.bounded
    parts: list[RenderableType] = [Text(_title(study), style="bold")]
    for job in dict.fromkeys(row.job for row in study.rows):
        rows = [row for row in study.rows if row.job == job]
        references = [reference for reference in study.references if reference.job == job]
        parts += [Text(), Text(job, style="bold"), _table(rows, references, wide=wide, bounded=bounded)]
    parts += [Text(), *(Text(note, style="dim") for note in _basis_notes(study, wide=wide, bounded=bounded))]
    return Group(*parts)


def _basis_notes(study: Study, *, wide: bool, bounded: bool) -> Iterator[str]:
    """What the figures rest on, a sentence or two each. wide: the spread is shown. bounded: there is a bound."""
    experiment = study.experiment
    sources = experiment.sources
    named = ", ".join(map(fmt.plain, sources[:_MOST_SOURCES]))
    more = f" and {len(sources) - _MOST_SOURCES} more" if len(sources) > _MOST_SOURCES else ""
    kind = kind_words(experiment.signal, experiment.scope)
    yield f"Intensity: {kind}, from {named}{more}. Energy is modelled from the sites' power; emissions with PUE."
    spread = "; 5–95 %: over single starts" if wide else ""
    yield (
        f"saved: against `{BASELINE}` from the same starts, of the sums{spread}. "
        "In hindsight: the best single site; the best moves, which are paid for, and no pause"
        + (_BOUND_NOTE if bounded else ". With the policy `clairvoyant` there is a bound as well.")
    )
    if any(row.given_up for row in study.rows):
        yield "Runs that were given up (`limit`) are counted, and left out of all other figures."


def _title(study: Study) -> str:
    experiment = study.experiment
    first, last = experiment.starts[0], experiment.starts[-1]
    span = f"from {first:%Y-%m-%d}" + (f" to {last:%Y-%m-%d}" if len(experiment.starts) > 1 else "")
    return (
        f"{experiment.name}: {fmt.plural(len(experiment.starts), 'start')} {span}, "
        f"{fmt.plural(len(experiment.sites), 'site')}, {fmt.count(len(study.runs))} runs"
    )


def _table(rows: Sequence[Row], references: Sequence[Reference], *, wide: bool, bounded: bool) -> Table:
    emitted = [*(row.emissions_g for row in rows), *(reference.emissions_g for reference in references)]
    unit = fmt.mass_unit(max((spread.mean for spread in emitted if spread is not None), default=0.0))
    given_up = any(row.given_up for row in rows)
    table = columns(gap=2 if wide else 1, expand=False)
    table.add_column("policy", overflow="fold")
    masses = [f"{unit.name} CO₂eq", *(["± std"] if wide else []), "saved", *(["5–95 %"] if wide else [])]
    masses += ["of bound"] if bounded else []
    for header in [*masses, "time", "moves", "pauses", "in time", *(["given up"] if given_up else [])]:
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            fmt.plain(row.policy),
            *_mass_cells(row, unit, wide=wide, bounded=bounded, baseline=row.policy == BASELINE),
            fmt.UNKNOWN if row.time_s is None else f"{row.time_s.mean / 3600:,.1f} h",
            _mean(row.moves),
            _mean(row.pauses),
            f"{100.0 * row.deadlines_met / row.deadlines:.0f} %" if row.deadlines else fmt.UNKNOWN,
            *([fmt.count(row.given_up)] if given_up else []),
        )
    for reference in references:
        table.add_row(reference.name, *_mass_cells(reference, unit, wide=wide, bounded=bounded), style="dim")
    return table


def _mass_cells(
    of: Row | Reference, unit: fmt.MassUnit, *, wide: bool, bounded: bool, baseline: bool = False
) -> list[str]:
    emitted, each = of.emissions_g, of.saved_each_percent
    std = fmt.UNKNOWN if emitted is None else unit.cell(emitted.std)
    spread = fmt.UNKNOWN if each is None or baseline else f"{_number(each.p5)} to {_number(each.p95)}"
    return [
        fmt.UNKNOWN if emitted is None else unit.cell(emitted.mean),
        *([std] if wide else []),
        "baseline" if baseline else _percent(of.saved_percent),
        *([spread] if wide else []),
        *([fmt.UNKNOWN if baseline else _percent(of.of_bound_percent)] if bounded else []),
    ]


def _percent(value: float | None) -> str:
    return fmt.UNKNOWN if value is None else f"{_number(value)} %"


def _mean(spread: Spread | None) -> str:
    return fmt.UNKNOWN if spread is None else _number(spread.mean)


def _number(value: float) -> str:
    """One decimal, a true minus; no minus before what rounds to nothing."""
    return f"{round(value, 1) or 0.0:.1f}".replace("-", "−")
