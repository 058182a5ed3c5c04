"""`ga carbon`: the grids now and over the last day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.text import Text

from gacli.errors import CarbonUnavailable
from gacli.ports.carbon import CarbonSource
from gacli.store.database import to_text
from gacli.views import formatting as fmt
from gacli.views.section import columns
from gacli.views.site_row import MAX_AGE_S, WINDOW, Grid, grid_of
from gacli.views.sites_panel import grid_cells
from gacli.views.stream import to_line
from gacli.views.trend import hourly
from gacli.views.wording import QUALITY_WORDS

_WIDE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class CarbonRow:
    """One zone. unavailable: why nothing is known; empty when something is."""

    grid: Grid
    unavailable: str


def read_carbon(
    source: CarbonSource, zones: Iterable[str], now: datetime, *, max_age_s: float = MAX_AGE_S
) -> list[CarbonRow]:
    """Asks the source for the last day of each zone; one that it has nothing for does not hide the others."""
    rows = []
    for zone in zones:
        try:
            readings, because = source.readings(zone, now - WINDOW, now), ""
        except CarbonUnavailable as error:
            readings, because = [], error.message
        grid = grid_of(zone, readings, now, max_age_s)
        rows.append(CarbonRow(grid=grid, unavailable=because or ("" if grid.reading else "no reading")))
    return rows


def print_carbon(source: CarbonSource, zones: Iterable[str], *, now: datetime, as_json: bool) -> None:
    """To standard output."""
    rows = read_carbon(source, zones, now)
    if as_json:
        print(to_line(carbon_json(rows, now)))
        return
    console = Console()
    console.print(carbon_table(rows, now, console.width))


def carbon_table(rows: Sequence[CarbonRow], now: datetime, width: int) -> RenderableType:
    """The cleanest first; zones that nothing is known of at the end, with the reason."""
    wide = width >= _WIDE
    table = columns(gap=2, expand=False)
    table.add_column("zone", no_wrap=True)
    table.add_column("g/kWh", justify="right", no_wrap=True)
    table.add_column("last day" if wide else "12 h", no_wrap=True)
    table.add_column("range", justify="right", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("what", no_wrap=True)
    if wide:
        table.add_column("source", no_wrap=True, overflow="ellipsis", max_width=30)
    for row in sorted(rows, key=_order):
        if row.grid.reading is None:
            continue
        value, _mark, trend, age = grid_cells(row.grid, now, 24 if wide else 12)
        low, high = row.grid.range_g_per_kwh or (0.0, 0.0)
        span = f"{fmt.intensity(low)}–{fmt.intensity(high)}"
        source = [Text(row.grid.reading.source, style="dim")] if wide else []
        table.add_row(row.grid.zone, value, trend, span, age, _what(row.grid), *source)
    unknown = [
        Text(f"{row.grid.zone}: {fmt.plain(row.unavailable)}", style="yellow") for row in rows if row.unavailable
    ]
    return Group(*([table] if len(unknown) < len(rows) else []), *unknown)


def carbon_json(rows: Sequence[CarbonRow], now: datetime) -> dict[str, object]:
    """For `ga carbon --json`. hourly_g_per_kwh: the last 24 hours, oldest first, null where nothing is known."""
    return {"at": to_text(now), "zones": [_zone_json(row, now) for row in rows]}


def _what(grid: Grid) -> Text:
    if grid.reading is None:
        return Text("")
    words = f"{grid.reading.signal.value}, {QUALITY_WORDS[grid.reading.quality]}"
    return Text.assemble(words, (", stale" if grid.stale else "", "bold yellow"))


def _order(row: CarbonRow) -> float:
    return float("inf") if row.grid.reading is None else row.grid.reading.intensity_g_per_kwh


def _zone_json(row: CarbonRow, now: datetime) -> dict[str, object]:
    grid = row.grid
    reading = grid.reading
    if reading is None:
        return {"zone": grid.zone, "unavailable": row.unavailable}
    low, high = grid.range_g_per_kwh or (reading.intensity_g_per_kwh, reading.intensity_g_per_kwh)
    return {
        "zone": grid.zone,
        "intensity_g_per_kwh": reading.intensity_g_per_kwh,
        "reading_at": to_text(reading.at),
        "period_s": reading.period_s,
        "age_s": grid.age_s,
        "stale": grid.stale,
        "signal": reading.signal.value,
        "scope": reading.scope.value,
        "quality": reading.quality.value,
        "source": reading.source,
        "lowest_g_per_kwh": low,
        "highest_g_per_kwh": high,
        "trend": grid.trend.value,
        "hourly_g_per_kwh": hourly(grid.readings, now, 24),
    }
