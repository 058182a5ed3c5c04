"""`ga carbon history`: what the grids were like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gacli.carbon.averages import averages
from gacli.carbon.chain import Chain
from gacli.core.carbon import Quality, Reading
from gacli.errors import CarbonUnavailable
from gacli.store.database import to_text
from gacli.views import formatting as fmt
from gacli.views.carbon_output import pedigree, pedigree_notes, place_notes, trouble
from gacli.views.section import columns
from gacli.views.trend import sparkline

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_LONGEST_BY_HOUR = 3 * _DAY
_SPARKS = 24
_TIME_COLUMNS, _GAP = 11, 2
# Of a line a zone, without its sparkline.
_OVERVIEW_COLUMNS = 43


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """One zone over [start, end). because, unavailable, places: as of `CarbonRow`."""

    zone: str
    places: tuple[str, ...]
    readings: tuple[Reading, ...]
    because: str
    unavailable: str

    def share_percent(self, quality: Quality) -> float:
        """The part of the readings that is of this quality."""
        return 100.0 * sum(reading.quality is quality for reading in self.readings) / len(self.readings)


def read_history(chain: Chain, zones: Mapping[str, Sequence[str]], start: datetime, end: datetime) -> list[History]:
    """Asks for [start, end) of each zone; one that nothing is known of does not hide the others."""
    found = []
    for zone, places in zones.items():
        readings: tuple[Reading, ...] = ()
        because = unavailable = ""
        try:
            heard = chain.ask(zone, start, end)
            readings = tuple(r for r in heard.readings if r.at < end and r.at + timedelta(seconds=r.period_s) > start)
            because, unavailable = heard.because, "" if readings else "no reading in this time"
        except CarbonUnavailable as error:
            unavailable = error.message
        found.append(
            History(zone=zone, places=tuple(places), readings=readings, because=because, unavailable=unavailable)
        )
    return found


def history_table(histories: Sequence[History], start: datetime, end: datetime, width: int) -> RenderableType:
    """A line a zone; then the hours, or beyond three days the days, with as many zones side by side as have room."""
    known = [one for one in histories if one.readings]
    by_hour = end - start <= _LONGEST_BY_HOUR
    cell = max([len(one.zone) for one in known] + [6]) if by_hour else _SPARKS + 6
    beside = max((width - _TIME_COLUMNS) // (cell + _GAP), 1)
    tables = [
        _steps(known[first : first + beside], start, end, _HOUR if by_hour else _DAY)
        for first in range(0, len(known), beside)
    ]
    return Group(
        Text(f"{fmt.clock(start)} to {fmt.clock(end)}, g/kWh", style="dim"),
        *([_overview(known, start, end, width)] if known else []),
        *pedigree_notes({one.zone: pedigree(one.readings[-1]) for one in known}),
        *place_notes({one.zone: one.places for one in histories}),
        *(trouble(one.zone, one.because) for one in known if one.because),
        *(trouble(one.zone, one.unavailable) for one in histories if one.unavailable),
        *(part for table in tables for part in (Text(""), table)),
    )


def history_json(histories: Sequence[History], start: datetime, end: datetime) -> dict[str, object]:
    """mean_g_per_kwh: weighted by time. readings: as the source gave them."""
    return {
        "from": to_text(start),
        "to": to_text(end),
        "zones": [_zone_json(one, start, end) for one in histories],
    }


def history_rows(histories: Sequence[History]) -> list[dict[str, object]]:
    """For CSV: a line a reading; a zone without any has one with the reason."""
    return [
        {"zone": one.zone, **_reading_facts(reading), "unavailable": one.unavailable}
        for one in histories
        for reading in (one.readings or (None,))
    ]


def _overview(known: Sequence[History], start: datetime, end: datetime, width: int) -> Table:
    sparks = min(_SPARKS, max((end - start) // _HOUR, 1), max(width - _OVERVIEW_COLUMNS, 1))
    table = columns(gap=_GAP, expand=False)
    table.add_column("zone", no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("range", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("estimated", justify="right", no_wrap=True)
    for one in known:
        values = [reading.intensity_g_per_kwh for reading in one.readings]
        table.add_row(
            one.zone,
            fmt.intensity(_mean(one, start, end)),
            f"{fmt.intensity(min(values))}–{fmt.intensity(max(values))}",
            Text(sparkline(averages(one.readings, start, (end - start) / sparks, sparks)), style="cyan"),
            fmt.percent(share) if (share := one.share_percent(Quality.ESTIMATED)) else "",
        )
    return table


def _steps(known: Sequence[History], start: datetime, end: datetime, step: timedelta) -> Table:
    table = columns(gap=_GAP, expand=False)
    table.add_column("UTC", no_wrap=True, min_width=_TIME_COLUMNS - _GAP)
    for one in known:
        table.add_column(one.zone, justify="right" if step == _HOUR else "left", no_wrap=True, min_width=6)
    start = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    begin = start if step == _HOUR else start.replace(hour=0)
    count = -(-(end - begin) // step)
    values = [averages(one.readings, begin, step, count) for one in known]
    hours = [averages(one.readings, begin, _HOUR, count * 24) for one in known] if step == _DAY else []
    for index in range(count):
        at = begin + index * step
        cells: list[str | Text] = []
        for zone, of_zone in enumerate(values):
            value = of_zone[index]
            text = fmt.UNKNOWN if value is None else fmt.intensity(value)
            if step == _DAY:
                sparks = sparkline(hours[zone][index * 24 : (index + 1) * 24])
                cells.append(Text.assemble(f"{text:>5} ", (sparks, "cyan")))
            else:
                cells.append(text)
        table.add_row(f"{at:%Y-%m-%d}" if step == _DAY else f"{at:%m-%d %H:%M}", *cells)
    return table


def _mean(one: History, start: datetime, end: datetime) -> float:
    mean = averages(one.readings, start, end - start, 1)[0]
    assert mean is not None  # every reading lies in the time, at least in part
    return mean


def _zone_json(one: History, start: datetime, end: datetime) -> dict[str, object]:
    if not one.readings:
        return {"zone": one.zone, "places": one.places, "unavailable": one.unavailable}
    values = [reading.intensity_g_per_kwh for reading in one.readings]
    return {
        "zone": one.zone,
        "places": one.places,
        "because": one.because,
        "mean_g_per_kwh": _mean(one, start, end),
        "lowest_g_per_kwh": min(values),
        "highest_g_per_kwh": max(values),
        "estimated_percent": one.share_percent(Quality.ESTIMATED),
        "readings": [_reading_facts(reading) for reading in one.readings],
    }


def _reading_facts(reading: Reading | None) -> dict[str, object]:
    return {
        "at": None if reading is None else to_text(reading.at),
        "period_s": None if reading is None else reading.period_s,
        "intensity_g_per_kwh": None if reading is None else reading.intensity_g_per_kwh,
        "signal": None if reading is None else reading.signal.value,
        "scope": None if reading is None else reading.scope.value,
        "quality": None if reading is None else reading.quality.value,
        "source": None if reading is None else reading.source,
        "stand_in": "" if reading is None else reading.stand_in,
        "renewable_percent": None if reading is None else reading.renewable_percent,
    }
