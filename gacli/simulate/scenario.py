"""What is simulated, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import permutations
from typing import Protocol

from gacli.core.carbon import Reading
from gacli.core.decision import Decision
from gacli.core.emissions import Total
from gacli.core.energy import EmissionInterval
from gacli.core.forecast import Forecast
from gacli.core.site import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedJob:
    """One training run. Durations are on the job's clock; they are simulated to the microsecond.

    work_s: training at full load, without saves; > 0. save_s: of one checkpoint, no step is made meanwhile.
    save_every_s: periodic saves are made whenever the training done is a multiple of this, > 0; inf: none is made but
    for moves, pauses and at the end. checkpoint_bytes: what is copied on a move. restart_s: from a trainer's start to
    its next step. epoch_s: training of one epoch, None when the job has none. deadline_s: after the start, None
    without one. ValueError for anything negative, not finite (but save_every_s), or not above 0 where it has to be.
    """

    name: str
    work_s: float
    save_s: float = 0.0
    save_every_s: float = math.inf
    checkpoint_bytes: int = 0
    restart_s: float = 0.0
    epoch_s: float | None = None
    deadline_s: float | None = None

    def __post_init__(self) -> None:
        _require_above_0({"work_s": self.work_s})
        _require_above_0({"save_every_s": self.save_every_s}, or_inf=True)
        _require_not_negative(
            {"save_s": self.save_s, "checkpoint_bytes": self.checkpoint_bytes, "restart_s": self.restart_s}
        )
        limits = {"epoch_s": self.epoch_s, "deadline_s": self.deadline_s}
        _require_above_0({name: value for name, value in limits.items() if value is not None})


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """Nobody gets a machine at `site` in [start, end); one that is held there then is lost at `start`."""

    site: str
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"an outage needs start <= end, found {self}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One job, where it may run, and the grids' history.

    readings_by_zone: ascending by `at`, covering the run; a zone of every site. boot_s: by site, from the request to a
    usable machine; 0 for those it does not name. bandwidth_bytes_per_s: by (source, target); > 0; of every pair, unless
    there is nothing to copy. start: when the job begins. start_at: its first site, None: the cleanest one.
    poll_s: between two decisions, from `start` on. hold_paused: a paused job keeps its machine, idle; otherwise it is
    given back and booted anew. limit_s: after so long the run is given up.

    ValueError when any of this does not hold, or the sites' names are not unique.
    """

    job: SimulatedJob
    sites: tuple[Site, ...]
    readings_by_zone: Mapping[str, Sequence[Reading]]
    start: datetime
    boot_s: Mapping[str, float] = field(default_factory=dict)
    bandwidth_bytes_per_s: Mapping[tuple[str, str], float] = field(default_factory=dict)
    start_at: str | None = None
    poll_s: float = 300.0
    max_reading_age_s: float = 2 * 3600.0
    hold_paused: bool = False
    outages: tuple[Outage, ...] = ()
    limit_s: float = math.inf

    def __post_init__(self) -> None:
        names = [site.name for site in self.sites]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"a scenario needs sites with names of their own, found {names}")
        if self.start_at is not None and self.start_at not in names:
            raise ValueError(f"start_at must be one of {', '.join(names)}, found {self.start_at}")
        if self.start.tzinfo is None:
            raise ValueError(f"start must be an aware instant, found {self.start}")
        _require_above_0({"poll_s": self.poll_s})
        _require_above_0({"limit_s": self.limit_s}, or_inf=True)
        _require_not_negative({"max_reading_age_s": self.max_reading_age_s})
        _require_not_negative({f"boot_s of {name}": value for name, value in self.boot_s.items()})
        pairs = self.bandwidth_bytes_per_s.items()
        _require_above_0({f"bandwidth_bytes_per_s from {a} to {b}": rate for (a, b), rate in pairs})
        unknown = [site.zone for site in self.sites if not self.readings_by_zone.get(site.zone)]
        if unknown:
            raise ValueError(f"readings are needed of every site's zone, found none of {', '.join(unknown)}")
        missing = [pair for pair in permutations(names, 2) if pair not in self.bandwidth_bytes_per_s]
        if missing and self.job.checkpoint_bytes > 0:
            raise ValueError(f"bandwidth_bytes_per_s must be given for every two sites, found none for {missing[0]}")


class Oracle(Protocol):
    """Tells a policy of the time to come, from nothing but what was known at `now`, or from the truth itself."""

    def forecast(self, zone: str, now: datetime) -> Forecast | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a policy made of a scenario.

    intervals: the ledger, in order. decisions: all answers of the policy. finished_at: when the last checkpoint was
    saved; None when the run was given up. moves, pauses: completed ones; a pause that ends at another site is a move,
    too. lost_s: training made again after outages. paused_s: from the end of the save to the decision to resume.
    stops: when the trainer of that generation was asked to stop, for a move or a pause.
    """

    policy: str
    intervals: tuple[EmissionInterval, ...]
    decisions: tuple[Decision, ...]
    finished_at: datetime | None
    deadline_met: bool | None
    moves: int
    pauses: int
    paused_s: float
    lost_s: float
    total: Total
    stops: Mapping[int, datetime] = field(default_factory=dict)


def _require_above_0(values: Mapping[str, float], *, or_inf: bool = False) -> None:
    for name, value in values.items():
        if not value > 0 or (math.isinf(value) and not or_inf):
            raise ValueError(f"{name} must be above 0{'' if or_inf else ' and finite'}, found {value}")


def _require_not_negative(values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be finite and at least 0, found {value}")
