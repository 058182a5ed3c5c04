"""One instance of one job and the meter that accounts it, without a controller: telemetry goes in as tests say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from support.engine import START, HourlySource, World, site

from ga_playbooks.fake_trainer import TrainerModel
from gacli.clock import ManualClock
from gacli.core.site import Site
from gacli.engine.carbon_watch import CarbonWatch
from gacli.engine.metering import Meter
from gacli.policies.stay import Stay
from gacli.ports.machine import EnergyPart, PowerSample
from gacli.store import Store
from gacli.store.instances import Accounting, Holding

INSTANCE = "job-1-a-1"
EPOCH_S = START.timestamp()


@dataclass(kw_only=True)
class Metered:
    """Site `a` (100 W idle, 1000 W busy) in zone A, its instance asked for at START and metered from then on.

    hours: intensities of A by the hour. scale: of the job's clock.
    """

    root: Path
    hours: Sequence[float] = (400.0, 100.0, 250.0, 300.0)
    scale: float = 1.0
    at: Site = field(default_factory=lambda: site("a", "A", pue=1.2))

    def __post_init__(self) -> None:
        self.store = Store(None)
        job = self.store.jobs.create(
            name="job",
            config_path="train.yaml",
            config_text="",
            config_sha256="",
            clock_epoch_s=EPOCH_S,
            clock_start=START,
            clock_scale=self.scale,
        )
        assert job is not None
        self.job_id = job.job_id
        self.clock = ManualClock(START, scale=self.scale)
        world = World(
            root=self.root,
            carbon=HourlySource({"A": self.hours}),
            sites=(self.at,),
            model=TrainerModel(steps_per_s=1.0, total_steps=1),
            policy=Stay(),
        )
        self.folders = world.folders
        self.context = replace(world.controller._context, store=self.store, clock=self.clock)
        self.meter = self.new_meter()
        instances = self.store.instances
        instances.request(instance_id=INSTANCE, job_id=self.job_id, site="a", generation=0, at=START)
        instances.set_state(INSTANCE, Holding.HELD, START)
        self.begin(1, START)

    def new_meter(self) -> Meter:
        """As after a crash of the controller."""
        return Meter(self.context, CarbonWatch(self.context))

    def begin(self, generation: int, at: datetime) -> None:
        """From `at` on the instance is metered, for this generation."""
        self.meter.advance(INSTANCE, at, then=Accounting.METERED, generation=generation)
        self.store.jobs.begin_generation(
            self.job_id, generation=generation, instance_id=INSTANCE, site="a", from_step=-1, at=at
        )

    def deliver(self, samples: Sequence[PowerSample], generation: int = 1) -> None:
        """As one poll brings them."""
        with self.store.transaction():
            record = self.store.jobs.generation(self.job_id, generation)
            assert record is not None
            first = record.started_at is None
            for sample in samples:
                if first:
                    self.store.jobs.generation_live(self.job_id, generation, self.clock.at_epoch(sample.start_s))
                self.meter.sample(INSTANCE, generation, sample, first=first)
                first = False

    def by_phase(self) -> Mapping[str, tuple[float, float]]:
        """Energy in J and emissions in g."""
        totals = self.store.ledger.totals(self.job_id)
        return {total.phase.value: (total.energy_j, total.emissions_g) for total in totals}

    def by_device(self) -> Mapping[tuple[str, str, str, str], float]:
        """(phase, device, meter, uncertainty) → J."""
        return {
            (one.phase.value, one.device, one.meter, one.uncertainty): one.energy_j
            for one in self.store.devices.of_job(self.job_id)
        }

    def until(self) -> float:
        """Up to when the instance is accounted, in seconds of the job's clock since START."""
        return (self.store.instances.get(INSTANCE).accounted_until - START) / timedelta(seconds=1)


def sample(
    seq: int,
    start_s: float,
    end_s: float,
    energy_j: float,
    *,
    phase: str = "train",
    meter: str = "rapl",
    modelled: bool = False,
    parts: tuple[EnergyPart, ...] = (),
) -> PowerSample:
    """Times in real seconds since START."""
    return PowerSample(
        seq=seq,
        start_s=EPOCH_S + start_s,
        end_s=EPOCH_S + end_s,
        energy_j=energy_j,
        phase=phase,
        meter=meter,
        modelled=modelled,
        parts=parts,
    )


def part(device: str, energy_j: float, meter: str, uncertainty: str) -> EnergyPart:
    return EnergyPart(device=device, energy_j=energy_j, meter=meter, uncertainty=uncertainty)
