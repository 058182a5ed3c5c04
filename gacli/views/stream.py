"""Events as JSON objects, one a line, for machines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from gacli.store.database import to_text
from gacli.store.journal import Event


def record_of(event: Event) -> dict[str, object]:
    """`event`, `job`, `at` (the job's clock), `epoch_s` (real), and the event's body; nothing is rounded."""
    head = {"event": event.kind, "job": event.job_id, "at": to_text(event.at), "epoch_s": event.epoch_s}
    return head | {key: value for key, value in event.body.items() if key not in head}


def to_line(record: Mapping[str, object]) -> str:
    """One line of strict JSON in ASCII, so that no locale and no control code can spoil it."""
    return json.dumps(finite(record), separators=(",", ":"), allow_nan=False)


def finite(value: object) -> object:
    """JSON has no NaN and no infinity, a loss may be both: null instead."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [finite(part) for part in value]
    return value
