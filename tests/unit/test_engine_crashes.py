"""The controller killed at every point: the job ends in the same place, and no invariant is broken on the way."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.crashing import CrashingWorld, Points
from support.engine import HourlySource, site
from support.exploring import Exploration

from ga_playbooks.fake_trainer import TrainerModel
from gacli.core.job import JobState
from gacli.core.placement import PlacementState
from gacli.engine import leases
from gacli.engine.placing import Placing
from gacli.engine.stopping import Stopping
from gacli.engine.targeting import Targeting
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.stay import Stay
from gacli.ports.provider import InstanceState
from gacli.store.placements import PlacementRecord

MODEL = TrainerModel(steps_per_s=0.1, total_steps=24, checkpoint_every_steps=8, save_s=5.0)

Script = Callable[[CrashingWorld], None]


def world(root: Path, *, moves: bool) -> CrashingWorld:
    """A job of five minutes that starts at `a`; `b` is four times cleaner."""
    return CrashingWorld(
        root=root,
        carbon=HourlySource({"A": [400.0] * 48, "B": [100.0] * 48}),
        sites=(site("a", "A", capacity=4), site("b", "B", capacity=4)),
        model=MODEL,
        start_at="a",
        tick_s=20.0,
        poll_s=60.0,
        lease_s=60.0,
        policy=Hysteresis(hold_readings=1, dwell_s=0.0, margin_g_per_kwh=1.0) if moves else Stay(),
    )


def nothing(_: CrashingWorld) -> None:
    """Nobody interferes."""


def pause_and_resume(one: CrashingWorld) -> None:
    progress = one.store.journal.progress(one.job_id)
    if progress is not None and progress.step >= 10 and "pause" not in one.said:
        one.said.append("pause")
        one.command("pause")
    if one.state is JobState.PAUSED and "resume" not in one.said:
        one.said.append("resume")
        one.command("resume")


def migrate(one: CrashingWorld) -> None:
    progress = one.store.journal.progress(one.job_id)
    if progress is not None and progress.step >= 10 and not one.said:
        one.said.append("migrate")
        one.command("migrate", "b")


def stop(one: CrashingWorld) -> None:
    progress = one.store.journal.progress(one.job_id)
    if progress is not None and progress.step >= 10 and not one.said:
        one.said.append("stop")
        one.command("stop")


def lose_the_machine(one: CrashingWorld) -> None:
    """The provider takes the first machine away, once."""
    progress = one.store.journal.progress(one.job_id)
    if progress is not None and progress.step >= 10 and not one.said:
        one.said.append("lost")
        one.provider.set_state("job-1-a-1", InstanceState.GONE)
        one.disk("job-1-a-1").faults.unreachable = True


def preempt(one: CrashingWorld) -> None:
    """The provider announces that it takes the first machine away."""
    progress = one.store.journal.progress(one.job_id)
    if progress is not None and progress.step >= 10 and not one.said:
        one.said.append("preempted")
        one.provider.set_state("job-1-a-1", InstanceState.PREEMPTING)


def be_told_by_the_machine(one: CrashingWorld) -> None:
    """As `preempt`, but it is the first machine that knows."""
    progress = one.store.journal.progress(one.job_id)
    if progress is not None and progress.step >= 10 and not one.said:
        one.said.append("preempted")
        one.disk("job-1-a-1").faults.preempted_at_s = one.clock.epoch_s() + 120.0


def lose_sight(one: CrashingWorld) -> None:
    """The first machine is cut off for good, and trains on until its lease has run out."""
    progress = one.store.journal.progress(one.job_id)
    if progress is not None and progress.step >= 10 and not one.said:
        one.said.append("cut off")
        one.disk("job-1-a-1").faults.unreachable = True


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that it has written, synced or not; thousands of lives need not wait for disks."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)


SCENARIOS: dict[str, tuple[bool, Script]] = {
    "run": (False, nothing),
    "move by the policy": (True, nothing),
    "migrate": (False, migrate),
    "pause and resume": (False, pause_and_resume),
    "stop": (False, stop),
    "lose the machine": (False, lose_the_machine),
    "preempt": (False, preempt),
    "be told by the machine": (False, be_told_by_the_machine),
    "lose sight": (False, lose_sight),
}


def undisturbed(root: Path, *, moves: bool, script: Script) -> tuple[CrashingWorld, list[str]]:
    one = world(root, moves=moves)
    points = Points()
    one.live_through(points, script)
    return one, points.names


def judge(reference: CrashingWorld) -> Callable[[CrashingWorld], list[str]]:
    """Equal to the undisturbed run in how it ends and, unless it was stopped, in its weights."""
    expected = reference.store.jobs.get(reference.job_id).checkpoint
    lossy = any(g.outcome == "lost" for g in reference.store.jobs.generations(reference.job_id))

    def wrong(one: CrashingWorld) -> list[str]:
        held = one.store.jobs.get(one.job_id).checkpoint
        same = held if reference.state is JobState.STOPPED and held is not None else expected
        return one.check_end(same, reference.state, may_lose_machine=lossy)

    assert wrong(reference) == []
    return wrong


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_single_crash_ends_in_the_same_place(name: str, tmp_path: Path) -> None:
    """With the time that a restart takes, and all that a controller remembers until it is killed."""
    moves, script = SCENARIOS[name]
    reference, points = undisturbed(tmp_path / "undisturbed", moves=moves, script=script)
    judged = judge(reference)
    wrong = {}
    for number, point in enumerate(points):
        one = world(tmp_path / str(number), moves=moves)
        one.live_through(Points((number,)), script)
        if found := judged(one):
            wrong[f"{number} {point}"] = found
    assert wrong == {}


@pytest.mark.prove
@pytest.mark.parametrize("name", ["move by the policy", "run", "pause and resume", "lose the machine"])
def test_every_double_crash_ends_in_the_same_place(name: str, tmp_path: Path) -> None:
    moves, script = SCENARIOS[name]
    reference, points = undisturbed(tmp_path / "undisturbed", moves=moves, script=script)
    exploration = Exploration(
        make=lambda root: world(root, moves=moves),
        root=tmp_path / "explored",
        script=script,
        wrong_at_end=judge(reference),
    )
    exploration.explore(crashes=2)
    assert exploration.violations == {}
    assert exploration.kills > len(points), "every point was killed at, and points of what followed as well"


def test_it_bites_when_an_instance_is_recorded_after_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: ask the provider first, under a name that nobody can guess again."""
    numbers = itertools.count()

    def request(self: Targeting, record: PlacementRecord) -> None:
        context, name = self._context, f"random-{next(numbers)}"
        target = record.target_site or ""
        context.providers["fake"].create(context.plan.site(target), name, {}, context.plan.lifetime_s)
        context.store.instances.request(
            instance_id=name, job_id=context.job_id, site=target, generation=1, at=context.now()
        )
        context.store.placements.set_target(record.placement_id, name)

    monkeypatch.setattr(Targeting, "request", request)
    assert "no journal knows" in violations(tmp_path)


def test_it_bites_when_the_source_is_released_as_soon_as_the_target_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: a started process counts, not its first new step."""
    original = Placing._start

    def start(self: Placing, record: PlacementRecord) -> None:
        original(self, record)
        if record.source_instance is not None:
            self.release(record.source_instance)

    monkeypatch.setattr(Placing, "_start", start)
    assert "released before the first new step" in violations(tmp_path)


def test_it_bites_when_asking_to_stop_counts_as_having_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded bug: no fence. The source still saves while the target starts."""
    original = Stopping.stopping

    def stopping(self: Stopping, record: PlacementRecord) -> None:
        original(self, record)
        if record.state is PlacementState.STOPPING and self._asked is not None:
            live = self._supervision.live()
            if live is not None:
                self._context.store.jobs.generation_ended(live.job_id, live.generation, self._context.now(), "stopped")

    monkeypatch.setattr(Stopping, "stopping", stopping)
    assert "two trainers live" in violations(tmp_path, deaf)


def test_it_bites_when_a_lease_is_taken_for_over_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded bug: the script's grace period, which begins then, is forgotten."""
    monkeypatch.setattr(leases, "proof_after_s", lambda lease_s, _grace_s: lease_s)
    assert "two trainers live" in violations(tmp_path, deaf_and_out_of_sight)


def deaf_and_out_of_sight(one: CrashingWorld) -> None:
    progress = one.store.journal.progress(one.job_id)
    if progress is not None and progress.step >= 10 and not one.said:
        one.said.append("cut off")
        one.tick_s = 0.5
        one.disk("job-1-a-1").faults.ignores_signal = True
        one.disk("job-1-a-1").faults.unreachable = True


def deaf(one: CrashingWorld) -> None:
    """From step 10 on, with a checkpoint saved, the script hears no signal: it lives for the whole grace period."""
    progress = one.store.journal.progress(one.job_id)
    if progress is not None and progress.step >= 10 and not one.said:
        one.said.append("migrate")
        one.tick_s = 2.0
        one.disk("job-1-a-1").faults.ignores_signal = True
        one.command("migrate", "b")


def violations(tmp_path: Path, script: Script = nothing) -> str:
    """Everything that the enumeration of a move finds, as one text; empty when nothing is wrong."""
    points = Points()
    moves = script is nothing
    world(tmp_path / "undisturbed", moves=moves).live_through(points, script, limit=400)
    found: list[str] = []
    for number in range(len(points.names)):
        one = world(tmp_path / str(number), moves=moves)
        one.live_through(Points((number,)), script, limit=400)
        found += one.violations
        if found:
            break
    return "; ".join(found)
