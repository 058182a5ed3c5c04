"""Rows of carbon traces in the order of time: what is wrong with them, and what is missing between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from gacli.carbon.formats import CellError, Columns, Row
from gacli.carbon.span import iso
from gacli.errors import TraceError

MAX_FILLED_GAP = timedelta(hours=3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A row with the place that it comes from. columns: those of its file."""

    path: Path
    line: int
    columns: Columns
    row: Row

    @property
    def where(self) -> str:
        """`file:line`, for messages."""
        return f"{self.path}:{self.line}"

    @property
    def known(self) -> bool:
        """False when the cell of the intensity is empty."""
        return self.row.intensity_g_per_kwh is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong with a file. line: None when it is of no single line. column: empty when of no column.

    message: begins with the place. hint: what to do, may be empty.
    """

    path: Path
    line: int | None
    column: str
    message: str
    hint: str

    @classmethod
    def of(cls, error: TraceError, path: Path, line: int | None) -> Problem:
        """What an error says of a line."""
        column = error.column if isinstance(error, CellError) else ""
        return cls(path=path, line=line, column=column, message=error.message, hint=error.hint)

    def error(self) -> TraceError:
        """For those who go no further."""
        return TraceError(self.message, hint=self.hint)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Steps between two known rows for which there is no reading; `missing` of them, at least one."""

    before: Placed
    after: Placed
    missing: int
    step: timedelta

    @property
    def fillable(self) -> bool:
        """True up to MAX_FILLED_GAP."""
        return self.missing * self.step <= MAX_FILLED_GAP

    def problem(self) -> Problem:
        """What to say of one that is not filled."""
        return _problem(
            self.after,
            self.after.columns.value_name,
            f"expected readings without gaps over {MAX_FILLED_GAP.total_seconds() / 3600:.0f} h, found none between "
            f"{iso(self.before.row.at)} and {iso(self.after.row.at)}",
            hint="fill the gap from another source, or cut the file there",
        )


def order_problems(rows: Sequence[Placed]) -> Iterator[Problem]:
    """Times that come twice, or before the one above them."""
    for before, after in pairwise(rows):
        if after.row.at == before.row.at:
            yield _problem(after, after.columns.time_name, f"expected each time once, found {iso(after.row.at)} again")
        elif after.row.at < before.row.at:
            yield _problem(
                after,
                after.columns.time_name,
                f"expected ascending times, found {iso(after.row.at)} after {iso(before.row.at)}",
                hint="sort the file by time",
            )


def step_of(rows: Sequence[Placed]) -> timedelta:
    """The most frequent distance of two rows; of several the shortest. rows: two or more, strictly ascending."""
    distances = Counter(after.row.at - before.row.at for before, after in pairwise(rows))
    return min(distances, key=lambda distance: (-distances[distance], distance))


def step_problems(rows: Sequence[Placed], step: timedelta) -> Iterator[Problem]:
    """Distances that are no whole multiple of the step. rows: strictly ascending."""
    for before, after in pairwise(rows):
        if (after.row.at - before.row.at) % step:
            yield _problem(
                after,
                after.columns.time_name,
                f"expected steps of {step.total_seconds():.0f} s as in most of the file, found {iso(after.row.at)} "
                f"after {iso(before.row.at)}",
                hint="resample the file to one step",
            )


def gaps(known: Sequence[Placed], step: timedelta) -> Iterator[Gap]:
    """Every gap, short or long. known: rows with a value, strictly ascending."""
    for before, after in pairwise(known):
        missing = (after.row.at - before.row.at) // step - 1
        if missing > 0:
            yield Gap(before=before, after=after, missing=missing, step=step)


def _problem(at: Placed, column: str, text: str, *, hint: str = "") -> Problem:
    message = f"{at.where}: column `{column}`: {text}"
    return Problem(path=at.path, line=at.line, column=column, message=message, hint=hint)
