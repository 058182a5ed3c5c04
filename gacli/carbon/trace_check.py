"""All that is wrong with a file of carbon intensities, and all that is done about what is missing in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from gacli.carbon.span import iso
from gacli.carbon.trace_rows import Gap, Placed, Problem, gaps, order_problems, step_of, step_problems
from gacli.carbon.trace_sheet import Sheet, read_sheet
from gacli.core.carbon import Quality, Scope


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What was found in a file. layout: empty when the header is of none. zones: that have rows.

    filled: the short gaps that are interpolated. notes: what one should know of a file that can be used.
    """

    path: Path
    layout: str
    zones: tuple[str, ...]
    problems: tuple[Problem, ...]
    filled: tuple[Gap, ...]
    notes: tuple[str, ...]


def check(path: Path, *, scope: Scope = Scope.LIFECYCLE, zone: str | None = None) -> Checked:
    """Look for everything that is wrong with a file rather than for the first. It raises nothing.

    zone, scope: as in `read_sheet`. What follows from a row that cannot be read is not told again as a gap.
    """
    sheet = read_sheet(path, scope=scope, zone=zone)
    problems = list(sheet.problems)
    filled: list[Gap] = []
    for of_zone in sheet.rows.values():
        problems += _problems(sheet, of_zone, filled)
    problems.sort(key=lambda problem: problem.line or 0)
    return Checked(
        path=path,
        layout="" if sheet.columns is None else sheet.columns.layout.name,
        zones=tuple(sorted(sheet.rows)),
        problems=tuple(problems),
        filled=tuple(sorted(filled, key=lambda gap: gap.after.line)),
        notes=tuple(_notes(sheet)),
    )


def ascending(rows: Sequence[Placed]) -> list[Placed]:
    """Rows in the order of time, the first of each."""
    ordered = sorted(rows, key=lambda placed: placed.row.at)
    return ordered[:1] + [after for before, after in pairwise(ordered) if after.row.at > before.row.at]


def _problems(sheet: Sheet, rows: Sequence[Placed], filled: list[Gap]) -> Iterator[Problem]:
    yield from order_problems(rows)
    # As if it were in order: what is missing is missing in either case.
    ordered = ascending(rows)
    known = [placed for placed in ordered if placed.known]
    if len(known) < 2:
        if not sheet.problems:
            text = f"{sheet.path}: expected two readings or more below the header, found {len(known)}"
            yield Problem(path=sheet.path, line=None, column="", message=text, hint="")
        return
    step = step_of(ordered)
    yield from step_problems(ordered, step)
    for gap in gaps(known, step):
        if _explained(sheet, gap):
            continue
        if gap.fillable:
            filled.append(gap)
        else:
            yield gap.problem()


def _explained(sheet: Sheet, gap: Gap) -> bool:
    """True when a row in the gap could not be read, which has been told."""
    return any(gap.before.line < (problem.line or 0) < gap.after.line for problem in sheet.problems)


def _notes(sheet: Sheet) -> Iterator[str]:
    if len(sheet.rows) > 1:
        yield f"holds {len(sheet.rows)} zones, of which a trace has one: `ga trace import` makes a file of each"
    if sheet.left_out:
        others = ", ".join(sorted(sheet.left_out))
        yield f"rows of other zones, left out: {sum(sheet.left_out.values())} of {others}"
    for zone, rows in sheet.rows.items():
        known = [index for index, placed in enumerate(rows) if placed.known]
        ends = known[0] + len(rows) - 1 - known[-1] if known else 0
        if ends:
            span = f"{iso(rows[known[0]].row.at)} to {iso(rows[known[-1]].row.at)}"
            yield f"{zone}: rows at the ends without a value, left out: {ends}; readings from {span}"
        forecasts = sum(rows[index].row.quality is Quality.FORECAST for index in known)
        if forecasts:
            yield f"{zone}: readings that are the file's forecast, without a measured value: {forecasts}"
