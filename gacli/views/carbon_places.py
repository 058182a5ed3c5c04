"""`ga carbon zones`: the regions of the clouds and their grids."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from gacli.carbon.places import Place, PueOf, places
from gacli.carbon.typical import typical_zones
from gacli.views.carbon_output import trouble
from gacli.views.section import columns

# Of so many regions the notes are shown, too.
_FEW = 10
_LEGEND = "t typical days are built in · ~ mean of the provider · GSF: Green Software Foundation, real-time-cloud"


def matching(text: str, provider: str | None) -> list[Place]:
    """Places in whose name, location or zone the text occurs, in any case; provider: of this one alone."""
    wanted = text.casefold()
    return [
        place
        for place in places()
        if provider in (None, place.provider)
        and any(wanted in part.casefold() for part in (name_of(place), place.location, place.zone))
    ]


def name_of(place: Place) -> str:
    """`aws:eu-central-1`, as commands take it."""
    return f"{place.provider}:{place.region}"


def places_table(found: Sequence[Place], width: int) -> RenderableType:
    """A line a region."""
    rows = [_cells(place) for place in found]
    table = columns(gap=1, expand=False)
    others = sum(max(len(cells[index]) for cells in rows) + 1 for index in (0, 2, 3, 4, 5))
    table.add_column("place", no_wrap=True)
    table.add_column("location", no_wrap=True, overflow="ellipsis", max_width=max(width - others, 8))
    table.add_column("zone", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("PUE", justify="right", no_wrap=True)
    table.add_column("source", no_wrap=True)
    for cells in rows:
        table.add_row(*cells)
    notes = [trouble(name_of(place), place.note) for place in found if place.note] if len(found) <= _FEW else []
    return Group(table, Text(_LEGEND, style="dim"), *notes)


def places_json(found: Sequence[Place]) -> dict[str, object]:
    return {"places": places_rows(found)}


def places_rows(found: Sequence[Place]) -> list[dict[str, object]]:
    """A line a region, with all that the table knows of it."""
    typical = set(typical_zones())
    return [
        {
            "place": name_of(place),
            "provider": place.provider,
            "region": place.region,
            "location": place.location,
            "zone": place.zone,
            "typical_days": place.zone in typical,
            "watttime_region": place.watttime_region or None,
            "latitude": place.latitude,
            "longitude": place.longitude,
            "pue": place.pue,
            "pue_of": place.pue_of.value,
            "source": place.source,
            "year": place.year,
            "note": place.note,
        }
        for place in found
    ]


def _cells(place: Place) -> tuple[str, ...]:
    return (
        name_of(place),
        place.location,
        place.zone,
        "t" if place.zone in typical_zones() else "",
        f"{'~' if place.pue_of is PueOf.FLEET else ''}{place.pue:.2f}",
        f"{place.source} {place.year}",
    )
