"""How far a long calculation is, on a terminal alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Done = TypeVar("Done")


def shown(done: Iterable[Done], total: int, what: str, console: Console) -> Iterator[Done]:
    """The same, with a line that counts them and says how long the rest will take; none where nobody looks on."""
    if not console.is_terminal:
        yield from done
        return
    line = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with line:
        task = line.add_task(what, total=total)
        for one in done:
            line.advance(task)
            yield one
