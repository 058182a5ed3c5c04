"""The fleet: each site's grid now, and which one holds the job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from gacli.views import formatting as fmt
from gacli.views.job_view import JobView
from gacli.views.section import Section, columns, line, panel
from gacli.views.site_row import Grid, Role, SiteRow, legend, mark_of
from gacli.views.trend import Trend, hourly, sparkline

_MARK = {
    Role.HOLDS: ("●", "bold green"),
    Role.TARGET: ("→", "bold cyan"),
    Role.HELD: ("○", ""),
    Role.BLOCKED: ("✕", "yellow"),
    Role.NONE: (" ", ""),
}
_NOTE = {
    Role.HOLDS: ("trains here", "green"),
    Role.TARGET: ("target", "cyan"),
    Role.HELD: ("machine held", ""),
    Role.NONE: ("", ""),
}
_TREND_STYLE = {Trend.RISING: "red", Trend.FALLING: "green", Trend.STEADY: "dim", Trend.UNKNOWN: "dim"}
# Columns of the display from which there is room for the source, the day's range and the PUE.
_WIDE = 110
_VERY_WIDE = 140


def sites_panel(view: JobView, width: int, *, most: int | None = None) -> Section:
    """most: how many sites are listed at most; the rest is counted in one more line."""
    listed, left_out = chosen(view.sites, most)
    wide = width >= _WIDE
    table = columns(gap=2 if wide else 1)
    table.add_column("", width=1)
    table.add_column("site", no_wrap=True, overflow="ellipsis", min_width=6, max_width=20 if wide else 14)
    table.add_column("zone", no_wrap=True, overflow="ellipsis", min_width=6, max_width=16 if wide else 12)
    table.add_column("g/kWh", justify="right", no_wrap=True, min_width=5)
    table.add_column("", no_wrap=True)
    table.add_column("last day" if wide else "12 h", no_wrap=True, min_width=26 if wide else 14)
    table.add_column("age", justify="right", no_wrap=True, min_width=5)
    if wide:
        table.add_column("range", justify="right", no_wrap=True)
        table.add_column("source", no_wrap=True, overflow="ellipsis", max_width=24)
    if width >= _VERY_WIDE:
        table.add_column("PUE", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True, min_width=6)
    table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1)
    for site in listed:
        table.add_row(*_cells(site, view, width))
    lines: list[RenderableType] = [table]
    if left_out:
        lines.append(_rest(left_out))
    return panel("sites", lines, 1 + len(listed) + bool(left_out), note=legend([site.grid for site in view.sites]))


def chosen(sites: Sequence[SiteRow], most: int | None) -> tuple[list[SiteRow], list[SiteRow]]:
    """(listed, left out), each in the fleet's order: those that the job has to do with, then the cleanest."""
    if most is None or len(sites) <= most:
        return list(sites), []

    def rank(site: SiteRow) -> tuple[bool, bool, float]:
        involved = site.role in (Role.HOLDS, Role.TARGET, Role.HELD)
        reading = site.grid.reading
        return not involved, site.time_s == 0, float("inf") if reading is None else reading.intensity_g_per_kwh

    first = {site.name for site in sorted(sites, key=rank)[: max(most, 1)]}
    return [s for s in sites if s.name in first], [s for s in sites if s.name not in first]


def grid_cells(grid: Grid, now: datetime, hours: int) -> tuple[Text, Text, Text, Text]:
    """Intensity, its mark, its trend with one block an hour, its age."""
    if grid.reading is None:
        return Text("no data", style="yellow"), Text(""), Text(""), Text(fmt.UNKNOWN)
    value = Text(fmt.intensity(grid.reading.intensity_g_per_kwh), style="yellow" if grid.stale else "bold")
    spark = sparkline(hourly(grid.readings, now, hours))
    trend = Text.assemble((grid.trend.arrow, _TREND_STYLE[grid.trend]), " ", (spark, "cyan"))
    age = fmt.UNKNOWN if grid.age_s is None else fmt.duration(max(0.0, grid.age_s))
    return value, Text(mark_of(grid), style="yellow"), trend, Text(age)


def _cells(site: SiteRow, view: JobView, width: int) -> list[RenderableType]:
    wide = width >= _WIDE
    grid = grid_cells(site.grid, view.now, 24 if wide else 12)
    mark, style = _MARK[site.role]
    note = Text(*((fmt.plain(site.because), "yellow") if site.role is Role.BLOCKED else _NOTE[site.role]))
    cells: list[RenderableType] = [Text(mark, style=style)]
    cells += [Text(site.name, style="bold" if site.role is Role.HOLDS else ""), Text(site.grid.zone), *grid]
    if wide:
        low_high = site.grid.range_g_per_kwh
        cells.append("" if low_high is None else f"{fmt.intensity(low_high[0])}–{fmt.intensity(low_high[1])}")
        cells.append(Text("" if site.grid.reading is None else site.grid.reading.source, style="dim"))
    if width >= _VERY_WIDE:
        cells.append(f"{site.pue:g}")
    cells += [fmt.duration(site.time_s) if site.time_s else "", note]
    return cells


def _rest(left_out: Sequence[SiteRow]) -> Text:
    values = [site.grid.reading.intensity_g_per_kwh for site in left_out if site.grid.reading is not None]
    span = f" ({fmt.intensity(min(values))}–{fmt.intensity(max(values))} g/kWh)" if values else ""
    return line((f"  and {len(left_out)} more{span}", "dim"))
