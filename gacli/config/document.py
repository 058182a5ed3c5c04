"""YAML text → plain values, with the line and column of every key.

The rules are those of YAML 1.2: only `true` and `false` are booleans, so that the zone `NO` (Norway) stays text, and
dates, `1:30` and `010` stay text as well. Keys are always text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from gacli.config.quantities import describe
from gacli.errors import ConfigError

Loc = tuple[str | int, ...]

# A configuration is a page or two; whatever is larger is another file given by mistake.
MAX_BYTES: Final = 1 << 20
# Aliases may repeat a part, but not multiply it into something that fills the memory.
_MAX_NODES: Final = 100_000

_TAG: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A position in the text; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A parsed file.

    label: the path as the user gave it, for messages. data: dicts, lists, str, int, float, bool, None.
    marks: where each key (in a list: each item) begins, by its path from the root.
    """

    label: str
    text: str
    data: Mapping[str, object]
    marks: Mapping[Loc, Mark]

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the text in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def line(self, loc: Loc) -> int:
        """The line of the key or item at `loc`, or of the nearest enclosing one that exists."""
        while loc not in self.marks:
            loc = loc[:-1]
        return self.marks[loc].line

    def where(self, loc: Loc) -> str:
        """`file:line` of `loc`."""
        return f"{self.label}:{self.line(loc)}"


class WrittenFloat(float):
    """A float that remembers its digits: `3.10` is the number 3.1 to a power model and the text 3.10 to a script."""

    text: str

    def __new__(cls, text: str) -> WrittenFloat:
        number = super().__new__(cls, text)
        number.text = text
        return number


def as_written(value: str | float) -> str:
    """A scalar of YAML as text, as people wrote it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.text if isinstance(value, WrittenFloat) else str(value)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without its YAML 1.1 rules for plain scalars."""


_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in (
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", "tTfF"),
    ("int", r"-?(?:0|[1-9][0-9]{0,17})", "-0123456789"),
    ("float", r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", "-.0123456789"),
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"^{_pattern}$"), list(_first))


def read(path: Path) -> Document:
    """Read and parse a file. ConfigError when it is missing, unreadable, too large, not UTF-8 or not usable YAML."""
    label = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{label}: no such file", hint="`ga init` writes one to start from") from None
    except IsADirectoryError:
        raise ConfigError(f"{label}: found a folder, expected a YAML file") from None
    except OSError as error:
        raise ConfigError(f"{label}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{label}: larger than {MAX_BYTES} bytes, expected a YAML file of a page or two")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{label}:{line}: not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start}",
            hint="save the file as UTF-8",
        ) from None
    return parse(text, label)


def parse(text: str, label: str) -> Document:
    """Parse YAML text; `label` stands for the file in messages. ConfigError when it is not one mapping."""
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
        reader = _Reader(label)
        data = reader.value(root, ()) if root is not None else None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, label) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{label}:{line}: character U+{error.character:04X} is not allowed in YAML") from None
    except RecursionError:
        raise ConfigError(f"{label}: nested too deeply, or an alias that refers to itself") from None
    if data is None:
        raise ConfigError(f"{label}:1: the file is empty", hint="`ga init` writes one to start from")
    if not isinstance(data, dict):
        raise ConfigError(
            f"{label}:{reader.marks[()].line}: found {describe(data)}, expected keys such as `name:`, `run:`, `sites:`"
        )
    return Document(label=label, text=text, data=data, marks=reader.marks)


class _Reader:
    """Turns YAML nodes into values and notes where each of them stands."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.marks: dict[Loc, Mark] = {}
        self._nodes = 0

    def value(self, node: yaml.Node, loc: Loc) -> object:
        self._count(node)
        self.marks.setdefault(loc, _mark(node))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            pairs = self._pairs(node)
            self.marks.update({(*loc, key): _mark(key_node) for key, (key_node, _) in pairs.items()})
            return {key: self.value(value_node, (*loc, key)) for key, (_, value_node) in pairs.items()}
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.value(item, (*loc, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        raise self._error(node, f"the tag {_short(node.tag)} is not allowed here")

    def _scalar(self, node: yaml.ScalarNode) -> str | int | float | bool | None:
        text = str(node.value)
        try:
            match node.tag.removeprefix(_TAG):
                case "str" | "merge":
                    return text
                case "null":
                    return None
                case "bool" if text.lower() in ("true", "false"):
                    return text.lower() == "true"
                case "int":
                    return int(text)
                case "float":
                    return WrittenFloat(text)
                case _:
                    pass
        except ValueError:
            pass
        raise self._error(node, f'"{text}" cannot be read with the tag {_short(node.tag)}')

    def _pairs(self, node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The mapping's entries; those merged by `<<` come first, and its own replace them."""
        self._count(node)
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        seen: dict[str, Mark] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a key must be plain text")
            key = str(key_node.value)
            if key in seen:
                raise self._error(key_node, f"the key `{key}` stands here and in line {seen[key].line}; keep one")
            seen[key] = _mark(key_node)
            if key_node.tag == f"{_TAG}merge":
                merged = self._merged(value_node)
            else:
                own[key] = (key_node, value_node)
        return merged | own

    def _merged(self, node: yaml.Node) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        if isinstance(node, yaml.MappingNode):
            return self._pairs(node)
        entries: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        if not isinstance(node, yaml.SequenceNode):
            raise self._error(node, "`<<` takes an alias of a mapping, such as `<<: *defaults`")
        # YAML's rule: of several merged mappings the first that has a key wins.
        for item in node.value:
            entries = self._merged(item) | entries
        return entries

    def _count(self, node: yaml.Node) -> None:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise self._error(node, f"more than {_MAX_NODES} values once the aliases are expanded")

    def _error(self, node: yaml.Node, problem: str) -> ConfigError:
        mark = _mark(node)
        return ConfigError(f"{self.label}:{mark.line}:{mark.column}: {problem}")


def _mark(node: yaml.Node) -> Mark:
    return Mark(line=node.start_mark.line + 1, column=node.start_mark.column + 1)


def _short(tag: str) -> str:
    return tag.replace(_TAG, "!!")


def _syntax_error(error: yaml.MarkedYAMLError, text: str, label: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "cannot be read"
    if mark is None:
        return ConfigError(f"{label}: not valid YAML: {problem}")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    excerpt = f"\n    {line[:72]}\n    {' ' * mark.column}^" if line.strip() and mark.column < 72 else ""
    message = f"{label}:{mark.line + 1}:{mark.column + 1}: not valid YAML: {problem}"
    return ConfigError(message + excerpt.replace("\t", "→"), hint=_syntax_hint(problem, error.context or ""))


def _syntax_hint(problem: str, context: str) -> str:
    if r"'\t'" in problem:
        return "indent with spaces; YAML does not allow tabs there"
    if "another document" in problem:
        return "one file describes one job: remove the line `---`"
    if "cannot start any token" in problem or "alias" in f"{problem} {context}" or "anchor" in context:
        return 'put a value that begins with *, &, %, @ or ` into quotes, such as "*.log"'
    if "mapping values are not allowed" in problem:
        return 'put a value that contains ": " into quotes'
    return "look for a missing quote, bracket, colon or blank in or above this line"
