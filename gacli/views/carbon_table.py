"""`ga carbon now`: the grids now and over the last day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from gacli.carbon.chain import Chain
from gacli.core.carbon import Reading
from gacli.errors import CarbonUnavailable
from gacli.store.database import to_text
from gacli.views import formatting as fmt
from gacli.views.carbon_output import kind_words, pedigree, pedigree_notes, place_notes, trouble
from gacli.views.section import columns
from gacli.views.site_row import WINDOW, Grid, grid_of, legend
from gacli.views.sites_panel import grid_cells
from gacli.views.trend import hourly

# Columns from which kind and source have room of their own; below, lines under the table tell them.
_WIDE = 112


@dataclass(frozen=True, kw_only=True, slots=True)
class CarbonRow:
    """One zone. because: why its first source is not in use. unavailable: why nothing is known; empty when it is.

    places: by which names of places it was asked for.
    """

    grid: Grid
    places: tuple[str, ...]
    because: str
    unavailable: str


def read_carbon(chain: Chain, zones: Mapping[str, Sequence[str]], now: datetime) -> list[CarbonRow]:
    """Asks for the last day of each zone; one that nothing is known of does not hide the others.

    zones: with the names of places that each was asked for by.
    """
    rows = []
    for zone, places in zones.items():
        readings: list[Reading] = []
        because = unavailable = ""
        try:
            heard = chain.ask(zone, now - WINDOW, now)
            readings, because = heard.readings, heard.because
        except CarbonUnavailable as error:
            unavailable = error.message
        grid = grid_of(zone, readings, now, chain.rules.max_age_s)
        unavailable = unavailable or ("" if grid.reading else "no reading")
        rows.append(CarbonRow(grid=grid, places=tuple(places), because=because, unavailable=unavailable))
    return rows


def carbon_table(rows: Sequence[CarbonRow], now: datetime, width: int) -> RenderableType:
    """Values of one kind together, the cleanest first; what else is to be said of the zones below."""
    wide = width >= _WIDE
    known = sorted((row for row in rows if row.grid.reading is not None), key=_order)
    table = columns(gap=2, expand=False)
    table.add_column("zone", no_wrap=True)
    table.add_column("g/kWh", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("last 24 h", no_wrap=True)
    table.add_column("range", justify="right", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    if wide:
        table.add_column("kind", no_wrap=True)
        table.add_column("source", no_wrap=True, overflow="ellipsis", max_width=24)
    words: dict[str, str] = {}
    for row in known:
        reading = row.grid.reading
        assert reading is not None  # `known` holds no others
        value, mark, trend, age = grid_cells(row.grid, now, 24)
        low, high = row.grid.range_g_per_kwh or (reading.intensity_g_per_kwh, reading.intensity_g_per_kwh)
        words[row.grid.zone] = pedigree(reading)
        own_columns = (kind_words(reading.signal, reading.scope), fmt.plain(reading.source)) if wide else ()
        table.add_row(
            row.grid.zone,
            value,
            mark,
            trend,
            f"{fmt.intensity(low)}–{fmt.intensity(high)}",
            age,
            *own_columns,
        )
    meanings = legend([row.grid for row in known])
    return Group(
        *([table] if known else []),
        *([Text(meanings, style="dim")] if meanings else []),
        *([] if wide else pedigree_notes(words)),
        *place_notes({row.grid.zone: row.places for row in rows}),
        *(trouble(row.grid.zone, row.because) for row in known if row.because),
        *(trouble(row.grid.zone, row.unavailable) for row in rows if row.unavailable),
    )


def carbon_json(rows: Sequence[CarbonRow], now: datetime) -> dict[str, object]:
    """hourly_g_per_kwh: the last 24 hours, oldest first, null where nothing is known."""
    zones = [
        {"zone": row.grid.zone, "places": row.places, "unavailable": row.unavailable}
        if row.grid.reading is None
        else _facts(row) | {"hourly_g_per_kwh": hourly(row.grid.readings, now, 24)}
        for row in rows
    ]
    return {"at": to_text(now), "zones": zones}


def carbon_rows(rows: Sequence[CarbonRow]) -> list[dict[str, object]]:
    """For CSV: a line a zone, those that nothing is known of with empty cells and the reason."""
    return [_facts(row) | {"unavailable": row.unavailable} for row in rows]


def _order(row: CarbonRow) -> tuple[str, str, float]:
    reading = row.grid.reading
    return ("", "", 0.0) if reading is None else (reading.signal, reading.scope, reading.intensity_g_per_kwh)


def _facts(row: CarbonRow) -> dict[str, object]:
    grid, reading = row.grid, row.grid.reading
    low, high = grid.range_g_per_kwh or (None, None)
    return {
        "zone": grid.zone,
        "places": row.places,
        "intensity_g_per_kwh": None if reading is None else reading.intensity_g_per_kwh,
        "reading_at": None if reading is None else to_text(reading.at),
        "period_s": None if reading is None else reading.period_s,
        "age_s": grid.age_s,
        "stale": None if reading is None else grid.stale,
        "signal": None if reading is None else reading.signal.value,
        "scope": None if reading is None else reading.scope.value,
        "quality": None if reading is None else reading.quality.value,
        "source": None if reading is None else reading.source,
        "because": row.because,
        "stand_in": "" if reading is None else reading.stand_in,
        "renewable_percent": None if reading is None else reading.renewable_percent,
        "lowest_g_per_kwh": low,
        "highest_g_per_kwh": high,
        "trend": grid.trend.value,
    }
