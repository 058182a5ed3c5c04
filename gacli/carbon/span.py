"""What every source has to do with the span it is asked for, and with answers that are not as expected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta


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
