"""Scenarios for the simulator, and the same scenario on the live loop: the real engine on modelled machines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

from support.engine import START, HourlySource, World
from typing_extensions import override

from ga_playbooks.fake_machine import FakeMachine
from ga_playbooks.fake_trainer import TrainerModel
from gacli.core.carbon import Reading
from gacli.core.decision import Action, Decision, Policy
from gacli.core.energy import EmissionInterval
from gacli.core.job import Checkpoint
from gacli.core.site import PowerModel, Site
from gacli.core.snapshot import Snapshot
from gacli.ports.machine import Machine, OnStep
from gacli.ports.provider import Instance
from gacli.simulate.scenario import Outage, Scenario, SimulatedJob
from gacli.store.instances import Holding

_FINE_S = 0.125
_COARSE_S = 60.0
_NEAR_THE_END_S = 90.0


class QuickToFetch(FakeMachine):
    """Copies to the controller take no time: a simulated job has none to copy to, and the clock stands meanwhile."""

    def __init__(self, world: World, instance: Instance) -> None:
        disk = world.disk(instance.instance_id)
        super().__init__(world.clock, world.model, disk, label=instance.site)
        self._quick = FakeMachine(world.clock, replace(world.model, copy_bytes_per_s=math.inf), disk)

    @override
    def fetch_checkpoint(self, job_id: str, checkpoint: Checkpoint, into: Path, on_step: OnStep) -> None:
        self._quick.fetch_checkpoint(job_id, checkpoint, into, on_step)


@dataclass(kw_only=True)
class LiveWorld(World):
    """Ticks finely while anything is under way, and coarsely between: as exact as it needs to be, and quick."""

    @override
    def connect(self, instance: Instance) -> Machine:
        return QuickToFetch(self, instance)

    @override
    def tick(self) -> bool:
        going = self.controller.tick()
        now_s = (self.clock.at_epoch(self.clock.epoch_s()) - START).total_seconds()
        # Back to full multiples, so that polls fall on theirs.
        self.clock.wait(_FINE_S if self._busy() else _COARSE_S - now_s % _COARSE_S)
        return going

    def _busy(self) -> bool:
        leaving = any(one.state is Holding.RELEASING for one in self.store.instances.of_job(self.job_id))
        if leaving or not self.placements or self.store.placements.open(self.job_id) is not None:
            return True
        progress = self.store.journal.progress(self.job_id)
        left = self.model.total_steps - (0 if progress is None else progress.step)
        return left / self.model.steps_per_s < _NEAR_THE_END_S

    def ledger(self) -> list[EmissionInterval]:
        return [entry.emission for entry in self.store.ledger.entries(self.job_id)]


def scenario_of(
    *,
    sites: tuple[Site, ...],
    hours: Mapping[str, Sequence[float]],
    model: TrainerModel,
    start_at: str | None = None,
    poll_s: float = 300.0,
) -> Scenario:
    """The modelled machines' times, as a simulation has them: their trainer makes steps from its start on."""
    return Scenario(
        job=SimulatedJob(
            name="job",
            work_s=model.total_steps / model.steps_per_s,
            save_s=model.save_s,
            save_every_s=model.checkpoint_every_steps / model.steps_per_s or math.inf,
            checkpoint_bytes=model.checkpoint_bytes,
        ),
        sites=sites,
        readings_by_zone={zone: readings(zone, values) for zone, values in hours.items()},
        start=START,
        boot_s={site.name: model.setup_s for site in sites},
        bandwidth_bytes_per_s={(a.name, b.name): model.copy_bytes_per_s for a, b in permutations(sites, 2)},
        start_at=start_at,
        poll_s=poll_s,
    )


def readings(zone: str, values: Sequence[float]) -> tuple[Reading, ...]:
    """Hourly readings from START on."""
    return tuple(HourlySource({zone: values}).readings(zone, START, START.replace(year=START.year + 1)))


def live_world(
    scenario: Scenario, policy: Policy, hours: Mapping[str, Sequence[float]], model: TrainerModel, root: Path
) -> LiveWorld:
    return LiveWorld(
        root=root,
        carbon=HourlySource(hours),
        sites=scenario.sites,
        model=model,
        policy=policy,
        start_at=scenario.start_at,
        poll_s=scenario.poll_s,
    )


@dataclass(frozen=True, kw_only=True)
class Told:
    """A policy that answers as it was told, by the second; otherwise it stays. shown: all that it was shown."""

    answers: Mapping[int, str]
    shown: list[Snapshot] = field(default_factory=list)
    name: str = "told"

    def decide(self, snapshot: Snapshot) -> Decision:
        self.shown.append(snapshot)
        answer = self.answers.get(int((snapshot.now - START).total_seconds()), "stay")
        action, _, target = answer.partition(" ")
        return Decision(
            at=snapshot.now, policy=self.name, action=Action(action), target=target or None, reason="it was told to"
        )


def small_scenario(case: Mapping[str, Any]) -> Scenario:
    """Two sites, as tests/data/simulate/staying.yaml describes them."""
    hours = {"A": [100.0, 100.0], "B": [200.0, 200.0]} | case.get("hours", {})
    job: dict[str, Any] = {"work_s": 1000.0, "save_s": 10.0, "checkpoint_bytes": 1000, "restart_s": 5.0}
    settings: dict[str, Any] = {"start_at": "a", "poll_s": 100.0, "boot_s": {"a": 30.0, "b": 40.0}}
    return Scenario(
        job=SimulatedJob(name="job", **(job | case.get("job", {}))),
        sites=tuple(_small_site(name) for name in ("a", "b")),
        readings_by_zone={zone: readings(zone, values) for zone, values in hours.items()},
        start=START,
        bandwidth_bytes_per_s={("a", "b"): 50.0, ("b", "a"): 50.0},
        outages=tuple(
            Outage(site=name, start=START + timedelta(seconds=start_s), end=START + timedelta(seconds=end_s))
            for name, start_s, end_s in case.get("outages", ())
        ),
        **(settings | case.get("scenario", {})),
    )


def _small_site(name: str) -> Site:
    power = PowerModel(idle_w=36.0, busy_w=360.0)
    return Site(name=name, provider="simulated", zone=name.upper(), pue=1.0, power=power)
