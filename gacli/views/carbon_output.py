"""What the commands of `ga carbon` share in their output: a table, one JSON object or CSV, and phrases."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from statistics import fmean

from rich.console import Console, RenderableType
from rich.text import Text

from gacli.core.carbon import Reading, Scope, Signal
from gacli.views import formatting as fmt
from gacli.views.stream import to_line

_SCOPE_WORDS = {
    Scope.LIFECYCLE: "life cycle",
    Scope.DIRECT: "direct",
    Scope.UNKNOWN: "emission factors not known",
}


class Form(StrEnum):
    """What a command prints: for people, or for programs."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def show(
    form: Form,
    *,
    table: Callable[[int], RenderableType],
    record: Callable[[], Mapping[str, object]],
    rows: Callable[[], Iterable[Mapping[str, object]]],
) -> None:
    """To standard output. table: for a width in columns. rows: at least one, all with the same keys."""
    match form:
        case Form.JSON:
            print(to_line(record()))
        case Form.CSV:
            print(csv_text(rows()), end="")
        case Form.TABLE:
            console = Console()
            console.print(table(console.width))


def csv_text(rows: Iterable[Mapping[str, object]]) -> str:
    """A header and a line a row; nothing is rounded, what is not known is empty, and no cell holds a line break."""
    out = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(out, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return out.getvalue()


def kind_words(signal: Signal, scope: Scope) -> str:
    """`average, life cycle`."""
    return f"{signal.value}, {_SCOPE_WORDS[scope]}"


def pedigree_notes(words: Mapping[str, str]) -> list[Text]:
    """What each zone's values are, zone → words, a line for those of which the same is to be said."""
    zones: dict[str, list[str]] = {}
    for zone, of_zone in words.items():
        # A file that is named after its zone says nothing new by its name.
        same = re.sub(rf"\btrace:{re.escape(zone)}\.csv(\.gz)?(?![\w.])", "trace", of_zone)
        zones.setdefault(same, []).append(zone)
    if len(zones) == 1:
        return [Text(same, style="dim") for same in zones]
    return [Text(f"{same}: {', '.join(names)}", style="dim") for same, names in zones.items()]


def pedigree(reading: Reading) -> str:
    """`average, life cycle, from typical`."""
    return f"{kind_words(reading.signal, reading.scope)}, from {fmt.plain(reading.source)}"


def place_notes(places: Mapping[str, Sequence[str]]) -> list[Text]:
    """`DE: aws:eu-central-1`, a line a zone that was asked for by the name of a place."""
    return [Text(f"{zone}: {', '.join(names)}", style="dim") for zone, names in places.items() if names]


def compressed(values: Sequence[float], most: int) -> list[float]:
    """Means of as many neighbours each that there are at most `most` of them."""
    each = -(-len(values) // most)
    return [fmean(values[first : first + each]) for first in range(0, len(values), each)]


def trouble(zone: str, what: str) -> Text:
    """What is wrong with a zone, as one paragraph."""
    return Text(f"{zone}: {fmt.plain(what)}", style="yellow")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return fmt.plain(str(value)) if isinstance(value, str) else str(value)
