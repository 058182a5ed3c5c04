"""One CSV file as rows by zone, with everything in it that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gacli.carbon.formats import Columns, detect
from gacli.carbon.lines import csv_lines
from gacli.carbon.trace_rows import Placed, Problem
from gacli.core.carbon import Scope
from gacli.errors import TraceError

# The zone that a file is called after: `DE.csv`, `US-CAL-CISO_2024.csv.gz`, `DE_2023_hourly.csv`. Stricter than what a
# zone may be called, since most upper-case words are none.
_FILE_NAME = re.compile(r"([A-Z]{2}(?:-(?:[A-Z][A-Z0-9]{0,4}|[0-9])){0,2})(?:[-_][0-9]{4}(?:_hourly)?)?\.csv(?:\.gz)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """What one file holds. columns: None when not even the header can be read.

    rows: by zone, in the file's order, those that can be read. left_out: rows by zone of zones that were not asked for.
    problems: what could not be read, in the file's order.
    """

    path: Path
    columns: Columns | None
    rows: Mapping[str, tuple[Placed, ...]]
    left_out: Mapping[str, int]
    problems: tuple[Problem, ...]


def read_sheet(path: Path, *, scope: Scope, zone: str | None) -> Sheet:
    """Read a `.csv` or `.csv.gz` file of any layout of `formats`, however much is wrong with it.

    zone: the only one to read, and what a file without a column of zones is of; without it, all zones of such a column,
    else the one that the file is called after. scope: for files that have both.
    """
    reader = _Reader(path, scope, zone)
    line: int | None = None
    try:
        for line, cells in csv_lines(path):
            if not reader.take(line, cells):
                break
        else:
            reader.end()
    except TraceError as error:  # the file itself: what comes after the line before cannot be read
        reader.problems.append(Problem.of(error, path, None if line is None else line + 1))
    return Sheet(
        path=path,
        columns=reader.columns,
        rows={zone: tuple(rows) for zone, rows in reader.rows.items()},
        left_out=reader.left_out,
        problems=tuple(reader.problems),
    )


def zone_of_name(path: Path) -> str | None:
    """The zone that a file is called after, such as `DE` of `DE.csv` and of `DE_2024.csv.gz`."""
    found = _FILE_NAME.fullmatch(path.name)
    return found[1] if found else None


class _Reader:
    """Takes the lines of one file."""

    def __init__(self, path: Path, scope: Scope, zone: str | None) -> None:
        self.columns: Columns | None = None
        self.rows: dict[str, list[Placed]] = {}
        self.left_out: dict[str, int] = {}
        self.problems: list[Problem] = []
        self._path = path
        self._scope = scope
        self._zone = zone

    def take(self, line: int, cells: list[str]) -> bool:
        """False when the lines that follow say nothing without this one."""
        where = f"{self._path}:{line}"
        try:
            if self.columns is None:
                self.columns = detect(cells, scope=self._scope, where=where)
                return self._knows_zone(self.columns)
            self._row(self.columns, line, cells)
        except TraceError as error:
            self.problems.append(Problem.of(error, self._path, line))
        return self.columns is not None

    def end(self) -> None:
        """After the last line."""
        if self.columns is None:
            self._of_file(":1: expected a header and readings, found an empty file")
        elif not self.rows and self.left_out:
            others = ", ".join(sorted(self.left_out))
            self._of_file(f": expected rows of zone {self._zone}, found those of {others}")
        elif not self.rows and not self.problems:
            self._of_file(": expected two readings or more below the header, found 0")

    def _knows_zone(self, columns: Columns) -> bool:
        if columns.zone is None and self._zone is None:
            self._zone = zone_of_name(self._path)
            if self._zone is None:
                self._of_file(
                    ": the zone is neither in a column nor in the name of the file",
                    hint="say which it is with --zone, or call the file after its zone, such as DE.csv",
                )
                return False
        return True

    def _row(self, columns: Columns, line: int, cells: list[str]) -> None:
        where = f"{self._path}:{line}"
        of_row = columns.zone_of(cells, where=where)
        zone = of_row or self._zone
        assert zone is not None  # `_knows_zone` has seen to it
        if self._zone not in (None, zone):
            self.left_out[zone] = self.left_out.get(zone, 0) + 1
            return
        row, errors = columns.examine(cells, zone=zone, where=where)
        self.problems += [Problem.of(error, self._path, line) for error in errors]
        rows = self.rows.setdefault(zone, [])
        if row is not None:
            rows.append(Placed(path=self._path, line=line, columns=columns, row=row))

    def _of_file(self, text: str, *, hint: str = "") -> None:
        message = f"{self._path}{text}"
        self.problems.append(Problem(path=self._path, line=None, column="", message=message, hint=hint))
