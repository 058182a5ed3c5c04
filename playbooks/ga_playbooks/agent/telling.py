"""The agent's log: for people, each thing once."""

from __future__ import annotations

import contextlib
import sys
from typing import Callable, Set

Tell = Callable[[str], None]


def once() -> Tell:
    """A way to write lines into the agent's log that says nothing twice."""
    told: Set[str] = set()

    def tell(text: str) -> None:
        if text not in told:
            told.add(text)
            with contextlib.suppress(OSError):  # on a full disk the training is what counts
                sys.stderr.write(text + "\n")
                sys.stderr.flush()

    return tell
