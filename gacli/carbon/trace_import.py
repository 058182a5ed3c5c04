"""From the CSV files that people download to one file a zone in ga's own layout."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gacli.carbon.formats import OWN_LAYOUTS
from gacli.carbon.span import iso
from gacli.carbon.trace import Trace, trace_of
from gacli.carbon.trace_rows import Gap, Placed, gaps, order_problems, step_of
from gacli.carbon.trace_sheet import read_sheet
from gacli.core.carbon import Quality, Scope
from gacli.errors import GaError, TraceError
from gacli.transport.files import write_atomic

# How far two files' values of the same time may lie apart by rounding alone, in g/kWh and in percent.
_ROUNDING = 0.01


class Outcome(StrEnum):
    """What became of a file."""

    WRITTEN = "written"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """A zone's trace out of one file or several. gaps: the short ones, which are filled."""

    trace: Trace
    gaps: tuple[Gap, ...]
    files: tuple[Path, ...]


def gather(paths: Iterable[Path], *, scope: Scope = Scope.LIFECYCLE, zone: str | None = None) -> list[Gathered]:
    """Read files of any layout, zone by zone, sorted by zone. Files of one zone are joined.

    zone, scope: as in `read_sheet`. Raises TraceError for whatever `check` finds wrong in a file, for files of one zone
    that differ in signal, scope or step, or in what they say of the same time, and for gaps between them over
    MAX_FILLED_GAP.
    """
    found: dict[str, list[tuple[Placed, ...]]] = {}
    for path in dict.fromkeys(paths):
        sheet = read_sheet(path, scope=scope, zone=zone)
        for problem in sheet.problems:
            raise TraceError(problem.message, hint=problem.hint or f"see all that is wrong with: ga trace check {path}")
        for of_zone, rows in sheet.rows.items():
            for problem in order_problems(rows):
                raise problem.error()
            found.setdefault(of_zone, []).append(rows)
    return [_gathered(of_zone, parts) for of_zone, parts in sorted(found.items())]


def own_layout(trace: Trace) -> str:
    """The trace as the text of a file in ga's own layout, which names signal and scope; it reads back as it is.

    Only this is lost: a forecast in the place of a measured value reads back as estimated.
    """
    layout = OWN_LAYOUTS[trace.signal, trace.scope]
    ((column, _),) = layout.values[trace.scope]
    readings = trace.readings
    with_share = any(reading.renewable_percent is not None for reading in readings)
    with_flag = any(reading.quality is not Quality.MEASURED for reading in readings)
    out = io.StringIO()
    header = ["datetime_utc", column, *(["renewable_percent"] * with_share), *(["estimated"] * with_flag)]
    out.write(",".join(header) + "\n")
    for reading in readings:
        cells = [iso(reading.at), _number(reading.intensity_g_per_kwh)]
        if with_share:
            cells.append("" if reading.renewable_percent is None else _number(reading.renewable_percent))
        if with_flag:
            cells.append("false" if reading.quality is Quality.MEASURED else "true")
        out.write(",".join(cells) + "\n")
    return out.getvalue()


def write(traces: Sequence[Trace], folder: Path, *, replace: bool) -> dict[Path, Outcome]:
    """Write each trace to `<ZONE>.csv` in `folder`, which is made if need be: each as a whole or not at all.

    Raises TraceError, with nothing written, when there is a file of other content and not `replace`; GaError when the
    folder cannot be written to.
    """
    try:
        planned = _planned(traces, folder)
        _refuse_others(planned, replace=replace)
        folder.mkdir(parents=True, exist_ok=True)
        for path, (outcome, content) in planned.items():
            if outcome is not Outcome.UNCHANGED:
                write_atomic(path, content, mode=0o644)
    except OSError as error:
        raise GaError(
            f"{error.filename or folder}: the trace cannot be written: {error.strerror or error}",
            hint="name a folder that you may write to with --into",
        ) from error
    return {path: outcome for path, (outcome, _) in planned.items()}


def _gathered(zone: str, parts: list[tuple[Placed, ...]]) -> Gathered:
    parts = sorted(parts, key=lambda part: part[0].row.at)
    _require_alike(parts)
    rows = _joined(parts)
    files = tuple(dict.fromkeys(part[0].path for part in parts))
    trace = trace_of(rows, zone=zone, path=files[0])
    return Gathered(trace=trace, gaps=tuple(gaps([row for row in rows if row.known], step_of(rows))), files=files)


def _require_alike(parts: Sequence[Sequence[Placed]]) -> None:
    """One trace has one signal, one scope and one step; a coarser file is not to be taken for one with gaps."""
    first = parts[0]
    for part in parts[1:]:
        kinds = [f"{rows[0].columns.layout.signal.value}, {rows[0].columns.scope.value}" for rows in (first, part)]
        if len(first) > 1 and len(part) > 1:
            steps = [f"steps of {step_of(rows).total_seconds():.0f} s" for rows in (first, part)]
            kinds = [", ".join(words) for words in zip(kinds, steps, strict=True)]
        if kinds[0] != kinds[1]:
            raise TraceError(
                f"{part[0].path}: expected {kinds[0]} as in {first[0].path}, found {kinds[1]}",
                hint="import files of one kind only, or each kind into a folder of its own",
            )


def _joined(parts: Sequence[Sequence[Placed]]) -> list[Placed]:
    """One row a time, ascending. Of rows of the same time the one that has a value, then the measured one."""
    rows: dict[object, Placed] = {}
    for part in parts:
        for placed in part:
            other = rows.get(placed.row.at)
            rows[placed.row.at] = placed if other is None else _agreed(other, placed)
    return sorted(rows.values(), key=lambda placed: placed.row.at)


def _agreed(first: Placed, second: Placed) -> Placed:
    for name, one, other in (
        ("g/kWh", first.row.intensity_g_per_kwh, second.row.intensity_g_per_kwh),
        ("% renewable", first.row.renewable_percent, second.row.renewable_percent),
    ):
        if one is not None and other is not None and not math.isclose(one, other, rel_tol=0.0, abs_tol=_ROUNDING):
            raise TraceError(
                f"{second.where}: expected {one:g} {name} at {iso(second.row.at)} as in {first.where}, found {other:g}",
                hint="import only the newer file of the two, or cut one where the other begins",
            )
    if not first.known or (second.known and first.row.quality is not Quality.MEASURED):
        return second
    return first


def _planned(traces: Sequence[Trace], folder: Path) -> dict[Path, tuple[Outcome, bytes]]:
    planned = {}
    for trace in traces:
        path, content = folder / f"{trace.zone}.csv", own_layout(trace).encode()
        there = _there(path)
        if there is None:
            outcome = Outcome.WRITTEN
        else:
            outcome = Outcome.UNCHANGED if _content(there) == content else Outcome.REPLACED
        planned[path] = outcome, content
    return planned


def _refuse_others(planned: Mapping[Path, tuple[Outcome, bytes]], *, replace: bool) -> None:
    others = [str(_there(path)) for path, (outcome, _) in planned.items() if outcome is Outcome.REPLACED]
    if others and not replace:
        raise TraceError(
            f"{', '.join(others)}: there already, with other content; nothing was written",
            hint="replace with --replace, or name another folder with --into",
        )


def _there(path: Path) -> Path | None:
    """The zone's file that readers of the folder find now: the plain one, else the compressed one."""
    packed = path.with_name(f"{path.name}.gz")
    return next((found for found in (path, packed) if found.exists()), None)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""  # damaged: in any case not what we would write


def _number(value: float) -> str:
    """As short as it can be said exactly."""
    return repr(value).removesuffix(".0")
