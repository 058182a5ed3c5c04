"""What keeps a log from growing with every poll."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# A changed intensity is told when it differs by both from what was told last, and no sooner than this.
_CHANGE = 0.1
_CHANGE_G_PER_KWH = 10.0
_CARBON_S = 30.0


class Every:
    """By key: when it was last its turn, in real seconds."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def due(self, key: str, epoch_s: float, period_s: float) -> bool:
        """True for the first time, and whenever `period_s` have passed since the last time it was."""
        last = self._told.get(key)
        if last is not None and epoch_s - last < period_s:
            return False
        self._told[key] = epoch_s
        return True

    def is_new(self, key: str, epoch_s: float) -> bool:
        """True for the first time ever, from which on `due` counts."""
        return key not in self._told and self.due(key, epoch_s, 0.0)


class CarbonChanges:
    """The intensities that were told last."""

    def __init__(self) -> None:
        self._told: Mapping[str, Mapping[str, Any]] | None = None
        self._told_s = 0.0

    def worth_telling(self, zones: Mapping[str, Mapping[str, Any]], epoch_s: float) -> bool:
        """zones: as in a `carbon` event. True at first, and when a zone's value or its standing changed notably."""
        if self._told is not None:
            changed = any(_differs(self._told.get(zone), known) for zone, known in zones.items())
            if not changed or epoch_s - self._told_s < _CARBON_S:
                return False
        self._told, self._told_s = zones, epoch_s
        return True


def _differs(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
    if before is None or ("unavailable" in before) != ("unavailable" in now):
        return True
    if "unavailable" in now:
        return False
    if any(before[key] != now[key] for key in ("quality", "signal", "stale")):
        return True
    # Its words change with the time; stores of older versions have no word of it.
    if bool(before.get("stand_in")) != bool(now.get("stand_in")):
        return True
    change = abs(now["intensity_g_per_kwh"] - before["intensity_g_per_kwh"])
    return bool(change > _CHANGE_G_PER_KWH and change > _CHANGE * before["intensity_g_per_kwh"])
