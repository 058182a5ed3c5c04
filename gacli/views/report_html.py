"""`ga report --html`: one file that opens anywhere, without a network, a script or anything beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from html import escape
from importlib import resources
from string import Template

from gacli import __version__
from gacli.core.energy import JOULES_PER_KWH
from gacli.core.placement import PlacementState
from gacli.store.jobs import JobRecord
from gacli.store.ledger import LedgerTotal
from gacli.views import formatting as fmt
from gacli.views.accounted import basis_words
from gacli.views.baselines import WHAT_THEY_ARE, baseline_notes, baseline_rows
from gacli.views.charts.catalogue import charts_of, inline_svg
from gacli.views.charts.data import ChartData
from gacli.views.devices import device_rows
from gacli.views.estimates import embodied_sources, embodied_words, network_words, sci_note
from gacli.views.recomputed import assumption_words, recomputed_note, recomputed_rows
from gacli.views.report_data import Report
from gacli.views.wording import saving

# Classes of a table's cells.
_NUMBER, _SHORT, _TEXT = "number", "short", ""


def report_page(report: Report, job: JobRecord, charts: ChartData | None, now: datetime) -> str:
    """The whole page. charts: None for a job that has used no energy yet. now: on the job's clock."""
    parts = [
        *_head(report, job, now),
        *_outcome(report),
        *_charts(charts),
        *_section("Baselines", _baselines(report)),
        *_section("Recomputed under other assumptions", _recomputed(report)),
        *_section("Sites and phases", _phases(report)),
        *_section("Energy by device", _devices(report)),
        *_section("Apart from all this: estimates", _estimates(report)),
        *_section("Emissions per unit of work", _per_unit(report)),
        *_section("Placements", _placements(report)),
        *_section("Generations", _generations(report)),
        *_section("Decisions that moved or paused the job", _decisions(report)),
        *_section("Warnings and errors", _notices(report)),
    ]
    template = resources.files("gacli.views").joinpath("templates", "report.html").read_text(encoding="utf-8")
    title = f"{report.job_id}: energy and emissions"
    return Template(template).substitute(title=_text(title), body="\n".join(parts), generator=f"ga {__version__}")


def _head(report: Report, job: JobRecord, now: datetime) -> list[str]:
    scale = "" if report.scale == 1 else f", {fmt.scale(report.scale)}"
    words = [str(report.summary["status"]), fmt.plain(str(report.summary["detail"]))]
    if report.summary["steps"] is not None:
        words.append(fmt.plural(int(str(report.summary["steps"])), "step"))
    span = f"{fmt.clock(job.clock_start)} to {fmt.clock(_until(job, now))}{scale}"
    return [
        f"<h1>{_text(report.job_id)}</h1>",
        f"<p>{_text(', '.join(word for word in words if word))}</p>",
        f'<p class="faint">{_text(span)}, configuration {_text(job.config_path)}</p>',
    ]


def _until(job: JobRecord, now: datetime) -> datetime:
    """When the job was over, on its clock; `now` for one that is not."""
    if job.finished_epoch_s is None:
        return now
    wall_s = job.finished_epoch_s - job.clock_epoch_s
    return job.clock_start + timedelta(seconds=wall_s * job.clock_scale)


def _outcome(report: Report) -> list[str]:
    """The saving with all that it rests on, and the figures that are looked for first."""
    account, saved_g = report.emissions.account, report.emissions.saved_g
    parts = []
    if account.baseline is None or saved_g is None:
        parts.append('<p class="saving">nothing to compare with before the first step</p>')
    else:
        words = saving(account.baseline.site, account.baseline.emissions_g, account.emissions_g)
        tone = "good" if saved_g > 0 else "bad" if saved_g < 0 else ""
        parts.append(f'<p class="saving {tone}">{_text(words[0].upper() + words[1:])}</p>')
        parts.append(
            f'<p class="faint">Baseline: {_text(account.baseline.policy)}, the same work at'
            f" {_text(account.baseline.site)} from start to end, with the readings and PUE there and without moves.</p>"
        )
    if account.totals:
        parts.append(f'<p class="faint">Rests on: {_text(basis_words(report.basis))}.</p>')
    figures = [
        ("emissions (CO₂eq, with PUE)", fmt.mass(account.emissions_g)),
        ("IT energy", fmt.energy(account.energy_j)),
        ("saved", fmt.UNKNOWN if account.saved_percent is None else fmt.percent(account.saved_percent)),
        ("moves", str(report.summary["migrations"])),
        ("time of instances", fmt.duration(sum(total.time_s for total in account.totals))),
    ]
    cells = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in figures)
    parts.append(f'<dl class="figures">{cells}</dl>')
    parts.append(
        '<p class="faint">Operational emissions: IT energy × PUE × carbon intensity, location-based. Embodied emissions'
        " and the network are not in these figures.</p>"
    )
    return parts


def _charts(charts: ChartData | None) -> list[str]:
    if charts is None:
        return ['<p class="faint">No energy has been used yet: there is nothing to draw.</p>']
    return [
        f'<figure id="chart-{chart.name}"><h3>{_text(chart.title)}</h3>'
        f'<div class="wide">{inline_svg(chart, charts)}</div>'
        f"<figcaption>{_text(chart.caption)}</figcaption></figure>"
        for chart in charts_of(charts)
    ]


def _baselines(report: Report) -> str:
    columns = (
        ("of the same work", _SHORT), ("what it is", _TEXT), ("where", _SHORT), ("emissions", _NUMBER),
        ("saved against it", _NUMBER),
    )  # fmt: skip
    rows = [(policy, WHAT_THEY_ARE[policy], *others) for policy, *others in baseline_rows(report.baselines)]
    return _table(columns, rows, caption="; ".join(baseline_notes(report.baselines)) + ".")


def _recomputed(report: Report) -> str:
    recomputed = report.recomputed
    if recomputed is None:
        return ""
    columns = (("site", _SHORT), ("recorded", _NUMBER), ("recomputed", _NUMBER), ("difference", _NUMBER))
    caption = f"{assumption_words(recomputed)}: {recomputed_note(recomputed)}."
    return _table(columns, recomputed_rows(recomputed), caption=caption)


def _phases(report: Report) -> str:
    totals = report.emissions.account.totals
    rows = []
    for name in [*dict.fromkeys(total.site for total in totals), None]:
        own = [total for total in totals if name is None or total.site == name]
        if name is not None:
            rows += [(total.site, total.zone, total.phase.value, *_figures([total])) for total in own]
        if len(own) > 1:
            rows.append((name or "all sites", "", "all phases", *_figures(own)))
    columns = (
        ("site", _SHORT), ("zone", _SHORT), ("phase", _SHORT), ("time", _NUMBER), ("energy", _NUMBER),
        ("modelled", _NUMBER), ("emissions", _NUMBER), ("intensity", _NUMBER),
    )  # fmt: skip
    return _table(
        columns, rows, caption="Energy is IT energy. Intensity: emissions over IT energy, in g/kWh, PUE included."
    )


def _devices(report: Report) -> str:
    columns = (("device", _SHORT), ("metered by", _SHORT), ("energy", _NUMBER), ("share", _NUMBER))
    return _table(columns, list(device_rows(report.devices)), caption="IT energy; its sum is that of the phases.")


def _figures(totals: Sequence[LedgerTotal]) -> tuple[str, str, str, str, str]:
    energy_j = sum(total.energy_j for total in totals)
    emissions_g = sum(total.emissions_g for total in totals)
    return (
        fmt.duration(sum(total.time_s for total in totals)),
        fmt.energy(energy_j),
        fmt.percent(100.0 * sum(total.modelled_j for total in totals) / energy_j) if energy_j > 0 else "",
        fmt.mass(emissions_g),
        fmt.intensity(emissions_g / (energy_j / JOULES_PER_KWH)) if energy_j > 0 else "",
    )


def _estimates(report: Report) -> str:
    """What is in none of the sums."""
    estimates = report.estimates
    named = {"Network": network_words(estimates), "Embodied emissions": embodied_words(estimates)}
    parts = [f"<p>{_text(name)}: {_text(words)}.</p>" for name, words in named.items() if words]
    parts += [f'<p class="faint">{_text(source)}</p>' for source in embodied_sources(estimates)]
    return "\n".join(parts)


def _per_unit(report: Report) -> str:
    statements = report.estimates.sci
    rows = [
        (
            one.unit.value,
            fmt.energy(one.energy_kwh * JOULES_PER_KWH / one.count),
            fmt.mass(one.operational_g / one.count),
            fmt.UNKNOWN if one.embodied_g is None else fmt.mass(one.embodied_g / one.count),
            fmt.mass(one.g_per_unit),
        )
        for one in statements
    ]
    columns = (
        ("per", _SHORT), ("energy with PUE", _NUMBER), ("operational", _NUMBER), ("embodied", _NUMBER),
        ("SCI", _NUMBER),
    )  # fmt: skip
    caption = f"{sci_note(statements[0])}. Moves and repeated steps are included." if statements else ""
    return _table(columns, rows, caption=caption)


def _placements(report: Report) -> str:
    columns = (
        ("at", _SHORT), ("what", _SHORT), ("from", _SHORT), ("to", _SHORT), ("downtime", _NUMBER), ("copied", _NUMBER),
        ("how it went", _TEXT),
    )  # fmt: skip
    rows = []
    for row in report.placements:
        record = row.record
        state = record.state.value.replace("_", " ")
        rows.append(
            (
                fmt.clock(record.times[PlacementState.PLANNED]),
                record.purpose.value,
                row.source or "",
                record.target_site or "",
                "" if row.downtime_s is None else fmt.duration(row.downtime_s),
                fmt.size(record.moved_bytes) if record.moved_bytes else "",
                f"{state}: {record.detail}" if record.detail else state,
            )
        )
    return _table(columns, rows)


def _generations(report: Report) -> str:
    columns = (
        ("generation", _NUMBER), ("site", _SHORT), ("started", _SHORT), ("time", _NUMBER), ("steps", _NUMBER),
        ("made again", _NUMBER), ("outcome", _TEXT),
    )  # fmt: skip
    rows = []
    for row in report.generations:
        record = row.record
        began, ended = record.started_at, record.ended_at
        spent = "" if began is None or ended is None else fmt.duration((ended - began).total_seconds())
        reached = "" if row.reached is None else f"{fmt.count(max(record.from_step, 0))} – {fmt.count(row.reached)}"
        rows.append(
            (
                str(record.generation),
                record.site,
                "" if began is None else fmt.clock(began),
                spent,
                reached,
                fmt.count(row.lost_steps) if row.lost_steps else "",
                record.outcome or record.state,
            )
        )
    return _table(columns, rows)


def _decisions(report: Report) -> str:
    rows = [(fmt.clock(one.at), one.policy, one.target or "", one.reason) for one in report.decisions]
    caption = f"And {fmt.plural(report.stays, 'decision')} to stay." if report.stays else ""
    return _table((("at", _SHORT), ("policy", _SHORT), ("to", _SHORT), ("why", _TEXT)), rows, caption=caption)


def _notices(report: Report) -> str:
    rows = [(fmt.clock(event.at), event.kind, str(event.body["message"])) for event in report.notices]
    return _table((("at", _SHORT), ("what", _SHORT), ("message", _TEXT)), rows)


def _section(title: str, content: str) -> list[str]:
    return [f"<h2>{_text(title)}</h2>", content] if content else []


def _table(columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """Empty without rows. columns: header and class of each."""
    listed = list(rows)
    if not listed:
        return ""
    head = "".join(f'<th scope="col" class="{kind}">{_text(name)}</th>' for name, kind in columns)
    body = "\n".join(
        f"<tr{_emphasis(row)}>"
        + "".join(f'<td class="{kind}">{_text(cell)}</td>' for (_, kind), cell in zip(columns, row, strict=True))
        + "</tr>"
        for row in listed
    )
    words = f'<p class="faint">{_text(caption)}</p>' if caption else ""
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>{words}'


def _emphasis(row: Sequence[str]) -> str:
    return ' class="sum"' if "all phases" in row else ""


def _text(words: str) -> str:
    """Words of anybody's, as HTML that is nothing but words."""
    return escape(fmt.plain(words), quote=True)
