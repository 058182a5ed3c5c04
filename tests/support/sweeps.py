"""A case of a sweep as the simulator takes it, and what the simulator makes of it as a sweep tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.site import PowerModel, Site
from gacli.simulate.scenario import Outcome, Scenario
from gacli.sweep.threshold import ThresholdCase

START = datetime(2024, 3, 1, tzinfo=UTC)


def scenario_of(case: ThresholdCase) -> Scenario:
    """The same as the simulator takes it."""
    first = START - timedelta(seconds=case.offset_s)
    readings = tuple(
        Reading(
            zone="XX",
            at=first + number * timedelta(seconds=case.step_s),
            period_s=case.step_s,
            intensity_g_per_kwh=float(value),
            signal=Signal.AVERAGE,
            scope=Scope.LIFECYCLE,
            quality=Quality.MEASURED,
            source="made up",
        )
        for number, value in enumerate(case.intensity_g_per_kwh)
    )
    site = Site(
        name="here",
        provider="simulated",
        zone="XX",
        pue=case.pue,
        power=PowerModel(idle_w=case.idle_w, busy_w=case.busy_w),
    )
    return Scenario(
        job=case.job,
        sites=(site,),
        readings_by_zone={"XX": readings},
        start=START,
        boot_s={"here": case.boot_s},
        poll_s=case.poll_s,
        hold_paused=case.hold_paused,
        limit_s=case.limit_s,
    )


def row_of(outcome: Outcome, limit_s: float) -> list[float]:
    """The simulator's outcome in the kernel's columns."""
    return [
        outcome.total.emissions_g,
        outcome.total.energy_j,
        limit_s if outcome.finished_at is None else (outcome.finished_at - START).total_seconds(),
        outcome.pauses,
        outcome.paused_s,
        float(outcome.finished_at is not None),
    ]
