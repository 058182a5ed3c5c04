"""Which of a zone's carbon sources is believed, and what may be compared after a change of source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import fmean, median
from types import MappingProxyType

from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Quality, Reading, Signal, reading_at

# In two years of hourly data of 158 zones (Electricity Maps, 2023-2024) one hour in 3,000 differs by more than both
# from the one before, nearly all of them in eight balancing areas of a few plants.
_JUMP_G_PER_KWH = 250.0
_JUMP_FACTOR = 2.0
_RECENT_S = 6 * 3600.0
# Sources are compared where both know the value: below this the mean says too little of a day.
_LEAST_OVERLAP_H = 6
# Beyond this, two sources do not measure the same grid by different factors, they see different grids.
_MOST_DISAGREEMENT = 0.10


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """When a source is not believed. Durations in seconds.

    max_age_s: after the end of the newest reading. hold_off_s: how long a better source must be sound again before it
    is taken back. frozen_s: how long a value may stay exactly the same.
    """

    max_age_s: float
    hold_off_s: float
    frozen_s: float = 48 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What is in use for one zone.

    source: position in the chain. since: when it was taken. sound_since: better sources that answer well again.
    faults: what is wrong with sources, by position, as far as they were asked. factor: what its values are multiplied
    with to have the level of the first source; None when that cannot be told.
    """

    source: int
    since: datetime
    sound_since: Mapping[int, datetime] = field(default_factory=lambda: MappingProxyType({}))
    faults: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    factor: float | None = 1.0


def fault(readings: Sequence[Reading], now: datetime, rules: Rules, trusted: Reading | None = None) -> str:
    """Why these readings (ascending) of one service are not to be believed at `now`; empty when they are.

    trusted: the newest reading of the same service that was. What lies a jump away from it is not believed before six
    hours have passed: a field that went missing is read as 0 for longer than one step.
    """
    newest = reading_at(readings, now)
    if newest is None:
        return "no reading is in force"
    if newest.quality is Quality.FORECAST:
        return "only a forecast is in force"
    if newest.is_stale(now, rules.max_age_s):
        return f"its newest reading ended {_hours(newest.age_s(now) - newest.period_s)} ago"
    if not 0 <= newest.intensity_g_per_kwh <= MAX_INTENSITY_G_PER_KWH:
        return f"{newest.intensity_g_per_kwh:.0f} g/kWh is no carbon intensity"
    past = [reading for reading in readings if reading.at <= newest.at]
    for before, within in ((past[-2] if len(past) > 1 else None, 2 * newest.period_s), (trusted, _RECENT_S)):
        if before is not None and _jumps(before, newest, within):
            found = f"from {before.intensity_g_per_kwh:.0f} to {newest.intensity_g_per_kwh:.0f} g/kWh"
            return f"{found} within {_hours((newest.at - before.at).total_seconds())}"
    same_since = newest.at
    for reading in reversed(past):
        if reading.intensity_g_per_kwh != newest.intensity_g_per_kwh:
            break
        same_since = reading.at
    frozen_s = (newest.at - same_since).total_seconds()
    if frozen_s > rules.frozen_s:
        return f"exactly {newest.intensity_g_per_kwh:.1f} g/kWh for {_hours(frozen_s)}"
    return ""


def without_spikes(readings: Sequence[Reading]) -> list[Reading]:
    """The readings without single ones that lie a jump away from both neighbours."""
    kept = [*readings]
    for index in range(len(kept) - 2, 0, -1):
        step_s = 2 * kept[index].period_s
        if _jumps(kept[index - 1], kept[index], step_s) and _jumps(kept[index], kept[index + 1], step_s):
            del kept[index]
    return kept


def choose(standing: Standing | None, heard: Mapping[int, str], now: datetime, hold_off_s: float) -> Standing | None:
    """What is in use from now on.

    heard: position of each source that was asked → what is wrong with it, empty for a sound one. None when nothing was
    in use and nothing is sound; what is in use stays so while nothing better is sound.
    """
    sound = sorted(position for position, wrong in heard.items() if not wrong)
    faults = MappingProxyType({position: wrong for position, wrong in heard.items() if wrong})
    if standing is None:
        return Standing(source=sound[0], since=now, faults=faults) if sound else None
    before = standing.sound_since
    waiting = {position: before.get(position, now) for position in sound if position < standing.source}
    waited = [p for p, since in waiting.items() if now - since >= timedelta(seconds=hold_off_s)]
    best = waited[0] if waited else standing.source
    if best == standing.source and heard.get(best):
        best = sound[0] if sound else best
    if best != standing.source:
        return Standing(source=best, since=now, faults=faults)
    return replace(standing, sound_since=MappingProxyType(waiting), faults=faults)


def level_factor(reference: Sequence[Reading], other: Sequence[Reading], now: datetime) -> float | None:
    """What `other`'s values are to be multiplied with to have the level of `reference` over the last day.

    None when both know fewer than 6 hours in common, or when they differ by more than their level: by more than 10 % in
    the median hour.
    """
    pairs: list[tuple[float, float]] = []
    for hours in range(24):
        instant = now - timedelta(hours=hours)
        left, right = (_value_at(readings, instant) for readings in (reference, other))
        if left is not None and right is not None:
            pairs.append((left, right))
    if len(pairs) < _LEAST_OVERLAP_H or fmean(right for _, right in pairs) <= 0:
        return None
    factor = fmean(left for left, _ in pairs) / fmean(right for _, right in pairs)
    disagreement = median(abs(right * factor - left) / left if left > 0 else 0.0 for left, right in pairs)
    return factor if disagreement <= _MOST_DISAGREEMENT else None


def levelled(reading: Reading, factor: float, reference: str) -> Reading:
    """The reading at the level of `reference`; its source says so."""
    return replace(
        reading,
        intensity_g_per_kwh=min(reading.intensity_g_per_kwh * factor, MAX_INTENSITY_G_PER_KWH),
        source=f"{reading.source} at the level of {reference}",
    )


def _jumps(before: Reading, after: Reading, within_s: float) -> bool:
    if after.signal is Signal.MARGINAL:
        # The next kWh may come from a gas turbine now, and in five minutes from wind power that is curtailed.
        return False
    low, high = sorted((before.intensity_g_per_kwh, after.intensity_g_per_kwh))
    # Over a longer time anything may have happened.
    soon = (after.at - before.at).total_seconds() <= within_s
    return soon and high - low > _JUMP_G_PER_KWH and high > _JUMP_FACTOR * low


def _value_at(readings: Sequence[Reading], instant: datetime) -> float | None:
    reading = reading_at(readings, instant)
    if reading is None or reading.stand_in or instant >= reading.at + timedelta(seconds=reading.period_s):
        return None
    return reading.intensity_g_per_kwh


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"
