"""Field types of the configuration: each parses what YAML gave and carries its own JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gacli.config import quantities as q
from gacli.config.document import as_written
from gacli.config.quantities import Unexpected

JsonSchema = Mapping[str, object]

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,39}$"
ZONE_PATTERN: Final = r"^[A-Z][A-Z0-9]*(?:[-_][A-Z0-9]+)*$"
# The names of the environment that ga itself gives to the script are not the user's to set.
ENV_NAME_PATTERN: Final = r"^(?!GA_)[A-Za-z_][A-Za-z0-9_]*$"


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: its schema is not hashable
class Parsed:
    """Annotation: the field's value is whatever `parse` makes of the YAML value. `parse` raises Unexpected."""

    parse: Callable[[object], object]
    json_schema: JsonSchema

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, object]:
        return dict(self.json_schema)


def _within(parse: Callable[[object], float], low: float, high: float, expected: str) -> Callable[[object], float]:
    """`parse`, and then low <= value <= high; `expected` tells people both the form and the bounds."""

    def checked(value: object) -> float:
        try:
            parsed = parse(value)
        except Unexpected:
            raise Unexpected(value, expected) from None
        if not low <= parsed <= high:
            raise Unexpected(value, expected)
        return parsed

    return checked


def duration(low: str, high: str) -> Parsed:
    """Seconds between two durations."""
    low_s, high_s = q.parse_duration(low), q.parse_duration(high)
    expected = f"a duration from {low} to {high}, such as 90s or 5m"
    human = {"type": "string", "pattern": q.DURATION_PATTERN}
    plain = {"type": "number", "minimum": low_s, "maximum": high_s}
    return Parsed(_within(q.parse_duration, low_s, high_s, expected), {**_DURATION_SCHEMA, "anyOf": [human, plain]})


def number(low: float, high: float, *, unit: str = "") -> Parsed:
    """A number within bounds."""
    expected = f"a number from {low:g} to {high:g} {unit}".rstrip()
    return Parsed(_within(q.parse_number, low, high, expected), {"type": "number", "minimum": low, "maximum": high})


def integer(low: int, high: int) -> Parsed:
    """A whole number within bounds."""
    expected = f"a whole number from {low} to {high}"
    return Parsed(_within(q.parse_integer, low, high, expected), {"type": "integer", "minimum": low, "maximum": high})


def choice(*values: str) -> Parsed:
    """One of a few words."""

    def parse(value: object) -> str:
        if value not in values:
            raise Unexpected(value, f"one of {', '.join(values)}")
        return str(value)

    return Parsed(parse, {"enum": list(values)})


def order(*values: str) -> Parsed:
    """One of a few words, or a list of different ones; a tuple of them either way."""

    def parse(value: object) -> tuple[str, ...]:
        words = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        if not words or any(word not in values for word in words) or len(set(words)) < len(words):
            raise Unexpected(value, f"one of {', '.join(values)}, or a list of some, each once")
        return tuple(words)

    several = {"type": "array", "items": {"enum": list(values)}, "minItems": 1, "uniqueItems": True}
    return Parsed(parse, {"anyOf": [{"enum": list(values)}, several]})


def text(pattern: str, expected: str) -> Parsed:
    """Text that matches a regular expression in full; surrounding blanks are dropped."""
    regex = re.compile(pattern, re.ASCII | re.DOTALL)

    def parse(value: object) -> str:
        stripped = str(value).strip()
        if value is None or isinstance(value, (list, Mapping)) or not regex.fullmatch(stripped):
            raise Unexpected(value, expected)
        if not isinstance(value, str):
            raise Unexpected(value, f"text (put it into quotes): {expected}")
        return stripped

    return Parsed(parse, {"type": "string", "pattern": pattern})


def _env_value(value: object) -> str:
    if isinstance(value, (int, float)) or (isinstance(value, str) and "\0" not in value):
        return as_written(value)
    raise Unexpected(value, 'text, a number, true or false (write "" for an empty value)')


def _checkpoint_path(value: object) -> str:
    expected = "a folder inside the work folder such as out/ckpt, without `..`"
    if not isinstance(value, str) or "\0" in value or "\n" in value or value.startswith(("/", "~")):
        raise Unexpected(value, expected)
    path = PurePosixPath(value)
    if ".." in path.parts or not path.parts:
        raise Unexpected(value, expected)
    return str(path)


_DURATION_SCHEMA: Final[JsonSchema] = {
    "anyOf": [{"type": "string", "pattern": q.DURATION_PATTERN}, {"type": "number", "minimum": 0}],
    "description": "Duration; a plain number is seconds.",
    "examples": ["90s", "5m", "1h30m", "2d", "500ms"],
}
_PERCENT_SCHEMA: Final[JsonSchema] = {
    "anyOf": [{"type": "string", "pattern": q.PERCENT_PATTERN}, {"type": "number", "minimum": 0}],
    "description": "Percentage; a plain number is percent.",
    "examples": ["10%", 10],
}
_POWER_SCHEMA: Final[JsonSchema] = {
    "anyOf": [{"type": "string", "pattern": q.POWER_PATTERN}, {"type": "number", "minimum": 0}],
    "description": "Power; a plain number is watts.",
    "examples": ["60W", "1.2kW"],
}
_SIZE_SCHEMA: Final[JsonSchema] = {
    "anyOf": [{"type": "string", "pattern": q.SIZE_PATTERN}, {"type": "number", "minimum": 0}],
    "description": "Size; a plain number is bytes.",
    "examples": ["10GiB", "500MB"],
}
_INSTANT_SCHEMA: Final[JsonSchema] = {
    "type": "string",
    "pattern": q.INSTANT_PATTERN,
    "description": "ISO 8601 time with its zone.",
    "examples": ["2024-06-01T00:00:00Z"],
}

Duration = Annotated[float, Parsed(q.parse_duration, _DURATION_SCHEMA)]
Percent = Annotated[float, Parsed(q.parse_percent, _PERCENT_SCHEMA)]
Power = Annotated[float, Parsed(q.parse_power, _POWER_SCHEMA)]
Size = Annotated[int, Parsed(q.parse_size, _SIZE_SCHEMA)]
Instant = Annotated[datetime, Parsed(q.parse_instant, _INSTANT_SCHEMA)]
Number = Annotated[float, Parsed(q.parse_number, {"type": "number"})]
Integer = Annotated[int, Parsed(q.parse_integer, {"type": "integer"})]
Name = Annotated[
    str, text(NAME_PATTERN, "a name of 1 to 40 lower-case letters, digits and dashes that begins with no dash")
]
Zone = Annotated[str, text(ZONE_PATTERN, "a grid zone such as DE or US-CAL-CISO")]
Line = Annotated[str, text(r"^[^\0\n]+$", "text of one line")]
Command = Annotated[str, text(r"^[^\0]+$", "a shell command")]
EnvName = Annotated[
    str,
    text(ENV_NAME_PATTERN, "a variable name of letters, digits and _ that does not begin with GA_ (those are ga's)"),
]
EnvValue = Annotated[str, Parsed(_env_value, {"type": ["string", "number", "boolean"]})]
CheckpointPath = Annotated[
    str, Parsed(_checkpoint_path, {"type": "string", "pattern": r"^(?!/|~)(?!(?:\./*)+$)(?!(.*/)?\.\.(/|$)).+$"})
]
