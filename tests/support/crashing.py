"""Crash-point enumeration: the real engine on fake ports, killed at every point at which anything durable has changed.

A point lies after every commit of the journal that wrote something and around every external call that changes the
world. Reading calls are no points of their own: nothing has changed since the point before. A kill is an exception
that nobody may catch; what is left of `ga` then is the store, and of the world everything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from support.engine import World
from typing_extensions import override

from ga_playbooks.fake_machine import FakeMachine
from ga_playbooks.fake_trainer import ModelledRun
from gacli.core.job import Checkpoint, JobState
from gacli.core.limits import GpuLimit
from gacli.core.site import Site
from gacli.ports.host import PeerAddress
from gacli.ports.machine import Machine, Offer, OnStep, StartSpec, WorkSpec
from gacli.ports.provider import Instance, Provider
from gacli.store.database import Database
from gacli.store.instances import Holding

T = TypeVar("T")


class Killed(BaseException):
    """kill -9."""


class Points:
    """Counts the points of a run and kills at the chosen ones (numbered over the whole run, restarts included)."""

    def __init__(self, kill_at: tuple[int, ...] = ()) -> None:
        self.kill_at = set(kill_at)
        self.names: list[str] = []
        self.armed = True

    def reach(self, name: str) -> None:
        if not self.armed:
            return
        self.names.append(name)
        if len(self.names) - 1 in self.kill_at:
            raise Killed(name)


class CrashingProvider(Provider):
    name = "fake"

    def __init__(self, inner: Provider, points: Points) -> None:
        self._inner = inner
        self._points = points

    @override
    def check(self, site: Site) -> None:
        self._inner.check(site)

    @override
    def create(self, site: Site, instance_id: str, tags: Mapping[str, str], lifetime_s: float) -> None:
        self._points.reach("before create")
        self._inner.create(site, instance_id, tags, lifetime_s)
        self._points.reach("after create")

    @override
    def describe(self, site: Site, instance_id: str) -> Instance:
        return self._inner.describe(site, instance_id)

    @override
    def list(self, site: Site) -> list[Instance]:
        return self._inner.list(site)

    @override
    def destroy(self, site: Site, instance_id: str) -> None:
        self._points.reach("before destroy")
        self._inner.destroy(site, instance_id)
        self._points.reach("after destroy")


class CrashingMachine(FakeMachine):
    """points: set after construction, since a FakeMachine is made by position."""

    points: Points

    @override
    def prepare(self, work: WorkSpec, on_step: OnStep) -> None:
        self._around("prepare", lambda: super(CrashingMachine, self).prepare(work, on_step))

    @override
    def start(self, work: WorkSpec, start: StartSpec) -> None:
        self._around("start", lambda: super(CrashingMachine, self).start(work, start))

    @override
    def request_stop(self, job_id: str, generation: int, *, signal: str, grace_s: float) -> None:
        self._around(
            "request_stop",
            lambda: super(CrashingMachine, self).request_stop(job_id, generation, signal=signal, grace_s=grace_s),
        )

    @override
    def limit(self, job_id: str, generation: int, limit: GpuLimit) -> None:
        self._around("limit", lambda: super(CrashingMachine, self).limit(job_id, generation, limit))

    @override
    def fetch_checkpoint(self, job_id: str, checkpoint: Checkpoint, into: Path, on_step: OnStep) -> None:
        self._around("fetch", lambda: super(CrashingMachine, self).fetch_checkpoint(job_id, checkpoint, into, on_step))

    @override
    def send_checkpoint(self, job_id: str, checkpoint: Checkpoint, source: Path, on_step: OnStep) -> None:
        self._around("send", lambda: super(CrashingMachine, self).send_checkpoint(job_id, checkpoint, source, on_step))

    @override
    def offer(self, job_id: str, transfer_id: str, checkpoint: Checkpoint) -> Offer:
        return self._around("offer", lambda: super(CrashingMachine, self).offer(job_id, transfer_id, checkpoint))

    @override
    def admit(self, job_id: str, transfer_id: str, checkpoint: Checkpoint, offer: Offer) -> PeerAddress | None:
        return self._around("admit", lambda: super(CrashingMachine, self).admit(job_id, transfer_id, checkpoint, offer))

    @override
    def push(
        self,
        job_id: str,
        transfer_id: str,
        checkpoint: Checkpoint,
        peer: PeerAddress,
        on_step: OnStep,
        again: Sequence[str] = (),
    ) -> None:
        self._around(
            "push",
            lambda: super(CrashingMachine, self).push(job_id, transfer_id, checkpoint, peer, on_step, again),
        )

    @override
    def settle(self, job_id: str, transfer_id: str, checkpoint: Checkpoint) -> tuple[str, ...]:
        return self._around("settle", lambda: super(CrashingMachine, self).settle(job_id, transfer_id, checkpoint))

    @override
    def revoke(self, job_id: str, transfer_id: str) -> None:
        self._around("revoke", lambda: super(CrashingMachine, self).revoke(job_id, transfer_id))

    @override
    def teardown(self, job_id: str) -> None:
        self._around("teardown", lambda: super(CrashingMachine, self).teardown(job_id))

    def _around(self, name: str, call: Callable[[], T]) -> T:
        self.points.reach(f"before {name}")
        result = call()
        self.points.reach(f"after {name}")
        return result


class CrashingWorld(World):
    """A world whose controller can be killed; `violations` collects what must never be, seen at any time."""

    points: Points = Points()
    violations: list[str]
    said: list[str]

    def live_through(
        self, points: Points, script: Callable[[CrashingWorld], None] = lambda _: None, *, limit: int = 2000
    ) -> None:
        """Run the job to its end, with a new controller after every kill. `script` acts as the people do.

        Gives up quietly after `limit` ticks: `check_end` tells.
        """
        self.points, self.violations, self.said = points, [], []
        self.watch_commits()
        self.controller = self.new_controller()
        for _ in range(limit):
            points.armed = False
            script(self)
            points.armed = True
            try:
                going = self.controller.tick()
            except Killed:
                self.controller = self.new_controller()
                going = True
            self.look()
            self.clock.wait(self.tick_s)
            if not going and self.state.final:
                return

    @override
    def providers(self) -> dict[str, Provider]:
        return {"fake": CrashingProvider(self.provider, self.points)}

    @override
    def connect(self, instance: Instance) -> Machine:
        machine = CrashingMachine(self.clock, self.model, self.disk(instance.instance_id), label=instance.site)
        machine.points = self.points
        return machine

    def watch_commits(self) -> None:
        database = self.store.database

        @contextmanager
        def watched() -> Iterator[sqlite3.Connection]:
            outermost = not database.connection.in_transaction
            before = database.connection.total_changes
            with Database.transaction(database) as connection:
                yield connection
            if outermost and database.connection.total_changes != before:
                self.points.reach("commit")

        database.transaction = watched  # type: ignore[method-assign]  # the test's own wrapper
        self.store.transaction = watched

    def look(self) -> None:
        """The invariants that hold at every instant."""
        lives = [
            instance_id
            for instance_id, disk in self.disks.items()
            for job in disk.jobs.values()
            for run in job.runs.values()
            if self._trains(run) and (instance_id in self.holding() or instance_id in self.provider.given_back)
        ]
        if len(lives) > 1:
            self.violations.append(f"two trainers live: {lives}")
        for instance_id in lives:
            if any(job.keys or job.admitted for job in self.disks[instance_id].jobs.values()):
                self.violations.append(f"{instance_id} trains while the key of a transfer is there")
        for placement in self.placements:
            source, number = placement.source_instance, placement.generation
            if source is None or number is None or source not in self.provider.given_back:
                continue
            generation = self.store.jobs.generation(self.job_id, number)
            if generation is not None and generation.first_step_at is None and generation.state != "ended":
                self.violations.append(f"{source} was released before the first new step of generation {number}")
        known = {i.instance_id for i in self.store.instances.of_job(self.job_id)}
        if leaked := set(self.holding()) - known:
            self.violations.append(f"instances that no journal knows: {leaked}")

    def _trains(self, run: ModelledRun) -> bool:
        """Also on a machine that nobody can ask, or that was given back: a host of its owner's goes on."""
        run.advance(self.clock.epoch_s())
        return run.exit is None

    def check_end(
        self, expected: Checkpoint | None, state: JobState = JobState.DONE, *, may_lose_machine: bool = False
    ) -> list[str]:
        """What is wrong with the end, beside what was seen on the way."""
        wrong = list(self.violations)
        job = self.store.jobs.get(self.job_id)
        if job.state is not state:
            wrong.append(f"ended {job.state} ({job.detail}), expected {state}")
        if job.checkpoint != expected:
            wrong.append(f"holds {job.checkpoint}, expected {expected}")
        if self.holding():
            wrong.append(f"leaked {self.holding()}")
        wrong += self._ledger()
        if not may_lose_machine:
            generations = self.store.jobs.generations(self.job_id)
            wrong += [f"generation {g.generation} was lost" for g in generations if g.outcome == "lost"]
        return wrong

    def _ledger(self) -> list[str]:
        """Every second of every instance once, and exactly the energy that the agents sampled."""
        wrong, entries = [], self.store.ledger.entries(self.job_id)
        for instance in self.store.instances.of_job(self.job_id, gone=True):
            own = sorted(
                (e.emission.energy for e in entries if e.instance_id == instance.instance_id), key=lambda e: e.start
            )
            if own and own[0].start != instance.requested_at:
                wrong.append(
                    f"{instance.instance_id}: accounted from {own[0].start}, asked for {instance.requested_at}"
                )
            wrong += [
                f"{instance.instance_id}: {earlier.end} is followed by {later.start}"
                for earlier, later in pairwise(own)
                if earlier.end != later.start
            ]
            if instance.state is not Holding.GONE:
                wrong.append(f"{instance.instance_id} is {instance.state}")
        return wrong
