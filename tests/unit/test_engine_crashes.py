"""The controller killed at every point: the job ends in the same place, and no invariant is broken on the way."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from support.crashing import CrashingWorld, Points
from support.engine import HourlySource, site

from ga_playbooks.fake_trainer import TrainerModel
from gacli.core.job import Checkpoint, JobState
from gacli.core.placement import PlacementState
from gacli.engine.placing import Placing
from gacli.engine.stopping import Stopping
from gacli.engine.targeting import Targeting
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.stay import Stay
from gacli.store.placements import PlacementRecord

MODEL = TrainerModel(steps_per_s=0.1, total_steps=60, checkpoint_every_steps=20, save_s=5.0)

Script = Callable[[CrashingWorld], None]


def world(root: Path, *, moves: bool) -> CrashingWorld:
    """A job of ten minutes that starts at `a`; `b` is four times cleaner."""
    return CrashingWorld(
        root=root,
        carbon=HourlySource({"A": [400.0] * 48, "B": [100.0] * 48}),
        sites=(site("a", "A", capacity=4), site("b", "B", capacity=4)),
        model=MODEL,
        start_at="a",
        tick_s=20.0,
        policy=Hysteresis(hold_readings=1, dwell_s=0.0) if moves else Stay(),
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


SCENARIOS: dict[str, tuple[bool, Script]] = {
    "run": (False, nothing),
    "move by the policy": (True, nothing),
    "migrate": (False, migrate),
    "pause and resume": (False, pause_and_resume),
}


def undisturbed(root: Path, *, moves: bool, script: Script) -> tuple[Checkpoint | None, list[str]]:
    one = world(root, moves=moves)
    points = Points()
    one.live_through(points, script)
    expected = one.store.jobs.get(one.job_id).checkpoint
    assert one.check_end(expected) == []
    return expected, points.names


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_single_crash_ends_in_the_same_place(name: str, tmp_path: Path) -> None:
    moves, script = SCENARIOS[name]
    expected, points = undisturbed(tmp_path / "undisturbed", moves=moves, script=script)
    wrong = {}
    for number, point in enumerate(points):
        one = world(tmp_path / str(number), moves=moves)
        one.live_through(Points((number,)), script)
        if found := one.check_end(expected):
            wrong[f"{number} {point}"] = found
    assert wrong == {}


def test_it_bites_when_an_instance_is_recorded_after_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: ask the provider first, under a name that nobody can guess again."""
    numbers = itertools.count()

    def request(self: Targeting, record: PlacementRecord) -> None:
        context, name = self._context, f"random-{next(numbers)}"
        target = record.target_site or ""
        context.providers["fake"].create(context.plan.site(target), name, {})
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


def deaf(one: CrashingWorld) -> None:
    """From step 25 on, with a checkpoint saved, the script hears no signal: it lives for the whole grace period."""
    progress = one.store.journal.progress(one.job_id)
    if progress is not None and progress.step >= 25 and not one.said:
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
