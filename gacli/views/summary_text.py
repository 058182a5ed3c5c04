"""The summary of a run as plain text: the last lines of every log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gacli.core.energy import JOULES_PER_KWH
from gacli.views import formatting as fmt
from gacli.views.wording import saving


def summary_lines(summary: Mapping[str, Any]) -> list[str]:
    """The body of a `summary` event (see `gacli.engine.summary.summary_of`) as a small table, 80 columns or less."""
    lines = [_what_happened(summary)]
    if summary["sites"]:
        lines += _table(summary["sites"], summary)
    baseline = summary["baseline"]
    if baseline is not None:
        lines.append(saving(baseline["site"], baseline["emissions_g"], summary["emissions_g"]))
    if summary["modelled_percent"]:
        lines.append(f"energy modelled, not metered: {fmt.percent(summary['modelled_percent'])}")
    checkpoint = summary["checkpoint"]
    if checkpoint is not None:
        step = f"step {fmt.count(checkpoint['step'])}, " if checkpoint["step"] >= 0 else ""
        lines.append(f"checkpoint: {step}sha256 {checkpoint['sha256']}")
    return lines


def _what_happened(summary: Mapping[str, Any]) -> str:
    words = [f"{summary['job']} {summary['status']}"]
    if summary["wall_s"] is not None:
        words[0] += f" after {fmt.duration(summary['wall_s'])}"
        if summary["clock_scale"] != 1:
            words[0] += f" ({fmt.duration(summary['wall_s'] * summary['clock_scale'])} replayed)"
    if summary["steps"] is not None:
        words.append(fmt.plural(summary["steps"], "step"))
    words += [fmt.plural(summary["generation"], "generation"), fmt.plural(summary["migrations"], "move")]
    words += [fmt.plural(summary["pauses"], "pause")] if summary["pauses"] else []
    line = ", ".join(words)
    detail = fmt.plain(summary["detail"])
    return f"{line}: {detail}" if detail and summary["status"] != "done" else line


def _table(sites: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> list[str]:
    rows = [("site", "zone", "time", "energy", "emissions")]
    rows += [
        (site["site"], site["zone"], *_figures(site["time_s"], site["energy_kwh"], site["emissions_g"]))
        for site in sites
    ]
    time_s = sum(site["time_s"] for site in sites)
    rows.append(("total", "", *_figures(time_s, summary["energy_kwh"], summary["emissions_g"])))
    return aligned(rows, right=(2, 3, 4))


def _figures(time_s: float, energy_kwh: float, emissions_g: float) -> tuple[str, str, str]:
    return fmt.duration(time_s), fmt.energy(energy_kwh * JOULES_PER_KWH), fmt.mass(emissions_g)


def aligned(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Columns below each other, two spaces apart; `right`: columns that end at their right edge."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
