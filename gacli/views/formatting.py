"""Quantities as people read them; JSON never passes through here."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime

from gacli.core.energy import JOULES_PER_KWH

UNKNOWN = "–"

# Escape sequences of terminals, then every other control character except line breaks and tabs.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class MassUnit:
    """One unit for a whole table, so that its cells can be compared."""

    name: str
    grams: float

    def cell(self, mass_g: float) -> str:
        """The number alone, with as many decimals as every other cell has; what rounds to nothing shows that."""
        decimals = 1 if self.grams == 1 else 2
        value = mass_g / self.grams
        smallest = 10.0**-decimals
        if 0 < abs(value) < smallest / 2:
            return f"<{smallest:.{decimals}f}" if value > 0 else f"−<{smallest:.{decimals}f}"
        return _signed(value, f",.{decimals}f")


def mass_unit(largest_g: float) -> MassUnit:
    """The unit in which the largest mass of a table reads well."""
    if abs(largest_g) >= 1e6:
        return MassUnit("t", 1e6)
    return MassUnit("kg", 1e3) if abs(largest_g) >= 1e3 else MassUnit("g", 1.0)


def mass(mass_g: float) -> str:
    """`4 mg`, `0.42 g`, `12.3 g`, `410 g`, `1.25 kg`, `3.1 t`."""
    return _scaled(mass_g, ("g", "kg", "t"), smaller="mg")


def energy(energy_j: float) -> str:
    """J as `5 mWh`, `82 Wh`, `1.23 kWh`, `4.5 MWh`."""
    return _scaled(energy_j / JOULES_PER_KWH * 1e3, ("Wh", "kWh", "MWh", "GWh"), smaller="mWh")


def power(power_w: float) -> str:
    """`85 W`, `1.25 kW`."""
    return _scaled(power_w, ("W", "kW", "MW"))


def size(size_bytes: float) -> str:
    """`512 B`, `40 MB`, `1.25 GB`; powers of 1000."""
    return _scaled(size_bytes, ("B", "kB", "MB", "GB", "TB"))


def speed(bytes_per_s: float) -> str:
    """`8.1 MB/s`."""
    return f"{size(bytes_per_s)}/s"


def duration(span_s: float) -> str:
    """`0.4 s`, `45 s`, `4.5 min`, `6.2 h`, `2.5 days`."""
    sign, span_s = ("−", -span_s) if span_s < 0 else ("", span_s)
    if span_s < 119.5:
        return f"{sign}{span_s:.0f} s" if span_s >= 9.95 or span_s < 0.05 else f"{sign}{_short(span_s, 1)} s"
    if span_s < 7170:
        return f"{sign}{_short(span_s / 60, 0 if span_s >= 597 else 1)} min"
    if span_s < 172_620:
        return f"{sign}{_short(span_s / 3600, 1)} h"
    return f"{sign}{_short(span_s / 86_400, 1)} days"


def throughput(steps_per_s: float) -> str:
    """Steps per the unit of time in which the number reads well."""
    for unit, seconds in (("s", 1.0), ("min", 60.0)):
        if steps_per_s * seconds >= 1:
            return f"{_digits(steps_per_s * seconds)} steps/{unit}"
    return f"{_digits(steps_per_s * 3600)} steps/h"


def percent(value: float) -> str:
    """`38.5 %`, `12 %`, `<0.1 %`."""
    if 0 < abs(value) < 0.05:
        return "<0.1 %" if value > 0 else "−<0.1 %"
    return f"{_short(value, 1)} %"


def intensity(g_per_kwh: float) -> str:
    """gCO2eq/kWh without the unit: `410`, `8.4`."""
    return _short(g_per_kwh, 0 if g_per_kwh >= 9.95 else 1)


def count(number: int) -> str:
    """`12,400`."""
    return f"{number:,}"


def steps(step: int | None, total: int | None) -> str:
    """`1,240 of 4,000`."""
    if step is None:
        return UNKNOWN
    return count(step) if total is None else f"{count(step)} of {count(total)}"


def plural(number: int, noun: str) -> str:
    """`1 move`, `2 moves`."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def figure(value: float) -> str:
    """A number of the script's own, such as its loss, whose unit nobody knows: four digits."""
    return f"{value:.4g}".replace("-", "−") if math.isfinite(value) else str(value)


def clock(instant: datetime) -> str:
    """`2024-06-03 14:05 UTC`."""
    return instant.strftime("%Y-%m-%d %H:%M UTC")


def short_clock(instant: datetime, now: datetime) -> str:
    """`14:05` on the day of `now`, else `06-02 14:05`."""
    return instant.strftime("%H:%M" if instant.date() == now.date() else "%m-%d %H:%M")


def scale(factor: float) -> str:
    """`replay ×900`."""
    return f"replay ×{factor:g}"


def plain(text: str) -> str:
    """Foreign text on one line, without control codes; its lines are kept apart by ` | `."""
    clean = _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    return " | ".join(part for line in clean.split("\n") if (part := " ".join(line.split())))


def _scaled(value: float, units: tuple[str, ...], *, smaller: str = "") -> str:
    """In the largest of the units (each 1000 of the one before) of which it is at least 1 once rounded.

    smaller: the unit for what is less than a tenth of the first.
    """
    if smaller and 5e-6 < abs(value) < 0.0995:
        return f"{_digits(value * 1e3)} {smaller}"
    index = 0
    while abs(value) >= 999.5 and index < len(units) - 1:
        value /= 1e3
        index += 1
    return f"{_digits(value)} {units[index]}"


def _digits(value: float) -> str:
    """Three digits where they say something: `0.42`, `1.25`, `12.3`, `410`, `12,400`."""
    size = abs(value)
    if size >= 99.95:
        return _signed(value, ",.0f")
    return _short(value, 1 if size >= 9.995 else 2)


def _short(value: float, decimals: int) -> str:
    """Rounded, without zeros at the end."""
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−") if text != "-0" else "0"


def _signed(value: float, spec: str) -> str:
    return format(value, spec).replace("-", "−")
