"""A whole `ga` in memory: the real engine and store on fake ports, driven tick by tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ga_playbooks.fake_machine import FakeDisk, FakeMachine
from ga_playbooks.fake_trainer import TrainerModel
from ga_providers.fake import FakeProvider
from gacli.carbon.chain import Chain
from gacli.clock import ManualClock
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.decision import Policy
from gacli.core.failover import Rules
from gacli.core.job import JobState
from gacli.core.site import PowerModel, Site
from gacli.engine.context import Context, JobPlan
from gacli.engine.controller import Controller
from gacli.engine.tasks import InlineTasks
from gacli.errors import CarbonUnavailable
from gacli.folders import Folders
from gacli.policies.hysteresis import Hysteresis
from gacli.ports.carbon import CarbonSource
from gacli.ports.machine import Machine, WorkSpec
from gacli.ports.provider import Instance, Provider
from gacli.store import Store
from gacli.store.journal import Event
from gacli.store.placements import PlacementRecord

START = datetime(2024, 6, 1, tzinfo=UTC)
HOUR_S = 3600.0


class HourlySource:
    """Hourly intensities in g/kWh from START on, by zone; `broken` zones answer nothing. A list's last value holds."""

    def __init__(self, hours: Mapping[str, Sequence[float]], *, name: str = "table", live: bool = False) -> None:
        self.name = name
        self.live = live
        self.hours = {zone: list(values) for zone, values in hours.items()}
        self.broken: set[str] = set()
        self.quality = Quality.MEASURED

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        if zone in self.broken:
            raise CarbonUnavailable(f"no answer for {zone}")
        values = self.hours[zone]
        first = max(0, int((start - START).total_seconds() // HOUR_S))
        last = min(len(values) - 1, int((end - START).total_seconds() // HOUR_S))
        readings = [
            Reading(
                zone=zone,
                at=START + timedelta(hours=hour),
                period_s=HOUR_S,
                intensity_g_per_kwh=values[hour],
                signal=Signal.AVERAGE,
                scope=Scope.LIFECYCLE,
                quality=self.quality,
                source=self.name,
            )
            for hour in range(first, last + 1)
        ]
        return [r for r in readings if r.at <= end and r.at + timedelta(seconds=r.period_s) > start]


def site(name: str, zone: str, *, capacity: int = 1, pue: float = 1.0) -> Site:
    """A fake site that draws 100 W idle and 1000 W busy."""
    power = PowerModel(idle_w=100.0, busy_w=1000.0)
    return Site(name=name, provider="fake", zone=zone, pue=pue, power=power, capacity=capacity)


@dataclass(kw_only=True)
class World:
    """One job and everything around it. `controller` may be thrown away and made again at any time.

    carbon: the preferred source, before those of `spare`. chain: instead of all of them.
    """

    root: Path
    carbon: HourlySource
    sites: tuple[Site, ...]
    model: TrainerModel
    policy: Policy = field(default_factory=lambda: Hysteresis(hold_readings=1, dwell_s=0.0))
    start_at: str | None = None
    restarts: int = 3
    lease_s: float | None = None
    deadline_s: float | None = None
    sample_s: float = 10.0
    tick_s: float = 4.0
    poll_s: float = 300.0
    provider: FakeProvider = field(default_factory=FakeProvider)
    disks: dict[str, FakeDisk] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    spare: tuple[CarbonSource, ...] = ()
    chain: Chain | None = None

    def __post_init__(self) -> None:
        self.clock = ManualClock(START)
        self.store = Store(None)
        job = self.store.jobs.create(
            name="job",
            config_path="train.yaml",
            config_text="",
            config_sha256="",
            clock_epoch_s=self.clock.epoch_s(),
            clock_start=START,
            clock_scale=1.0,
        )
        assert job is not None
        self.job_id = job.job_id
        self.folders = Folders(self.root)
        self.controller = self.new_controller()

    def new_controller(self) -> Controller:
        """As after a crash: nothing but the store and the world is left."""
        context = Context(
            job_id=self.job_id,
            plan=JobPlan(
                sites=self.sites,
                work=WorkSpec(job_id=self.job_id, work_folder=self.root),
                command="train",
                signal="SIGUSR1",
                grace_s=30.0,
                sample_s=self.sample_s,
                lifetime_s=7 * 24 * HOUR_S,
                lease_s=self.lease_s,
                poll_s=self.poll_s,
                max_age_s=2 * HOUR_S,
                fetch_s=600.0,
                restarts=self.restarts,
                start_at=self.start_at,
                deadline_s=self.deadline_s,
            ),
            store=self.store,
            store_id="store",
            clock=self.clock,
            carbon=self.chain
            or Chain([self.carbon, *self.spare], rules=Rules(max_age_s=2 * HOUR_S, hold_off_s=HOUR_S / 2)),
            policy=self.policy,
            providers=self.providers(),
            connect=self.connect,
            forget=self.forgotten.add,
            tasks=InlineTasks(),
            folders=self.folders,
        )
        return Controller(context)

    def providers(self) -> dict[str, Provider]:
        return {"fake": self.provider}

    def connect(self, instance: Instance) -> Machine:
        return FakeMachine(self.clock, self.model, self.disk(instance.instance_id), label=instance.site)

    def disk(self, instance_id: str) -> FakeDisk:
        return self.disks.setdefault(instance_id, FakeDisk(address=instance_id, peers=self.disks))

    def tick(self) -> bool:
        going = self.controller.tick()
        self.clock.wait(self.tick_s)
        return going

    def run(self, *, until: JobState | None = None, limit: int = 20000) -> JobState:
        """Tick until the job is over (or in the state asked for)."""
        for _ in range(limit):
            if not self.tick() or self.state is until:
                return self.state
        raise AssertionError(f"still {self.state} after {limit} ticks: {self.store.jobs.get(self.job_id).detail}")

    def run_for(self, seconds: float) -> None:
        until = self.clock.epoch_s() + seconds
        while self.clock.epoch_s() < until and self.tick():
            pass

    @property
    def state(self) -> JobState:
        return self.store.jobs.get(self.job_id).state

    @property
    def placements(self) -> list[PlacementRecord]:
        return self.store.placements.of_job(self.job_id)

    def events(self, kind: str) -> list[Event]:
        return [event for event in self.store.journal.events(self.job_id, limit=100000) if event.kind == kind]

    def command(self, verb: str, site_name: str | None = None) -> int:
        return self.store.journal.give(self.job_id, verb, site_name, self.clock.epoch_s())

    def where(self) -> str | None:
        """The site of the newest generation."""
        generations = self.store.jobs.generations(self.job_id)
        return generations[-1].site if generations else None

    def holding(self) -> list[str]:
        """Instance ids that the cloud still runs for us."""
        return [instance.instance_id for one in self.sites for instance in self.provider.list(one)]
