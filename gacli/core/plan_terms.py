"""What a plan is made from, and what comes of it. Arrays are NumPy's: imported by whoever plans, when it plans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What a machine emits at each site, and when something can be done about it.

    edges_s: of the slots, ascending, from 0 (now), one more than slots; all slots but the first are as long as each
    other. changes_s: ascending, from 0: from each of them on rates are others; the last ones hold for good.
    busy_g_per_s, idle_g_per_s, paused_g_per_s: [site, change] in gCO2eq/s, PUE included, of a machine that trains, that
    idles, and that is kept for a paused job (0 when none is). tail_g_per_s: by site, of training after the last slot.
    """

    edges_s: Floats
    changes_s: Floats
    busy_g_per_s: Floats
    idle_g_per_s: Floats
    paused_g_per_s: Floats
    tail_g_per_s: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """What moves and pauses take, in s. By site, as a target: boot_s, downtime_s, resume_s, resume_elsewhere_s.

    boot_s: the target idles while the source trains. downtime_s: then no step is made; source and target idle, but the
    source is busy for save_s. save_s: of a pause's checkpoint, too. resume_s: from a paused job's resumption to its
    next step where it was paused, resume_elsewhere_s: at another site; the target idles.
    """

    boot_s: Floats
    downtime_s: Floats
    resume_s: Floats
    resume_elsewhere_s: Floats
    save_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """The job. work_s: at full load, > 0. slack_s: how much time it may lose, >= 0 and finite.

    place: the site that trains it, or where it is paused. moves_left: None: as many as it takes. poll_s: within a slot,
    a pause can end so many seconds after its beginning, or a multiple of that, when there is no time for all of it.
    """

    work_s: float
    slack_s: float
    place: int
    paused: bool
    moves_left: int | None = None
    may_pause: bool = True
    poll_s: float = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The least emissions in gCO2eq of all that remains, by what is done first; inf for what cannot be done.

    stay_g: go on training, a paused job: wait. move_g: by site; of a paused job: resume there.
    """

    stay_g: float
    pause_g: float
    move_g: tuple[float, ...]
