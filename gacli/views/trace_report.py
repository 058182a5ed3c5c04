"""`ga trace`: what is in carbon traces, what is wrong with them, what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from gacli.carbon.trace import Trace
from gacli.carbon.trace_check import Checked
from gacli.carbon.trace_import import Gathered, Outcome
from gacli.carbon.trace_rows import Gap, Problem
from gacli.core.carbon import Quality
from gacli.errors import TraceError
from gacli.store.database import to_text
from gacli.views import formatting as fmt
from gacli.views.section import columns
from gacli.views.stream import to_line
from gacli.views.trend import sparkline

_HOURS = 24
# A file that is wrong throughout says so in its first lines; JSON has them all.
_MOST = 50


def print_info(
    found: Sequence[tuple[Path, Gathered]], refused: Sequence[tuple[Path, TraceError]], *, as_json: bool
) -> None:
    """For `ga trace info`, to standard output."""
    if as_json:
        print(
            to_line(
                {
                    "traces": [{"file": str(path)} | _trace_json(gathered) for path, gathered in found],
                    "refused": [
                        {"file": str(path), "message": error.message, "hint": error.hint} for path, error in refused
                    ],
                }
            )
        )
        return
    console = Console()
    console.print(info_table(found))
    for _, error in refused:
        # On one line, however long: the place in the file is to be copied.
        console.print(Text(fmt.plain(error.message), style="yellow"), soft_wrap=True)


def info_table(found: Sequence[tuple[Path, Gathered]]) -> RenderableType:
    """A line a trace with its range and mean day; below, where each comes from and what of it is estimated."""
    table = columns(gap=2, expand=False)
    table.add_column("zone", no_wrap=True)
    table.add_column("g/kWh", justify="right", no_wrap=True)
    table.add_column("range", justify="right", no_wrap=True)
    table.add_column("mean day, 0–23 h UTC", no_wrap=True)
    table.add_column("from", no_wrap=True)
    table.add_column("to", no_wrap=True)
    for _, gathered in found:
        trace = gathered.trace
        values = [reading.intensity_g_per_kwh for reading in trace.readings]
        table.add_row(
            trace.zone,
            fmt.intensity(sum(values) / len(values)),
            f"{fmt.intensity(min(values))}–{fmt.intensity(max(values))}",
            sparkline(mean_day_g_per_kwh(trace)),
            f"{trace.start:%Y-%m-%d}",
            f"{trace.end:%Y-%m-%d}",
        )
    parts: list[RenderableType] = [table] if found else []
    for path, gathered in found:
        parts.append(Text(f"{gathered.trace.zone}, {fmt.plain(path.name)}: {_described(gathered)}", style="dim"))
    return Group(*parts)


def mean_day_g_per_kwh(trace: Trace) -> list[float | None]:
    """The mean of each hour of the day, 0 to 23 UTC; None where the trace has no reading."""
    hours: list[list[float]] = [[] for _ in range(_HOURS)]
    for reading in trace.readings:
        hours[reading.at.hour].append(reading.intensity_g_per_kwh)
    return [sum(values) / len(values) if values else None for values in hours]


def print_check(checked: Sequence[Checked], *, as_json: bool) -> None:
    """For `ga trace check`, to standard output."""
    if as_json:
        files = [_checked_json(one) for one in checked]
        print(to_line({"ok": not any(one.problems for one in checked), "files": files}))
        return
    for one in checked:
        for line in check_lines(one):
            print(line)


def check_lines(one: Checked) -> Iterator[str]:
    """What was found in a file, a line each; with the place at which to look."""
    if one.problems:
        yield f"{one.path}: {fmt.plural(len(one.problems), 'problem')}"
    else:
        yield f"{one.path}: in order; {one.layout} layout, {', '.join(one.zones)}"
    yield from _at_most([line for problem in one.problems for line in _problem_lines(problem)])
    yield from _at_most([f"  note: {_gap_text(gap)}" for gap in one.filled])
    yield from (f"  note: {note}" for note in one.notes)


def print_import(
    gathered: Sequence[Gathered], outcomes: Mapping[Path, Outcome], folder: Path, *, as_json: bool
) -> None:
    """For `ga trace import`, to standard output. outcomes: in the order of `gathered`."""
    if as_json:
        done = [
            {"target": str(target), "outcome": outcome.value, "files": [str(path) for path in one.files]}
            | _trace_json(one)
            for one, (target, outcome) in zip(gathered, outcomes.items(), strict=True)
        ]
        print(to_line({"folder": str(folder), "imported": done}))
        return
    for one, (target, outcome) in zip(gathered, outcomes.items(), strict=True):
        print(f"{target}: {outcome.value}, from {', '.join(path.name for path in one.files)}")
        print(f"  {_described(one)}")
    print(f"use what is there with, in a configuration: carbon: {{source: trace, folder: {folder}}}")


def _described(gathered: Gathered) -> str:
    """`17,544 readings of 60 min, average, lifecycle, Electricity Maps layout; 3 filled in 2 gaps; 0.5 % estimated`."""
    trace = gathered.trace
    words = [
        f"{fmt.plural(len(trace.readings), 'reading')} of {fmt.duration(trace.step_s)}, {trace.signal.value}, "
        f"{trace.scope.value}, {trace.layout} layout"
    ]
    if trace.filled:
        words.append(f"{fmt.count(trace.filled)} filled in {fmt.plural(len(gathered.gaps), 'gap')}")
    if trace.file_estimated:
        words.append(f"{fmt.percent(_percent(trace, trace.file_estimated))} estimated by the source")
    forecasts = _forecasts(trace)
    if forecasts:
        words.append(f"{fmt.percent(_percent(trace, forecasts))} forecast")
    return "; ".join(words)


def _trace_json(gathered: Gathered) -> dict[str, object]:
    trace = gathered.trace
    values = [reading.intensity_g_per_kwh for reading in trace.readings]
    return {
        "zone": trace.zone,
        "layout": trace.layout,
        "signal": trace.signal.value,
        "scope": trace.scope.value,
        "start": to_text(trace.start),
        "end": to_text(trace.end),
        "step_s": trace.step_s,
        "readings": len(values),
        "filled": trace.filled,
        "gaps": [_gap_json(gap) for gap in gathered.gaps],
        "estimated_percent": _percent(trace, trace.file_estimated),
        "forecast_percent": _percent(trace, _forecasts(trace)),
        "lowest_g_per_kwh": min(values),
        "mean_g_per_kwh": sum(values) / len(values),
        "highest_g_per_kwh": max(values),
        "mean_day_g_per_kwh": mean_day_g_per_kwh(trace),
    }


def _checked_json(one: Checked) -> dict[str, object]:
    return {
        "file": str(one.path),
        "ok": not one.problems,
        "layout": one.layout or None,
        "zones": list(one.zones),
        "problems": [
            {"line": found.line, "column": found.column or None, "message": found.message, "hint": found.hint}
            for found in one.problems
        ],
        "filled": [_gap_json(gap) for gap in one.filled],
        "notes": list(one.notes),
    }


def _gap_json(gap: Gap) -> dict[str, object]:
    """after, before: the readings at its ends, with the line of the latter."""
    return {
        "after": to_text(gap.before.row.at),
        "before": to_text(gap.after.row.at),
        "file": str(gap.after.path),
        "line": gap.after.line,
        "filled": gap.missing,
    }


def _gap_text(gap: Gap) -> str:
    return (
        f"{gap.after.where}: nothing between {fmt.clock(gap.before.row.at)} and {fmt.clock(gap.after.row.at)}: "
        f"{fmt.plural(gap.missing, 'reading')} filled, labelled estimated"
    )


def _problem_lines(problem: Problem) -> Iterator[str]:
    # Accepted layouts are listed one a line; what the file has to say may hold anything.
    yield from (f"  {fmt.plain(line)}" for line in problem.message.splitlines())
    if problem.hint:
        yield f"    → {fmt.plain(problem.hint)}"


def _at_most(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:_MOST]
    if len(lines) > _MOST:
        yield f"  and {fmt.count(len(lines) - _MOST)} lines more; --json has them all"


def _forecasts(trace: Trace) -> int:
    return sum(reading.quality is Quality.FORECAST for reading in trace.readings)


def _percent(trace: Trace, count: int) -> float:
    return 100.0 * count / len(trace.readings)
