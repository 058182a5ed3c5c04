"""What a policy may know: everything known now, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gacli.core.carbon import Reading, reading_at
from gacli.core.forecast import Forecast
from gacli.core.site import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class MoveCost:
    """What moving the job to one site is expected to cost, on the job's clock.

    boot_s: the target's boot and set-up, while the source still trains. downtime_s: no step is made (checkpoint,
    transfer, restart). overhead_g: gCO2eq that a job which stays would not emit (the target while it boots, both
    machines during the downtime), PUE included.
    """

    boot_s: float
    downtime_s: float
    overhead_g: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PauseCost:
    """What pausing the running job where it is, and resuming it there, is expected to cost, on the job's clock.

    save_s: from the decision until nothing is used for the job any more (checkpoint, and its copy). resume_s: from the
    decision to resume until the next step (boot, checkpoint, restart). overhead_g: gCO2eq of both, PUE included, at
    the present intensity; a job that stays would not emit it.
    """

    save_s: float
    resume_s: float
    overhead_g: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteView:
    """One site as a policy sees it.

    readings: ascending by `at`, none later than the snapshot's `now`; empty when nothing is known.
    available: False while the site cannot take the job; `unavailable_because` says why.
    move: what it costs to bring the job here, of a paused job to resume it here; None for the site that trains it.
    forecast: the intensity to come; None when none is known, or the policy asks for none.
    """

    site: Site
    readings: tuple[Reading, ...]
    available: bool = True
    unavailable_because: str = ""
    move: MoveCost | None = None
    forecast: Forecast | None = None

    def intensity_at(self, instant: datetime) -> float | None:
        """gCO2eq/kWh in force at `instant`, or None when no reading reaches back that far."""
        reading = reading_at(self.readings, instant)
        return None if reading is None else reading.intensity_g_per_kwh


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What is known at `now`.

    current: name of the site that trains the job, None when none does: before its start, and while it is paused.
    held_since: start of the present dwell. remaining_s: estimated training seconds left on the job's clock, None when
    unknown. moves: moves made so far. movable_because_not: why the job cannot be moved or paused now (no checkpoint
    yet, say); empty when it can. max_reading_age_s: readings that ended longer ago than this are stale and never
    justify a move or a pause.

    paused_since: None unless the job is paused; paused_at: the site where it was. pause: None unless it trains, or when
    nothing can be said. started_at: when the job was to begin. deadline: when it has to be done, None without one.
    total_s: training seconds of the whole job, None when unknown. poll_s: time until the policy is asked again.

    since_epoch_s: training seconds since the last epoch ended, None when unknown or the job has no epochs.
    saves_left_s: what the checkpoints still to be made take, the one at the end included, of a job that trains on to
    its end without a stop; it comes on top of remaining_s. save_s: what the next checkpoint takes, None when
    unknown. paused_power_w: what a paused job's machine goes on drawing where it is kept, in W without PUE; 0 when it
    is given back.
    """

    now: datetime
    current: str | None
    held_since: datetime | None
    sites: tuple[SiteView, ...]
    remaining_s: float | None
    moves: int
    max_reading_age_s: float
    movable_because_not: str = ""
    paused_since: datetime | None = None
    paused_at: str | None = None
    pause: PauseCost | None = None
    started_at: datetime | None = None
    deadline: datetime | None = None
    total_s: float | None = None
    poll_s: float = 300.0
    since_epoch_s: float | None = None
    saves_left_s: float = 0.0
    save_s: float | None = None
    paused_power_w: float = 0.0

    def view(self, name: str) -> SiteView:
        """The view of the site called `name`; KeyError when the fleet has no such site."""
        for view in self.sites:
            if view.site.name == name:
                return view
        raise KeyError(name)
