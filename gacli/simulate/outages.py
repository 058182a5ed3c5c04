"""When a site has no machine for anybody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gacli.simulate.scenario import Outage


class Outages:
    """Goes through outages in the order of their starts."""

    def __init__(self, outages: Sequence[Outage]) -> None:
        self._outages = sorted(outages, key=lambda outage: outage.start)
        self._begun = 0

    @property
    def next_start(self) -> datetime | None:
        """When the next one begins that `begin` has not told of; None after the last."""
        return self._outages[self._begun].start if self._begun < len(self._outages) else None

    def begin(self) -> str:
        """The site at which it begins."""
        self._begun += 1
        return self._outages[self._begun - 1].site

    def until(self, site: str, now: datetime) -> datetime | None:
        """When the outage at `site` ends; None when there is none now."""
        return max((o.end for o in self._outages if o.site == site and o.start <= now < o.end), default=None)

    def first_end_after(self, now: datetime) -> datetime | None:
        """When the next of those that have begun by now ends; None when all are over."""
        return min((o.end for o in self._outages if o.start <= now < o.end), default=None)
