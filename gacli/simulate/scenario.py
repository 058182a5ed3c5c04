"""What is simulated, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gacli.core.carbon import Reading
from gacli.core.decision import Decision
from gacli.core.emissions import Total
from gacli.core.energy import EmissionInterval
from gacli.core.forecast import Forecast
from gacli.core.site import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedJob:
    """One training run. Durations are on the job's clock.

    work_s: training at full load, without saves; > 0. save_s: of one checkpoint, no step is made meanwhile.
    save_every_s: training between two periodic saves; inf: none is made but for moves, pauses and at the end.
    checkpoint_bytes: what is copied on a move. restart_s: from a trainer's start to its next step. epoch_s: training
    of one epoch, None when the job has none. deadline_s: after the start, None without one.
    """

    name: str
    work_s: float
    save_s: float = 0.0
    save_every_s: float = math.inf
    checkpoint_bytes: int = 0
    restart_s: float = 0.0
    epoch_s: float | None = None
    deadline_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """Nobody gets a machine at `site` in [start, end); one that is held there then is lost at `start`."""

    site: str
    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One job, where it may run, and the grids' history.

    readings_by_zone: ascending by `at`, covering the run. boot_s: by site, from the request to a usable machine.
    bandwidth_bytes_per_s: by (source, target); > 0. start: when the job begins. start_at: its first site, None: the
    cleanest one. poll_s: between two decisions, from `start` on. hold_paused: a paused job keeps its machine, idle;
    otherwise it is given back and booted anew. limit_s: after so long the run is given up.
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


class Oracle(Protocol):
    """Tells a policy of the time to come, from nothing but what was known at `now`, or from the truth itself."""

    def forecast(self, zone: str, now: datetime) -> Forecast | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a policy made of a scenario.

    intervals: the ledger, in order. decisions: all answers of the policy. finished_at: when the last checkpoint was
    saved; None when the run was given up. moves, pauses: completed ones. lost_s: training made again after outages.
    paused_s: from the end of the save to the decision to resume.
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
