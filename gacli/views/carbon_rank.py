"""`ga carbon rank`: zones in the order of what they are expected to emit, those alone that may be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from statistics import fmean

from rich.console import Group, RenderableType
from rich.text import Text

from gacli.carbon.chain import Chain
from gacli.carbon.outlook import outlook
from gacli.core.carbon import Reading
from gacli.errors import CarbonUnavailable, ConfigError
from gacli.policies.present import unlike_kinds
from gacli.store.database import to_text
from gacli.views import formatting as fmt
from gacli.views.carbon_output import compressed, kind_words, pedigree_notes, place_notes, trouble
from gacli.views.section import columns
from gacli.views.trend import sparkline

_DAY = timedelta(days=1)
_SPARKS = 25


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """One zone. newest: the reading in force. mean: what counts, in gCO2eq/kWh. hours: what it is the mean of.

    source: whose values they are. left_out: why it has no place in the order; then the others are not to be used.
    """

    zone: str
    places: tuple[str, ...]
    newest: Reading | None = None
    mean_g_per_kwh: float = 0.0
    hours_g_per_kwh: tuple[float, ...] = ()
    source: str = ""
    left_out: str = ""


def read_ranking(chain: Chain, zones: Mapping[str, Sequence[str]], now: datetime, over_s: float) -> list[Ranked]:
    """The cleanest first, by the mean expected of [now, now + over_s], with over_s 0 by the reading in force.

    Zones without a value, and those whose value no policy would compare (stale, or of a source that only stands in),
    follow with the reason. Raises ConfigError for values that are not of one kind.
    """
    found = [_one(chain, zone, tuple(places), now, over_s) for zone, places in zones.items()]
    ranked = sorted((one for one in found if not one.left_out), key=lambda one: one.mean_g_per_kwh)
    _require_one_kind(ranked)
    return [*ranked, *(one for one in found if one.left_out)]


def rank_table(ranking: Sequence[Ranked], now: datetime, over_s: float) -> RenderableType:
    """A line a zone, with how much more than the cleanest it emits."""
    ranked = [one for one in ranking if not one.left_out]
    table = columns(gap=2, expand=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("zone", no_wrap=True)
    table.add_column("g/kWh", justify="right", no_wrap=True)
    table.add_column("more", justify="right", no_wrap=True)
    if over_s:
        table.add_column("", no_wrap=True)
        table.add_column("range", justify="right", no_wrap=True)
    for number, one in enumerate(ranked, start=1):
        hours = one.hours_g_per_kwh
        more = one.mean_g_per_kwh / ranked[0].mean_g_per_kwh - 1 if ranked[0].mean_g_per_kwh else 0.0
        course: list[str | Text] = [
            Text(sparkline(compressed(hours, _SPARKS)), style="cyan"),
            f"{fmt.intensity(min(hours))}–{fmt.intensity(max(hours))}",
        ]
        table.add_row(
            str(number),
            one.zone,
            Text(fmt.intensity(one.mean_g_per_kwh), style="bold"),
            f"+{fmt.percent(round(100 * more))}" if number > 1 else "",
            *(course if over_s else []),
        )
    basis = f"expected of the {fmt.duration(over_s)} from {fmt.clock(now)}" if over_s else f"at {fmt.clock(now)}"
    sources = {one.zone: f"{_kind(one)}, from {fmt.plain(one.source)}" for one in ranked}
    return Group(
        Text(f"mean {basis}" if over_s else basis, style="dim"),
        *([table] if ranked else []),
        *pedigree_notes(sources),
        *place_notes({one.zone: one.places for one in ranking}),
        *(trouble(one.zone, f"not ranked: {one.left_out}") for one in ranking if one.left_out),
    )


def rank_json(ranking: Sequence[Ranked], now: datetime, over_s: float) -> dict[str, object]:
    """The ranked zones in their order, then the others."""
    return {"at": to_text(now), "over_s": over_s, "zones": rank_rows(ranking)}


def rank_rows(ranking: Sequence[Ranked]) -> list[dict[str, object]]:
    """For CSV: a line a zone."""
    return [_facts(one, number) for number, one in enumerate(ranking, start=1)]


def _one(chain: Chain, zone: str, places: tuple[str, ...], now: datetime, over_s: float) -> Ranked:
    try:
        heard = chain.ask(zone, now - _DAY, now)
        newest = heard.readings[-1]
        if newest.stand_in:
            return Ranked(zone=zone, places=places, left_out=f"{newest.stand_in}: {heard.because}")
        if newest.is_stale(now, chain.rules.max_age_s):
            ago = fmt.duration(newest.age_s(now) - newest.period_s)
            return Ranked(zone=zone, places=places, left_out=f"its newest reading ended {ago} ago")
        hours: tuple[float, ...] = (newest.intensity_g_per_kwh,)
        source = newest.source
        if over_s:
            forecast = outlook(chain, zone, now, over_s)
            hours, source = tuple(point.intensity_g_per_kwh for point in forecast.points), forecast.source
    except CarbonUnavailable as error:
        return Ranked(zone=zone, places=places, left_out=error.message)
    return Ranked(
        zone=zone, places=places, newest=newest, mean_g_per_kwh=fmean(hours), hours_g_per_kwh=hours, source=source
    )


def _require_one_kind(ranked: Sequence[Ranked]) -> None:
    """Signals are named before scopes: where both differ, they are the greater difference."""
    readings = [one.newest for one in ranked if one.newest is not None]
    unlike = [pair for one, other in combinations(readings, 2) if (pair := unlike_kinds(one, other)) is not None]
    if not unlike:
        return
    mixed = sorted(set(unlike[0]))
    groups = [(kind, [r.zone for r in readings if kind in (r.signal, r.scope)]) for kind in mixed]
    told = " and ".join(f"{kind} ({', '.join(zones)})" for kind, zones in groups)
    raise ConfigError(
        f"ga carbon rank: expected values of one kind, found {told}",
        hint="rank the zones of each kind for themselves, or give all of them one source",
    )


def _kind(one: Ranked) -> str:
    return "" if one.newest is None else kind_words(one.newest.signal, one.newest.scope)


def _facts(one: Ranked, number: int) -> dict[str, object]:
    hours = one.hours_g_per_kwh
    return {
        "rank": None if one.left_out else number,
        "zone": one.zone,
        "places": one.places,
        "mean_g_per_kwh": None if one.left_out else one.mean_g_per_kwh,
        "lowest_g_per_kwh": min(hours, default=None),
        "highest_g_per_kwh": max(hours, default=None),
        "signal": None if one.newest is None else one.newest.signal.value,
        "scope": None if one.newest is None else one.newest.scope.value,
        "source": one.source or None,
        "left_out": one.left_out,
    }
