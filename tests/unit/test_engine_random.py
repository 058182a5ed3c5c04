"""Random troubles in any order: the invariants hold throughout, and after them the job ends as it must."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.crashing import CrashingWorld, Points
from support.engine import HourlySource, site
from typing_extensions import override

from ga_playbooks.fake_trainer import TrainerModel
from gacli.core.job import JobState
from gacli.errors import HostUnreachable
from gacli.policies.hysteresis import Hysteresis
from gacli.ports.provider import InstanceState

MODEL = TrainerModel(steps_per_s=0.1, total_steps=60, checkpoint_every_steps=20, save_s=5.0)
SITES = ("a", "b", "c")


class Troubles(Points):
    """Requests and answers that get lost on the way: of the next calls that change the world, as many as said."""

    def __init__(self) -> None:
        super().__init__()
        self.lost_requests = 0
        self.lost_answers = 0

    @override
    def reach(self, name: str) -> None:
        if name.startswith("before") and self.lost_requests > 0:
            self.lost_requests -= 1
            raise HostUnreachable(f"the request was lost ({name})")
        if name.startswith("after") and self.lost_answers > 0:
            self.lost_answers -= 1
            raise HostUnreachable(f"the answer was lost ({name})")


class AnyTrouble(RuleBasedStateMachine):
    """One job on three sites. Fate and people act between ticks."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.troubles = Troubles()
        self.one = CrashingWorld(
            root=Path(self.folder.name),
            carbon=HourlySource({"A": [400.0, 100.0] * 24, "B": [100.0, 400.0] * 24, "C": [200.0] * 48}),
            sites=tuple(site(name, name.upper(), capacity=3) for name in SITES),
            model=MODEL,
            tick_s=20.0,
            poll_s=60.0,
            restarts=50,
            policy=Hysteresis(hold_readings=1, dwell_s=0.0, margin_g_per_kwh=1.0),
        )
        self.one.points, self.one.violations, self.one.said = self.troubles, [], []
        self.one.watch_commits()
        self.one.controller = self.one.new_controller()
        self.best = -1

    @initialize(lease_s=st.sampled_from([None, 120.0]))
    def a_lease_may_be_agreed(self, lease_s: float | None) -> None:
        self.one.lease_s = lease_s
        self.one.controller = self.one.new_controller()

    @rule(ticks=st.integers(1, 12))
    def time_passes(self, ticks: int) -> None:
        for _ in range(ticks):
            self.one.tick()
            self.one.look()

    @rule()
    def the_controller_is_killed(self) -> None:
        self.one.controller = self.one.new_controller()

    @rule(count=st.integers(1, 3))
    def requests_are_lost(self, count: int) -> None:
        self.troubles.lost_requests = count

    @rule(count=st.integers(1, 3))
    def answers_are_lost(self, count: int) -> None:
        self.troubles.lost_answers = count

    @rule(name=st.sampled_from(SITES), refusals=st.integers(1, 3))
    def a_site_has_no_capacity(self, name: str, refusals: int) -> None:
        self.one.provider.refusals[name] = refusals

    @rule(zone=st.sampled_from("ABC"))
    def a_zone_falls_silent(self, zone: str) -> None:
        self.one.carbon.broken.add(zone)

    @rule(hours=st.floats(0.1, 5.0))
    def the_laptop_sleeps(self, hours: float) -> None:
        """The controller's clock jumps; machines work on meanwhile."""
        self.one.clock.wait(hours * 3600)

    @rule(number=st.integers(0, 5), cut=st.booleans())
    def a_machine_is_cut_off_or_back(self, number: int, cut: bool) -> None:
        if held := self.one.holding():
            self.one.disk(held[number % len(held)]).faults.unreachable = cut

    @rule(number=st.integers(0, 5), deaf=st.booleans())
    def a_script_ignores_the_signal(self, number: int, deaf: bool) -> None:
        if held := self.one.holding():
            self.one.disk(held[number % len(held)]).faults.ignores_signal = deaf

    @rule(number=st.integers(0, 5), gone=st.booleans())
    def a_machine_is_taken_away(self, number: int, gone: bool) -> None:
        if held := self.one.holding():
            state = InstanceState.GONE if gone else InstanceState.PREEMPTING
            self.one.provider.set_state(held[number % len(held)], state)
            if gone:
                self.one.disk(held[number % len(held)]).faults.unreachable = True

    @rule(number=st.integers(0, 5), in_s=st.floats(0.0, 300.0))
    def a_machine_is_told_that_it_will_be_taken(self, number: int, in_s: float) -> None:
        if held := self.one.holding():
            self.one.disk(held[number % len(held)]).faults.preempted_at_s = self.one.clock.epoch_s() + in_s

    @rule(number=st.integers(0, 5), free_bytes=st.sampled_from([10, 10**9]))
    def a_disk_fills_or_empties(self, number: int, free_bytes: int) -> None:
        if held := self.one.holding():
            self.one.disk(held[number % len(held)]).free_bytes = free_bytes

    @precondition(lambda self: not self.one.state.final)
    @rule(verb=st.sampled_from(["pause", "resume"]))
    def somebody_pauses_or_resumes(self, verb: str) -> None:
        self.one.command(verb)

    @precondition(lambda self: not self.one.state.final)
    @rule(name=st.sampled_from(SITES))
    def somebody_migrates(self, name: str) -> None:
        self.one.command("migrate", name)

    @invariant()
    def no_invariant_is_broken(self) -> None:
        assert self.one.violations == []

    @invariant()
    def the_controllers_copy_never_gets_older(self) -> None:
        checkpoint = self.one.store.jobs.get(self.one.job_id).checkpoint
        step = -1 if checkpoint is None else checkpoint.step
        assert step >= self.best
        self.best = step

    @override
    def teardown(self) -> None:
        """Peace: every trouble ends, a paused job is resumed, and the training comes to its one possible end."""
        one = self.one
        self.troubles.lost_requests = self.troubles.lost_answers = 0
        one.carbon.broken.clear()
        one.provider.refusals.clear()
        for instance_id, disk in one.disks.items():
            disk.free_bytes = 10**9
            disk.faults.ignores_signal = False
            disk.faults.preempted_at_s = None
            disk.faults.unreachable = instance_id not in one.holding()
        for _ in range(3000):
            if not one.tick() and one.state is JobState.PAUSED:
                one.command("resume")
            if one.state.final:
                break
        job = one.store.jobs.get(one.job_id)
        if job.state is JobState.FAILED and job.generation == 0:
            # Every site failed before anything had started: it says so at once, with nothing to lose.
            assert one.holding() == []
            self.folder.cleanup()
            return
        expected = None if job.checkpoint is None else job.checkpoint.step
        assert (job.state, expected) == (JobState.DONE, MODEL.total_steps), job.detail
        assert one.check_end(job.checkpoint, may_lose_machine=True) == []
        self.folder.cleanup()


AnyTrouble.TestCase.settings = settings(
    max_examples=150, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyTrouble = AnyTrouble.TestCase
