"""`ga carbon forecast`: what is expected of the grids, and how far off it may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gacli.carbon.chain import Chain
from gacli.carbon.outlook import outlook
from gacli.core.forecast import Forecast, ForecastPoint
from gacli.errors import CarbonUnavailable
from gacli.store.database import to_text
from gacli.views import formatting as fmt
from gacli.views.carbon_output import compressed, kind_words, place_notes, trouble
from gacli.views.section import columns
from gacli.views.trend import sparkline

_SPARKS = 48
# Rows of a table that one still reads; of longer forecasts it has every third hour.
_MOST_ROWS = 25
_EVERY = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """One zone's forecast, or why there is none. places: by which names of places it was asked for."""

    zone: str
    places: tuple[str, ...]
    forecast: Forecast | None
    unavailable: str


def read_forecasts(chain: Chain, zones: Mapping[str, Sequence[str]], now: datetime, horizon_s: float) -> list[Expected]:
    """One zone of which nothing can be said does not hide the others."""
    found = []
    for zone, places in zones.items():
        forecast, unavailable = None, ""
        try:
            forecast = outlook(chain, zone, now, horizon_s)
        except CarbonUnavailable as error:
            unavailable = error.message
        found.append(Expected(zone=zone, places=tuple(places), forecast=forecast, unavailable=unavailable))
    return found


def forecast_table(forecasts: Sequence[Expected]) -> RenderableType:
    """A sparkline, the pedigree and a table for each zone."""
    known = [one.forecast for one in forecasts if one.forecast is not None]
    return Group(
        *place_notes({one.zone: one.places for one in forecasts}),
        *(trouble(one.zone, one.unavailable) for one in forecasts if one.unavailable),
        *(part for number, forecast in enumerate(known) for part in _parts(forecast, first=number == 0)),
    )


def forecast_json(forecasts: Sequence[Expected], now: datetime, horizon_s: float) -> dict[str, object]:
    """points: a step from `at` on; the 50 % and the 90 % interval hold the value so often."""
    return {
        "at": to_text(now),
        "horizon_s": horizon_s,
        "zones": [_zone_json(one) for one in forecasts],
    }


def forecast_rows(forecasts: Sequence[Expected]) -> list[dict[str, object]]:
    """For CSV: a line an hour; a zone without a forecast has one with the reason."""
    return [
        {"zone": one.zone} | _point_facts(point) | _pedigree(one) | {"unavailable": one.unavailable}
        for one in forecasts
        for point in ((None,) if one.forecast is None else one.forecast.points)
    ]


def mean_g_per_kwh(forecast: Forecast) -> float:
    """Of all hours."""
    return fmean(point.intensity_g_per_kwh for point in forecast.points)


def _parts(forecast: Forecast, *, first: bool) -> list[RenderableType]:
    values = [point.intensity_g_per_kwh for point in forecast.points]
    sparks = sparkline(compressed(values, _SPARKS))
    mean = f"  mean {fmt.intensity(mean_g_per_kwh(forecast))} g/kWh"
    words = f"{kind_words(forecast.signal, forecast.scope)}, from {fmt.plain(forecast.source)}"
    every = _EVERY if len(values) > _MOST_ROWS else 1
    rest = "; every third hour, --csv has all" if every > 1 else ""
    return [
        *([] if first else [Text("")]),
        Text.assemble((forecast.zone, "bold"), "  ", (sparks, "cyan"), mean, no_wrap=True, overflow="ellipsis"),
        Text(words + rest, style="dim"),
        _hours(forecast.points[::every]),
    ]


def _hours(points: Sequence[ForecastPoint]) -> Table:
    has_share = any(point.renewable_percent is not None for point in points)
    table = columns(gap=2, expand=False)
    table.add_column("UTC", no_wrap=True)
    table.add_column("g/kWh", justify="right", no_wrap=True)
    table.add_column("50 % within", justify="right", no_wrap=True)
    table.add_column("90 % within", justify="right", no_wrap=True)
    if has_share:
        table.add_column("renewable", justify="right", no_wrap=True)
    for point in points:
        share = fmt.UNKNOWN if point.renewable_percent is None else fmt.percent(round(point.renewable_percent))
        table.add_row(
            f"{point.at:%m-%d %H:%M}",
            fmt.intensity(point.intensity_g_per_kwh),
            f"{fmt.intensity(point.low50_g_per_kwh)}–{fmt.intensity(point.high50_g_per_kwh)}",
            f"{fmt.intensity(point.low90_g_per_kwh)}–{fmt.intensity(point.high90_g_per_kwh)}",
            *([share] if has_share else []),
        )
    return table


def _zone_json(one: Expected) -> dict[str, object]:
    if one.forecast is None:
        return {"zone": one.zone, "places": one.places, "unavailable": one.unavailable}
    return {
        "zone": one.zone,
        "places": one.places,
        **_pedigree(one),
        "step_s": one.forecast.step_s,
        "mean_g_per_kwh": mean_g_per_kwh(one.forecast),
        "points": [_point_facts(point) for point in one.forecast.points],
    }


def _pedigree(one: Expected) -> dict[str, object]:
    forecast = one.forecast
    return {
        "signal": None if forecast is None else forecast.signal.value,
        "scope": None if forecast is None else forecast.scope.value,
        "source": None if forecast is None else forecast.source,
    }


def _point_facts(point: ForecastPoint | None) -> dict[str, object]:
    return {
        "at": None if point is None else to_text(point.at),
        "intensity_g_per_kwh": None if point is None else point.intensity_g_per_kwh,
        "low50_g_per_kwh": None if point is None else point.low50_g_per_kwh,
        "high50_g_per_kwh": None if point is None else point.high50_g_per_kwh,
        "low90_g_per_kwh": None if point is None else point.low90_g_per_kwh,
        "high90_g_per_kwh": None if point is None else point.high90_g_per_kwh,
        "renewable_percent": None if point is None else point.renewable_percent,
    }
