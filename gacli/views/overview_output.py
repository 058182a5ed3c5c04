"""All jobs of a time as a table, as JSON and as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gacli.core.baseline import saved_percent
from gacli.core.energy import JOULES_PER_KWH
from gacli.store.database import to_text
from gacli.views import formatting as fmt
from gacli.views.accounted import basis_words
from gacli.views.job_panel import STATE_STYLE
from gacli.views.overview import JobRow, Overview, SavingsSum, Sum, job_sum
from gacli.views.section import columns

_ONLY_JOBS = (
    "state", "created_at", "clock_scale", "estimated_percent", "signal", "carbon_source", "baseline", "baseline_site",
    "baseline_emissions_g", "saved_g",
)  # fmt: skip


def overview_table(overview: Overview) -> RenderableType:
    """For 80 columns and more."""
    since = fmt.clock(overview.since)
    if not overview.jobs:
        return Text(f"no job was alive since {since}")
    parts: list[RenderableType] = [Text(f"{fmt.plural(len(overview.jobs), 'job')} alive since {since}"), ""]
    parts.append(_jobs_table(overview))
    for title, sums in (("by site", overview.sites), ("by zone", overview.zones)):
        if sums:
            parts += ["", Text(title, style="bold"), _sums_table(sums)]
    parts.append("")
    parts += [Text(_claim(one), style="bold" if one.baseline_g else "") for one in overview.savings]
    if replays := [f"{row.job.job_id} ×{row.job.clock_scale:g}" for row in overview.jobs if row.job.clock_scale != 1]:
        parts.append(Text(f"replays, whose time is not real: {', '.join(replays)}", style="dim"))
    return Group(*parts)


def overview_json(overview: Overview) -> dict[str, object]:
    """For `ga report --since … --json`. Nothing is rounded."""
    return {
        "since": to_text(overview.since),
        "until": to_text(overview.until),
        "jobs": [
            {
                "job": row.job.job_id,
                "state": row.job.state.value,
                "created_at": to_text(datetime.fromtimestamp(row.job.created_epoch_s, UTC)),
                "clock_scale": row.job.clock_scale,
                **_figures(job_sum(row)),
                "estimated_percent": row.basis.estimated_percent,
                "signals": [signal.value for signal in row.basis.signals],
                "sources": list(row.basis.sources),
                "baseline": None
                if row.baseline is None
                else {
                    "policy": row.baseline.policy,
                    "site": row.baseline.site,
                    "emissions_g": row.baseline.emissions_g,
                },
                "saved_percent": _saved(row),
            }
            for row in overview.jobs
        ],
        "sites": [{"site": one.name, "zone": one.zone, "jobs": one.jobs, **_figures(one)} for one in overview.sites],
        "zones": [{"zone": one.name, "jobs": one.jobs, **_figures(one)} for one in overview.zones],
        "total": {"jobs": len(overview.jobs), **_figures(overview.total)},
        "savings": [
            {
                "baseline": {"policy": one.policy, "emissions_g": one.baseline_g},
                "jobs": one.jobs,
                "emissions_g": one.emissions_g,
                "saved_percent": saved_percent(one.baseline_g, one.emissions_g),
                "signals": [signal.value for signal in one.signals],
                "sources": list(one.basis.sources),
                "estimated_percent": one.basis.estimated_percent,
                "modelled_percent": one.basis.modelled_percent,
            }
            for one in overview.savings
        ],
    }


def overview_rows(overview: Overview) -> Iterator[dict[str, object]]:
    """For CSV: a row a job, a site, a zone, and one for all; `by` tells which. Each kind adds up to the last."""
    for row in overview.jobs:
        extra: dict[str, object] = {
            "state": row.job.state.value,
            "created_at": to_text(datetime.fromtimestamp(row.job.created_epoch_s, UTC)),
            "clock_scale": row.job.clock_scale,
            "estimated_percent": row.basis.estimated_percent,
            "signal": "+".join(signal.value for signal in row.basis.signals),
            "carbon_source": "+".join(row.basis.sources),
        }
        if row.baseline is not None:
            extra |= {
                "baseline": row.baseline.policy,
                "baseline_site": row.baseline.site,
                "baseline_emissions_g": row.baseline.emissions_g,
                "saved_g": row.baseline.emissions_g - job_sum(row).emissions_g,
            }
        yield _csv_row("job", job_sum(row), extra)
    for by, sums in (("site", overview.sites), ("zone", overview.zones), ("all", (overview.total,))):
        for one in sums:
            yield _csv_row(by, one, {})


def _claim(saving: SavingsSum) -> str:
    saved_g = saving.baseline_g - saving.emissions_g
    percent = saved_percent(saving.baseline_g, saving.emissions_g)
    share = "" if percent is None else f" ({fmt.percent(abs(percent))})"
    verdict = "saved" if saved_g >= 0 else "more emitted"
    where = "its first site" if saving.jobs == 1 else "each one's first site"
    return (
        f"{fmt.plural(saving.jobs, 'job')} emitted {fmt.mass(saving.emissions_g)}, staying at {where} would have"
        f" emitted {fmt.mass(saving.baseline_g)}: {fmt.mass(abs(saved_g))} {verdict}{share}"
        f" [baseline: {saving.policy}; {basis_words(saving.basis)}]"
    )


def _saved(row: JobRow) -> float | None:
    return None if row.baseline is None else saved_percent(row.baseline.emissions_g, job_sum(row).emissions_g)


def _jobs_table(overview: Overview) -> Table:
    table = columns(gap=2, expand=False)
    table.add_column("job", no_wrap=True, overflow="ellipsis")
    table.add_column("state", no_wrap=True)
    table.add_column("created", no_wrap=True)
    for header in ("energy", "emissions", "saved"):
        table.add_column(header, no_wrap=True, justify="right")
    for row in overview.jobs:
        percent = _saved(row)
        one = job_sum(row)
        table.add_row(
            row.job.job_id,
            Text(row.job.state.value, style=STATE_STYLE[row.job.state]),
            fmt.clock(datetime.fromtimestamp(row.job.created_epoch_s, UTC)),
            fmt.energy(one.energy_j),
            fmt.mass(one.emissions_g),
            fmt.UNKNOWN if percent is None else fmt.percent(percent),
        )
    if len(overview.jobs) > 1:
        total = overview.total
        cells = (total.name, "", "", fmt.energy(total.energy_j), fmt.mass(total.emissions_g), "")
        table.add_row(*(Text(cell, style="bold") for cell in cells))
    return table


def _sums_table(sums: Sequence[Sum]) -> Table:
    zones = any(one.zone for one in sums)
    table = columns(gap=2, expand=False)
    table.add_column("site" if zones else "zone", no_wrap=True, overflow="ellipsis")
    if zones:
        table.add_column("zone", no_wrap=True)
    for header in ("jobs", "time", "energy", "emissions"):
        table.add_column(header, no_wrap=True, justify="right")
    for one in sums:
        table.add_row(
            one.name, *([one.zone] if zones else []), fmt.count(one.jobs), fmt.duration(one.time_s),
            fmt.energy(one.energy_j), fmt.mass(one.emissions_g),
        )  # fmt: skip
    return table


def _figures(one: Sum) -> dict[str, object]:
    return {
        "time_s": one.time_s,
        "energy_kwh": one.energy_j / JOULES_PER_KWH,
        "emissions_g": one.emissions_g,
        "modelled_percent": 100.0 * one.modelled_j / one.energy_j if one.energy_j > 0 else None,
    }


def _csv_row(by: str, one: Sum, extra: Mapping[str, object]) -> dict[str, object]:
    head = {"by": by, "name": one.name, "zone": one.zone, "jobs": one.jobs, **_figures(one)}
    return head | {column: extra.get(column) for column in _ONLY_JOBS}
