"""Quantities as people write them (`1h30m`, `10GiB`, `700W`, `10%`) and the plain numbers they stand for.

Inside the program a quantity is a number in one fixed unit: seconds, bytes, watts, percent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"

# Descending, because a combined duration is written from the largest unit to the smallest.
_DURATION_UNITS_MS: Final[Mapping[str, int]] = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_SIZE_UNITS: Final[Mapping[str, int]] = {
    "TiB": 1024**4,
    "GiB": 1024**3,
    "MiB": 1024**2,
    "KiB": 1024,
    "TB": 1000**4,
    "GB": 1000**3,
    "MB": 1000**2,
    "kB": 1000,
    "B": 1,
}
_POWER_UNITS: Final[Mapping[str, int]] = {"kW": 1000, "W": 1}

# A number without a unit is taken in the base unit, also when it is quoted.
DURATION_PATTERN: Final = (
    rf"^(?:{_NUMBER}|(?=[0-9])(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?)$"
)
SIZE_PATTERN: Final = rf"^{_NUMBER} ?(?:{'|'.join(_SIZE_UNITS)})?$"
POWER_PATTERN: Final = rf"^{_NUMBER} ?(?:{'|'.join(_POWER_UNITS)})?$"
PERCENT_PATTERN: Final = rf"^{_NUMBER} ?%?$"
INSTANT_PATTERN: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z|[+-][0-9]{2}:?[0-9]{2})$"

# Longer than any job or policy needs, and far below what datetime arithmetic can hold.
MAX_DURATION_S: Final = 3650 * 86_400.0


class Unexpected(ValueError):
    """A value of the wrong form. expected: what is allowed, as the object of `expected …`."""

    def __init__(self, value: object, expected: str) -> None:
        super().__init__(f"found {describe(value)}, expected {expected}")
        self.expected = expected


def describe(value: object) -> str:
    """A value as its author wrote it, short enough for one line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 40 else f'"{value[:37]}…"'
    return str(value)


def parse_duration(value: object) -> float:
    """Seconds, 0 <= s <= MAX_DURATION_S, from `90s`, `1h30m`, `500ms` or a plain number. Raises Unexpected."""
    expected = "a duration such as 90s, 5m, 1h30m or 2d"
    plain = _plain_number(value, DURATION_PATTERN, expected)
    if plain is None:
        parts = re.findall(rf"({_NUMBER})(ms|[dhms])", str(value))
        plain = sum((Decimal(number) * _DURATION_UNITS_MS[unit] for number, unit in parts), Decimal()) / 1000
    if plain > MAX_DURATION_S:
        raise Unexpected(value, "a duration of at most 3650d")
    return float(plain)


def format_duration(seconds: float) -> str:
    """`5430` → `1h30m30s`, to the nearest millisecond; seconds >= 0. `parse_duration` reads it back."""
    rest = round(seconds * 1000)
    parts: list[str] = []
    for unit, size in _DURATION_UNITS_MS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(value: object) -> int:
    """Bytes, >= 0, from `10GiB`, `500MB` or a plain number; fractions of a byte are rounded. Raises Unexpected."""
    return round(_scaled(value, SIZE_PATTERN, _SIZE_UNITS, "a size such as 500MB or 10GiB"))


def format_size(size_bytes: int) -> str:
    """Exact, in the largest binary unit that divides it: `10737418240` → `10GiB`. `parse_size` reads it back."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size_bytes and size_bytes % _SIZE_UNITS[unit] == 0:
            return f"{size_bytes // _SIZE_UNITS[unit]}{unit}"
    return f"{size_bytes}B"


def parse_power(value: object) -> float:
    """Watts, >= 0, from `60W`, `1.2kW` or a plain number. Raises Unexpected."""
    return float(_scaled(value, POWER_PATTERN, _POWER_UNITS, "a power such as 60W or 1.2kW"))


def format_power(power_w: float) -> str:
    """`60` → `60W`, `1200` → `1.2kW`, exact. `parse_power` reads it back."""
    watts = Decimal(repr(float(power_w)))
    number, unit = (watts / 1000, "kW") if watts >= 1000 else (watts, "W")
    return f"{_decimal_text(number)}{unit}"


def parse_percent(value: object) -> float:
    """Percent, >= 0, from `10%` or a plain number (`10` is 10 %, not 1000 %). Raises Unexpected."""
    return float(_scaled(value, PERCENT_PATTERN, {"%": 1}, "a percentage such as 10%"))


def format_percent(percent: float) -> str:
    """`10` → `10%`, exact. `parse_percent` reads it back."""
    return f"{_decimal_text(Decimal(repr(float(percent))))}%"


def parse_instant(value: object) -> datetime:
    """Aware UTC, 1970..2099, from ISO 8601 text with a time zone, such as `2024-06-01T00:00:00Z`. Raises Unexpected."""
    expected = "a time with its zone such as 2024-06-01T00:00:00Z"
    if not isinstance(value, str) or not re.fullmatch(INSTANT_PATTERN, value):
        raise Unexpected(value, expected)
    try:
        instant = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unexpected(value, expected) from None
    if not 1970 <= instant.year <= 2099:
        raise Unexpected(value, "a time between 1970 and 2099")
    return instant


def parse_number(value: object) -> float:
    """Any finite number; text and booleans are refused. Raises Unexpected."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Unexpected(value, "a number")
    return float(value)


def parse_integer(value: object) -> int:
    """A whole number; text, booleans and `1.0` are refused. Raises Unexpected."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unexpected(value, "a whole number")
    return value


def _plain_number(value: object, pattern: str, expected: str) -> Decimal | None:
    """The number when `value` is one without a unit; None when it is text with a unit, of the right form."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value) or value < 0:
            raise Unexpected(value, expected)
        return Decimal(repr(float(value)))
    if not isinstance(value, str) or not re.fullmatch(pattern, value.strip(), re.ASCII):
        raise Unexpected(value, expected)
    return Decimal(value.strip()) if re.fullmatch(_NUMBER, value.strip()) else None


def _scaled(value: object, pattern: str, units: Mapping[str, int], expected: str) -> Decimal:
    plain = _plain_number(value, pattern, expected)
    if plain is None:
        text = str(value).strip()
        # The first match is the longest: `GiB` stands before `B`, `kW` before `W`.
        unit = next(unit for unit in units if text.endswith(unit))
        plain = Decimal(text.removesuffix(unit).strip()) * units[unit]
    if not math.isfinite(float(plain)):
        raise Unexpected(value, expected)
    return plain


def _decimal_text(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
