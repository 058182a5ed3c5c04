"""What every source asks of the span it is asked for."""

from __future__ import annotations

from datetime import UTC, datetime


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
