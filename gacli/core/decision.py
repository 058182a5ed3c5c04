"""What a policy answers: what to do next, and why, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gacli.core.snapshot import Snapshot


class Action(StrEnum):
    """STAY: go on as now, a paused job paused. MOVE: to a site; a paused job is resumed there. PAUSE: save and stop."""

    STAY = "stay"
    MOVE = "move"
    PAUSE = "pause"


class Foresight(StrEnum):
    """What a policy is told of the time to come, in `SiteView.forecast`."""

    NONE = "none"
    FORECAST = "forecast"
    PERFECT = "perfect"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One answer of a policy.

    target: the site to move to, None unless action is MOVE. reason: one line for people, numbers included.
    numbers: the same figures for machines, named with their units (`saved_g`, `downtime_s`, `margin_percent`).
    """

    at: datetime
    policy: str
    action: Action
    reason: str
    target: str | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)


class Policy(Protocol):
    """A pure function from what is known now to what to do next; parameters are the object's frozen fields.

    A class attribute `foresight` says what it needs to know of the time to come; without one it is NONE.
    """

    @property
    def name(self) -> str: ...

    def decide(self, snapshot: Snapshot) -> Decision:
        """Never raises on missing, stale or partial data: it stays, and the reason says so."""
        ...
