"""Carbon intensity from a CSV file, checked before anything relies on it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gacli.carbon.formats import Columns, detect
from gacli.carbon.lines import csv_lines
from gacli.carbon.span import iso, utc_span
from gacli.carbon.trace_rows import Placed, Problem, gaps, order_problems, step_of, step_problems
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.errors import CarbonUnavailable, TraceError


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """The carbon intensity of one zone over a span, without a hole.

    name: the file's name. readings: ascending by `at`, `step_s` seconds apart, at least two. filled: how many of
    them were interpolated across short gaps; those are labelled estimated. file_estimated: how many the file itself
    marks as estimated. layout: the name of the file's layout.
    """

    name: str
    zone: str
    layout: str
    signal: Signal
    scope: Scope
    step_s: float
    readings: tuple[Reading, ...]
    filled: int
    file_estimated: int

    @property
    def start(self) -> datetime:
        """Where the first reading begins."""
        return self.readings[0].at

    @property
    def end(self) -> datetime:
        """Where the last reading ends."""
        return self.readings[-1].at + timedelta(seconds=self.step_s)

    @property
    def filled_hours(self) -> float:
        """Hours of the span that the file did not cover."""
        return self.filled * self.step_s / 3600


def read_trace(path: Path, *, zone: str, scope: Scope = Scope.LIFECYCLE) -> Trace:
    """Read and check the carbon intensity of `zone` from a `.csv` or `.csv.gz` file of any layout of `formats`.

    scope: LIFECYCLE or DIRECT, for files that have both. An empty cell is a missing reading; gaps up to
    MAX_FILLED_GAP are interpolated, empty cells at either end shorten the trace.

    Raises TraceError, naming file, line and column, for a file that cannot be read or is empty, an unknown header,
    another zone's rows, values that are no numbers or not physical, times that are unreadable, out of order,
    duplicate or off the step, and longer gaps.
    """
    columns: Columns | None = None
    rows: list[Placed] = []
    for line, cells in csv_lines(path):
        where = f"{path}:{line}"
        if columns is None:
            columns = detect(cells, scope=scope, where=where)
            continue
        row = columns.parse(cells, zone=zone, where=where)
        rows.append(Placed(path=path, line=line, columns=columns, row=row))
    if columns is None:
        raise TraceError(f"{path}:1: expected a header and readings, found an empty file")
    _refuse(order_problems(rows))
    return trace_of(rows, zone=zone, path=path)


def trace_of(rows: Sequence[Placed], *, zone: str, path: Path) -> Trace:
    """A trace from rows of one zone, signal and scope, strictly ascending; they may come from several files.

    path: what the trace is called after. Raises TraceError for fewer than two readings, times off the step, and gaps
    over MAX_FILLED_GAP.
    """
    known = [placed for placed in rows if placed.known]
    if len(known) < 2:
        raise TraceError(f"{path}: expected two readings or more below the header, found {len(known)}")
    step = step_of(rows)
    _refuse(step_problems(rows, step))
    _refuse(gap.problem() for gap in gaps(known, step) if not gap.fillable)
    readings = tuple(_filled(known, step, zone, f"trace:{path.name}"))
    filled = len(readings) - len(known)
    columns = rows[0].columns
    return Trace(
        name=path.name,
        zone=zone,
        layout=columns.layout.name,
        signal=columns.layout.signal,
        scope=columns.scope,
        step_s=step.total_seconds(),
        readings=readings,
        filled=filled,
        file_estimated=sum(reading.quality is Quality.ESTIMATED for reading in readings) - filled,
    )


def _refuse(problems: Iterable[Problem]) -> None:
    for problem in problems:
        raise problem.error()


def _filled(known: Sequence[Placed], step: timedelta, zone: str, source: str) -> Iterator[Reading]:
    columns = known[0].columns

    def reading(at: datetime, intensity: float, quality: Quality, renewable_percent: float | None) -> Reading:
        return Reading(
            zone=zone,
            at=at,
            period_s=step.total_seconds(),
            intensity_g_per_kwh=intensity,
            signal=columns.layout.signal,
            scope=columns.scope,
            quality=quality,
            source=source,
            renewable_percent=renewable_percent,
        )

    previous: tuple[datetime, float] | None = None
    for row in (placed.row for placed in known):
        intensity = row.intensity_g_per_kwh
        assert intensity is not None  # `known` holds no others
        if previous is not None:
            last, from_intensity = previous
            steps = (row.at - last) // step
            for number in range(1, steps):
                value = from_intensity + (intensity - from_intensity) * number / steps
                yield reading(last + number * step, value, Quality.ESTIMATED, None)
        yield reading(row.at, intensity, row.quality, row.renewable_percent)
        previous = (row.at, intensity)


class TraceSource:
    """Carbon intensity from one file a zone, read when first asked for. Implements CarbonSource.

    Raises TraceError from every method as soon as a file that it needs cannot be trusted.
    """

    def __init__(self, files: Mapping[str, Path], *, scope: Scope = Scope.LIFECYCLE) -> None:
        self._files = dict(files)
        self._scope = scope
        self._traces: dict[str, Trace] = {}

    @property
    def name(self) -> str:
        """`trace`; the readings' `source` names the file."""
        return "trace"

    @property
    def live(self) -> bool:
        """False: what it says was there before."""
        return False

    def trace(self, zone: str) -> Trace:
        """The zone's whole trace; CarbonUnavailable when there is no file for the zone."""
        if zone not in self._traces:
            if zone not in self._files:
                zones = ", ".join(sorted(self._files)) or "none"
                raise CarbonUnavailable(
                    f"trace: no file for zone {zone}; zones with a file: {zones}",
                    hint=f"add a trace file for {zone}",
                )
            self._traces[zone] = read_trace(self._files[zone], zone=zone, scope=self._scope)
        return self._traces[zone]

    def signals(self) -> set[Signal]:
        """What the files hold; average and marginal values are not to be compared, so more than one is a mistake."""
        return {self.trace(zone).signal for zone in self._files}

    def scopes(self) -> set[Scope]:
        """The emission factors behind the files; more than one is as wrong as more than one signal."""
        return {self.trace(zone).scope for zone in self._files}

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Readings in force anywhere in [start, end], ascending, as far as the trace reaches.

        Raises CarbonUnavailable, saying the trace's span, when no part of it lies in [start, end].
        """
        start, end = utc_span(start, end)
        trace = self.trace(zone)
        if end < trace.start or start >= trace.end:
            raise CarbonUnavailable(
                f"trace {trace.name}: no reading of {zone} in {iso(start)} to {iso(end)}; the file covers "
                f"{iso(trace.start)} to {iso(trace.end)}",
                hint="choose a replay start within the trace, or a longer trace",
            )
        first = max(bisect_right(trace.readings, start, key=_at) - 1, 0)
        return list(trace.readings[first : bisect_right(trace.readings, end, key=_at)])


def _at(reading: Reading) -> datetime:
    return reading.at


def files_in(folder: Path, zones: Iterable[str]) -> dict[str, Path]:
    """The trace of each zone in `folder`: `<ZONE>.csv`, else `<ZONE>.csv.gz`.

    Raises TraceError that lists the zones without a file and those that the folder has.
    """
    wanted = sorted(set(zones))
    try:
        present = {entry.name: entry for entry in folder.iterdir() if entry.is_file()}
    except OSError as error:
        raise TraceError(f"{folder}: the folder of carbon traces cannot be read: {error.strerror}") from error
    found = {zone: present[name] for zone in wanted for name in (f"{zone}.csv.gz", f"{zone}.csv") if name in present}
    missing = [zone for zone in wanted if zone not in found]
    if missing:
        has = sorted({name.removesuffix(".gz").removesuffix(".csv") for name in present if _is_trace(name)})
        raise TraceError(
            f"{folder}: no carbon trace for {', '.join(missing)}; the folder has "
            f"{', '.join(has) if has else 'no .csv or .csv.gz file'}",
            hint="name each file after its zone, such as DE.csv or DE.csv.gz",
        )
    return found


def _is_trace(name: str) -> bool:
    return name.endswith((".csv", ".csv.gz"))
