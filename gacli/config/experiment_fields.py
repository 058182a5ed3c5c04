"""Field types that only experiments have: allowances of time, rates of transfer, values of a grid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final

from gacli.config import quantities as q
from gacli.config.fields import Parsed
from gacli.config.quantities import Unexpected

_BITS: Final = {"Tbit/s": 10**12, "Gbit/s": 10**9, "Mbit/s": 10**6, "kbit/s": 10**3}
_SPEED_PATTERN: Final = r"^[0-9]+(?:\.[0-9]+)? ?(?:[TGMk]bit|TiB|GiB|MiB|KiB|TB|GB|MB|kB|B)/s$"


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """A time given as it is, or as a part more than some other; exactly one of the two is not None.

    more_percent: >= 0. time_s: > 0.
    """

    more_percent: float | None = None
    time_s: float | None = None

    def beside(self, other_s: float) -> float:
        """Seconds, where a percentage is taken of `other_s` and added to it."""
        if self.time_s is not None:
            return self.time_s
        assert self.more_percent is not None
        return other_s * (1 + self.more_percent / 100)


def parse_allowance(value: object) -> Allowance:
    """`40%` (more than the other), or a duration above 0. Raises Unexpected."""
    expected = "a percentage such as 40% or a duration above 0 such as 3d"
    try:
        if isinstance(value, str) and value.strip().endswith("%"):
            return Allowance(more_percent=q.parse_percent(value))
        time_s = q.parse_duration(value)
    except Unexpected:
        raise Unexpected(value, expected) from None
    if time_s <= 0:
        raise Unexpected(value, expected)
    return Allowance(time_s=time_s)


def parse_grid_value(value: object) -> str | float:
    """What one parameter of a policy can be, as it is written. Raises Unexpected."""
    if not isinstance(value, (str, int, float)):
        raise Unexpected(value, "text, a number, true or false")
    return value


def parse_speed(value: object) -> float:
    """Bytes per second, > 0, from `500MB/s` or `4Gbit/s`. Raises Unexpected."""
    expected = "a speed above 0 such as 500MB/s or 4Gbit/s"
    if not isinstance(value, str) or not re.fullmatch(_SPEED_PATTERN, value.strip(), re.ASCII):
        raise Unexpected(value, expected)
    text = value.strip()
    bits = next((unit for unit in _BITS if text.endswith(unit)), None)
    if bits is not None:
        speed = float(text.removesuffix(bits)) * _BITS[bits] / 8
    else:
        speed = float(q.parse_size(text.removesuffix("/s")))
    if speed <= 0:
        raise Unexpected(value, expected)
    return speed


_ALLOWANCE_SCHEMA: Final = {
    "anyOf": [
        {"type": "string", "pattern": q.PERCENT_PATTERN},
        {"type": "string", "pattern": q.DURATION_PATTERN},
        {"type": "number", "exclusiveMinimum": 0},
    ],
    "description": "A percentage more, or a duration; a plain number is seconds.",
    "examples": ["40%", "3d"],
}
_SPEED_SCHEMA: Final = {
    "type": "string",
    "pattern": _SPEED_PATTERN,
    "description": "Speed of a transfer.",
    "examples": ["500MB/s", "4Gbit/s"],
}

AllowanceField = Annotated[Allowance, Parsed(parse_allowance, _ALLOWANCE_SCHEMA)]
Speed = Annotated[float, Parsed(parse_speed, _SPEED_SCHEMA)]
GridValue = Annotated[str | float, Parsed(parse_grid_value, {"type": ["string", "number", "boolean"]})]
