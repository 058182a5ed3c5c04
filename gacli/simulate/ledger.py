"""What the simulated machines used, and what that emitted: the same accounting as a live job's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gacli.core.emissions import emissions_of
from gacli.core.energy import EmissionInterval, EnergyInterval, Phase
from gacli.core.site import Site
from gacli.simulate.scenario import Scenario


@dataclass(kw_only=True, slots=True, eq=False)
class Held:
    """A machine that is held, and what it has done since `since_us`, in microseconds after the job's start."""

    site: Site
    generation: int
    phase: Phase
    since_us: int


class Ledger:
    """Each stretch of a machine in one phase is accounted as a whole, when it ends."""

    def __init__(self, scenario: Scenario) -> None:
        self._start = scenario.start
        self._readings_by_zone = scenario.readings_by_zone
        self._intervals: list[EmissionInterval] = []

    def instant(self, at_us: int) -> datetime:
        """So many microseconds after the job's start."""
        return self._start + timedelta(microseconds=at_us)

    def hold(self, site: Site, generation: int, at_us: int) -> Held:
        """A new machine, which boots."""
        return Held(site=site, generation=generation, phase=Phase.BOOT, since_us=at_us)

    def turn(self, held: Held, phase: Phase, at_us: int) -> None:
        """The machine does something else from now on."""
        self.give_back(held, at_us)
        held.phase, held.since_us = phase, at_us

    def give_back(self, held: Held, at_us: int) -> None:
        """The machine is not held any more, or lost."""
        if at_us == held.since_us:
            return
        power = held.site.power
        power_w = power.busy_w if held.phase in (Phase.TRAIN, Phase.CHECKPOINT) else power.idle_w
        used = EnergyInterval(
            site=held.site.name,
            generation=held.generation,
            phase=held.phase,
            start=self.instant(held.since_us),
            end=self.instant(at_us),
            energy_j=power_w * ((at_us - held.since_us) / 1e6),
            meter="model",
            modelled=True,
        )
        self._intervals += emissions_of(used, held.site, self._readings_by_zone[held.site.zone])

    def intervals(self) -> tuple[EmissionInterval, ...]:
        """Everything so far, ascending by start."""
        return tuple(sorted(self._intervals, key=lambda interval: interval.energy.start))
