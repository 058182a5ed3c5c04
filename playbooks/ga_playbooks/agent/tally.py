"""One device's energy, from readings that come when they come to amounts that are handed out once."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Tuple

from .files import Json

COUNTER, INTEGRATED, MODEL = "counter", "integrated", "model"
CERTAINTY: List[str] = [COUNTER, INTEGRATED, MODEL]  # the surest first


class Reading(NamedTuple):
    """What a device said at one instant. counter_j: of its energy since some instant; None: it did not say."""

    at_s: float
    counter_j: Optional[float]
    power_w: Optional[float]
    percent: Optional[float]


def part(device: str, energy_j: float, meter: str, uncertainty: str) -> Json:
    """A device's share of a sample's energy."""
    return {"device": device, "energy_j": energy_j, "meter": meter, "uncertainty": uncertainty}


class Tally:
    """Up to its newest reading a device's energy is known; from there on it is taken to draw its last power.

    Where the next reading finds that this was too much, the difference is kept back from what follows: nothing that
    was handed out is taken back, and what was handed out in all is what was read.
    """

    def __init__(self, stale_s: float) -> None:
        self.stale_s = stale_s
        self.known_j = self.handed_j = 0.0
        self.power_w: Optional[float] = None
        self.counter_j: Optional[float] = None
        self.read_at_s: Optional[float] = None
        self.percent: Optional[float] = None
        self.lost = False
        self.uncertainty = COUNTER
        self.worst: Optional[str] = None  # of the readings since energy was last taken

    def read(self, reading: Reading) -> bool:
        """False when the device said nothing that its energy can be told from."""
        self.percent = reading.percent
        if reading.counter_j is None and reading.power_w is None:
            self.lost = True
            return False
        span_s = 0.0 if self.read_at_s is None else reading.at_s - self.read_at_s
        gained_j = self.counted_j(reading)
        if gained_j is not None:
            self.uncertainty = COUNTER
        else:
            gained_j = self.integrated_j(reading, span_s)
            # Without a counter nobody knows what a device did while it was silent for long.
            blind = reading.power_w is None or span_s > self.stale_s
            self.uncertainty = MODEL if blind else INTEGRATED
        self.known_j += gained_j
        if reading.power_w is not None:
            self.power_w = reading.power_w
        elif span_s > 0 and self.uncertainty == COUNTER:
            self.power_w = gained_j / span_s
        self.counter_j, self.read_at_s, self.lost = reading.counter_j, reading.at_s, False
        self.worst = max(self.worst or COUNTER, self.uncertainty, key=CERTAINTY.index)
        return True

    def counted_j(self, reading: Reading) -> Optional[float]:
        """By the counter; None where it says nothing: there is none, or it was set back since the last reading."""
        if reading.counter_j is None:
            return None
        if self.read_at_s is None:
            return 0.0
        if self.counter_j is None or reading.counter_j < self.counter_j:
            return None
        return reading.counter_j - self.counter_j

    def integrated_j(self, reading: Reading, span_s: float) -> float:
        after_w = self.power_w if reading.power_w is None else reading.power_w
        before_w = after_w if self.power_w is None else self.power_w
        return ((before_w or 0.0) + (after_w or 0.0)) / 2 * span_s

    def take(self, now_s: float) -> Tuple[float, str]:
        """Energy since the last call, and how sure it is."""
        estimate_j, uncertainty = self.known_j, self.worst or self.uncertainty
        if self.read_at_s is not None and now_s > self.read_at_s:
            estimate_j += (self.power_w or 0.0) * (now_s - self.read_at_s)
        if self.lost or self.read_at_s is None or now_s - self.read_at_s > self.stale_s:
            uncertainty = MODEL
        energy_j = max(0.0, estimate_j - self.handed_j)
        self.handed_j = max(self.handed_j, estimate_j)
        self.worst = None
        return energy_j, uncertainty
