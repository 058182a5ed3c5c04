"""How the engine brings checkpoints from machine to machine, on fake ports: straight, or through the controller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.engine import HOUR_S, HourlySource, World, site

from ga_playbooks.fake_trainer import Faults, TrainerModel
from gacli.core.job import JobState
from gacli.core.placement import PlacementState
from gacli.policies.stay import Stay
from gacli.ports.provider import InstanceState
from gacli.store.placements import PlacementRecord, Purpose

MODEL = TrainerModel(steps_per_s=1.0, total_steps=6000, checkpoint_every_steps=600, save_s=2.0)
SOURCE, TARGET = "job-1-a-1", "job-1-b-1"


def world(tmp_path: Path, **changes: object) -> World:
    settings: dict[str, object] = {
        "root": tmp_path,
        "carbon": HourlySource({"A": [400.0] * 48, "B": [400.0] * 48}),
        "sites": (site("a", "A", capacity=2), site("b", "B", capacity=2)),
        "model": MODEL,
        "policy": Stay(),
        "start_at": "a",
    }
    return World(**(settings | changes))  # type: ignore[arg-type]  # the tests name fields of the dataclass


def await_state(one: World, state: PlacementState) -> PlacementRecord:
    while (record := one.store.placements.open(one.job_id)) is None or record.state is not state:
        assert one.tick(), one.state
    return record


def sent(one: World) -> list[tuple[object, object]]:
    """Which way each checkpoint came to a machine."""
    found = [event.body for event in one.events("checkpoint") if event.body["action"] == "sent"]
    return [(body["site"], body["path"]) for body in found]


def said(one: World) -> str:
    return "\n".join(str(event.body["message"]) for kind in ("note", "warning") for event in one.events(kind))


def open_transfers(one: World) -> list[str]:
    jobs = [(name, job) for name, disk in one.disks.items() for job in disk.jobs.values()]
    return [name for name, job in jobs if job.keys or job.admitted]


def test_a_move_goes_straight_and_the_copy_here_follows_soon(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(300)
    one.command("migrate", "b")
    while (generation := one.store.jobs.generation(one.job_id, 2)) is None or generation.first_step_at is None:
        one.tick()
    assert sent(one) == [("b", "direct")]
    assert open_transfers(one) == []
    one.run_for(60)
    held = one.store.jobs.get(one.job_id).checkpoint
    assert held is not None, "fetched at once, not only after fetch_s"
    assert held.step == generation.from_step
    move = next(record for record in one.placements if record.purpose is Purpose.MOVE)
    assert move.moved_bytes == MODEL.checkpoint_bytes
    assert one.run() is JobState.DONE


def fail_the_target(one: World) -> None:
    one.disk(TARGET).free_bytes = 10


# What is wrong, the ways that checkpoints came to `b` in the end, what is said of it, where training goes on from.
FAULTS: dict[str, tuple[Callable[[World], None], list[str], str, str]] = {
    "hidden": (lambda one: _set(one, TARGET, hidden_from_peers=True), ["relay"], "no straight way from a to b", "b"),
    "cut": (lambda one: _set(one, TARGET, cut_arrivals=1), ["relay"], "was lost", "b"),
    "damaged on the way, twice": (lambda one: _set(one, TARGET, corrupt_arrivals=2), ["direct"], "", "b"),
    "damaged on the way, always": (lambda one: _set(one, TARGET, corrupt_arrivals=99), ["relay"], "3 times", "b"),
    "disk full": (fail_the_target, [], "free bytes", "a"),
}


def _set(one: World, instance_id: str, **faults: object) -> None:
    for name, value in faults.items():
        assert hasattr(Faults(), name)
        setattr(one.disk(instance_id).faults, name, value)


@pytest.mark.parametrize("name", FAULTS)
def test_what_goes_wrong_on_the_way_costs_no_step(name: str, tmp_path: Path) -> None:
    fault, paths, message, goes_on_at = FAULTS[name]
    one = world(tmp_path)
    one.run_for(300)
    one.command("migrate", "b")
    await_state(one, PlacementState.STOPPING)
    fault(one)
    while (generation := one.store.jobs.generation(one.job_id, 2)) is None or generation.first_step_at is None:
        assert one.tick()
    assert generation.site == goes_on_at
    assert sent(one) == [("b", path) for path in paths]
    assert message in said(one)
    assert "trained again" not in said(one)
    assert open_transfers(one) == []
    assert one.run(limit=40000) is JobState.DONE


def test_a_checkpoint_damaged_at_its_source_gives_way_to_the_one_before(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(1000)
    assert one.store.jobs.get(one.job_id).checkpoint is not None
    one.command("migrate", "b")
    await_state(one, PlacementState.COPYING)
    # Every copy of what lies at the source is damaged; the controller fetched step 600 before.
    _set(one, SOURCE, corrupt_checkpoints=True)
    while (generation := one.store.jobs.generation(one.job_id, 2)) is None or generation.first_step_at is None:
        assert one.tick()
    assert (generation.site, generation.from_step) == ("b", 600)
    assert "is damaged here" in said(one)
    assert "steps are trained again" in said(one)
    assert sent(one) == [("b", "relay")]
    assert open_transfers(one) == []
    assert one.run() is JobState.DONE


def test_the_copy_here_serves_when_the_sources_own_is_damaged(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(1000)
    one.command("migrate", "b")
    record = await_state(one, PlacementState.COPYING)
    assert record.checkpoint is not None
    machine = one.connect(one.provider.describe(one.sites[0], SOURCE))
    machine.fetch_checkpoint(one.job_id, record.checkpoint, one.folders.checkpoints(one.job_id), lambda _: None)
    one.store.jobs.set_checkpoint(one.job_id, record.checkpoint)
    _set(one, SOURCE, corrupt_checkpoints=True)
    while (generation := one.store.jobs.generation(one.job_id, 2)) is None or generation.first_step_at is None:
        assert one.tick()
    assert generation.from_step == record.checkpoint.step
    assert "the copy on this machine is sent instead" in said(one)
    assert "trained again" not in said(one)


def test_no_way_between_two_sites_is_found_out_once(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(300)
    for target, generation in (("b", 2), ("a", 3), ("b", 4)):
        for name in (TARGET, "job-1-b-2"):
            _set(one, name, hidden_from_peers=True)
        one.command("migrate", target)
        while (found := one.store.jobs.generation(one.job_id, generation)) is None or found.first_step_at is None:
            assert one.tick()
    assert sent(one) == [("b", "relay"), ("a", "direct"), ("b", "relay")]
    assert said(one).count("no straight way from a to b") == 1


def test_a_source_that_stops_answering_is_waited_for(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(300)
    one.command("migrate", "b")
    await_state(one, PlacementState.COPYING)
    _set(one, SOURCE, unreachable=True)
    one.run_for(HOUR_S)
    assert one.state is JobState.BLOCKED
    _set(one, SOURCE, unreachable=False)
    assert one.run() is JobState.DONE
    assert sent(one) == [("b", "direct")]
    assert "trained again" not in said(one)


def test_a_target_lost_while_copying_leaves_the_source_to_go_on(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run_for(300)
    one.command("migrate", "b")
    await_state(one, PlacementState.COPYING)
    one.provider.set_state(TARGET, InstanceState.GONE)
    _set(one, TARGET, unreachable=True)
    assert one.run() is JobState.DONE
    assert one.where() == "a"
    assert open_transfers(one) == []
    assert "trained again" not in said(one)


def test_a_target_needs_room_for_what_was_saved_last(tmp_path: Path) -> None:
    """Before anything is stopped; the controller has no copy yet to tell the size."""
    one = world(tmp_path)
    one.run_for(620)
    assert one.store.jobs.get(one.job_id).checkpoint is None
    one.disk(TARGET).free_bytes = 2 * MODEL.checkpoint_bytes - 1
    one.command("migrate", "b")
    one.run_for(60)
    move = next(record for record in one.placements if record.purpose is Purpose.MOVE)
    assert move.state is PlacementState.ABANDONED
    assert len(one.store.jobs.generations(one.job_id)) == 1
