"""`ga report`: the whole story of a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gacli.core.energy import Phase
from gacli.core.placement import PlacementState
from gacli.views import formatting as fmt
from gacli.views.accounted import basis_words
from gacli.views.baselines import baseline_notes, baseline_rows
from gacli.views.devices import device_rows
from gacli.views.emissions_panel import emissions_panel
from gacli.views.estimates import estimate_lines
from gacli.views.recomputed import Recomputation, assumption_words, recomputed_note, recomputed_rows
from gacli.views.report_data import GenerationRow, PlacementRow, Report, report_json
from gacli.views.section import columns
from gacli.views.stream import to_line
from gacli.views.summary_text import summary_lines

# Columns of the display from which there is room for years and for real time beside the job's.
_WIDE = 110


def print_report(report: Report, *, as_json: bool) -> None:
    """To standard output."""
    if as_json:
        print(to_line(report_json(report)))
        return
    console = Console()
    console.print(report_tables(report, console.width))


def report_tables(report: Report, width: int) -> Group:
    """Everything at `width` columns, as long as it gets."""
    parts: list[RenderableType] = [Text(line) for line in summary_lines(report.summary)]
    parts += ["", emissions_panel(report.emissions, report.signals, width).renderable]
    if (baseline := report.emissions.account.baseline) is not None:
        words = f"baseline: {baseline.policy} at {baseline.site}; {basis_words(report.basis)}"
        parts.append(Text(words, style="dim"))
    if power := _mean_power(report):
        parts.append(Text(power, style="dim"))
    if any(one.device != "host" for one in report.devices):
        parts += _titled("energy by device", _devices(report))
    parts += _titled("baselines", _baselines(report) if len(report.baselines.savings) > 1 else None)
    parts += [Text(note, style="dim") for note in baseline_notes(report.baselines)]
    if lines := estimate_lines(report.estimates):
        parts += ["", Text("apart from all this, and in none of its sums", style="bold")]
        parts += [Text(line) for line in lines]
    if (recomputed := report.recomputed) is not None:
        parts += _titled(f"recomputed: {assumption_words(recomputed)}", _recomputed(recomputed))
        parts.append(Text(recomputed_note(recomputed), style="dim"))
    parts += _titled("placements", _placements(report, width) if report.placements else None)
    parts += _titled("generations", _generations(report, width) if report.generations else None)
    parts += _titled("decisions that moved or paused the job", _decisions(report, width) if report.decisions else None)
    if report.stays:
        parts.append(Text(f"and {fmt.plural(report.stays, 'decision')} to stay", style="dim"))
    parts += _titled("warnings and errors", _notices(report, width) if report.notices else None)
    return Group(*parts)


def _titled(title: str, table: Table | None) -> list[RenderableType]:
    return [] if table is None else ["", Text(title, style="bold"), table]


def _mean_power(report: Report) -> str:
    training = [total for total in report.emissions.account.totals if total.phase is Phase.TRAIN]
    time_s = sum(total.time_s for total in training)
    return f"mean power while training: {fmt.power(sum(t.energy_j for t in training) / time_s)}" if time_s else ""


def _devices(report: Report) -> Table:
    table = _figures(("device", "by"), ("energy", "share"))
    for row in device_rows(report.devices):
        table.add_row(*row)
    return table


def _baselines(report: Report) -> Table:
    table = _figures(("of the same work", "where"), ("emissions", "saved against it"))
    for row in baseline_rows(report.baselines):
        table.add_row(*row)
    return table


def _recomputed(recomputation: Recomputation) -> Table:
    table = _figures(("site",), ("recorded", "recomputed", "difference"))
    for row in recomputed_rows(recomputation):
        table.add_row(*row)
    return table


def _figures(words: Sequence[str], numbers: Sequence[str]) -> Table:
    table = columns(gap=2, expand=False)
    for header in words:
        table.add_column(header, overflow="fold")
    for header in numbers:
        table.add_column(header, justify="right", no_wrap=True)
    return table


def _placements(report: Report, width: int) -> Table:
    table = _table("at", "what", "from", "to", "downtime", "copied", "how it went")
    for row in report.placements:
        record = row.record
        table.add_row(
            _at(record.times[PlacementState.PLANNED], width),
            record.purpose.value,
            row.source or "",
            record.target_site or "",
            "" if row.downtime_s is None else _spent(row.downtime_s, report.scale, width),
            fmt.size(record.moved_bytes) if record.moved_bytes else "",
            Text(_outcome(row), style="" if record.state is PlacementState.FINISHED else "yellow"),
        )
    return table


def _outcome(row: PlacementRow) -> str:
    detail = fmt.plain(row.record.detail)
    state = row.record.state.value.replace("_", " ")
    return f"{state}: {detail}" if detail else state


def _generations(report: Report, width: int) -> Table:
    table = _table("generation", "site", "started", "time", "steps", "lost", "outcome")
    for row in report.generations:
        record = row.record
        began, ended = record.started_at, record.ended_at
        table.add_row(
            str(record.generation),
            record.site,
            "" if began is None else _at(began, width),
            "" if began is None or ended is None else _spent((ended - began).total_seconds(), report.scale, width),
            _steps(row),
            Text(fmt.count(row.lost_steps), style="yellow") if row.lost_steps else "",
            record.outcome or record.state,
        )
    return table


def _steps(row: GenerationRow) -> str:
    first = fmt.count(max(row.record.from_step, 0))
    return "" if row.reached is None else f"{first} – {fmt.count(row.reached)}"


def _decisions(report: Report, width: int) -> Table:
    table = _table("at", "policy", "to", "why")
    for decision in report.decisions:
        reason = Text(fmt.plain(decision.reason))
        table.add_row(_at(decision.at, width), decision.policy, decision.target or "", reason)
    return table


def _notices(report: Report, width: int) -> Table:
    table = _table("at", "what", "message")
    for event in report.notices:
        what = Text(event.kind, style="red" if event.kind == "error" else "yellow")
        table.add_row(_at(event.at, width), what, Text(fmt.plain(str(event.body["message"]))))
    return table


def _at(instant: datetime, width: int) -> str:
    return instant.strftime("%Y-%m-%d %H:%M" if width >= _WIDE else "%m-%d %H:%M")


def _spent(span_s: float, scale: float, width: int) -> str:
    real = f" ({fmt.duration(span_s / scale)} real)" if scale != 1 and width >= _WIDE else ""
    return fmt.duration(span_s) + real


def _table(*headers: str) -> Table:
    """The last column takes the room that is left, and wraps."""
    table = columns(gap=2)
    for header in headers[:-1]:
        table.add_column(header, no_wrap=True)
    table.add_column(headers[-1], ratio=1, overflow="fold")
    return table
