"""What every source has to do with the span it is asked for, and with answers that are not as expected."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Reading
from gacli.errors import CarbonUnavailable


def utc_span(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Both instants in UTC. ValueError for a naive instant or an end before the start: the caller is wrong."""
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError(f"expected aware instants, found {start} and {end}")
    if end < start:
        raise ValueError(f"expected start <= end, found {start} and {end}")
    return start.astimezone(UTC), end.astimezone(UTC)


def iso(instant: datetime) -> str:
    """For messages: `2024-01-31T13:00Z`, with seconds only where there are any."""
    return instant.astimezone(UTC).isoformat(timespec="auto").removesuffix(":00+00:00").removesuffix("+00:00") + "Z"


def pieces(begin: datetime, end: datetime, longest: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """[begin, end) in pieces that are at most `longest`, in their order; none when it is empty."""
    while begin < end:
        yield begin, min(begin + longest, end)
        begin += longest


def shown(found: object) -> str:
    """What was found instead of what was expected, short enough for a message."""
    return repr(found)[:160]


def stated_g_per_kwh(source: str, value: object, at: datetime) -> float | None:
    """A carbon intensity in gCO2eq/kWh as a service states it; None for null. CarbonUnavailable for anything else."""
    match value:
        case None:
            return None
        case int() | float() if not isinstance(value, bool):
            if 0 <= value <= MAX_INTENSITY_G_PER_KWH:
                return float(value)
            raise CarbonUnavailable(
                f"{source}: absurd value at {iso(at)}: expected 0 to {MAX_INTENSITY_G_PER_KWH:.0f} g/kWh, "
                f"found {shown(value)}"
            )
        case _:
            raise CarbonUnavailable(f"{source}: expected a number or null at {iso(at)}, found {shown(value)}")


def in_force(by_instant: Mapping[datetime, Reading], start: datetime, end: datetime, late: timedelta) -> list[Reading]:
    """The readings in force in [start, end], ascending; one that ended counts for `late` more without a next."""
    instants = sorted(by_instant)
    first = max(bisect_right(instants, start) - 1, 0)
    known = [by_instant[at] for at in instants[first : bisect_right(instants, end)]]
    return [reading for reading in known if not reading.is_stale(start, late.total_seconds())]
