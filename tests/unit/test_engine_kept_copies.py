"""The controller's copies of checkpoints: which stay, and what a killed controller leaves of one."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.engine import HourlySource, World, site

from ga_playbooks.fake_trainer import TrainerModel
from gacli.core.job import JobState
from gacli.engine.tasks import InlineTasks
from gacli.policies.stay import Stay


def world(tmp_path: Path) -> World:
    return World(
        root=tmp_path,
        carbon=HourlySource({"A": [400.0] * 48}),
        sites=(site("a", "A"),),
        model=TrainerModel(steps_per_s=1.0, total_steps=3000, checkpoint_every_steps=600, save_s=2.0),
        policy=Stay(),
    )


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_half_copies_of_a_killed_controller_go_with_the_next_copy(tmp_path: Path) -> None:
    one = world(tmp_path)
    folder = one.folders.checkpoints(one.job_id)
    for name in (".incoming-step-000000600", ".old-step-000000600"):
        (folder / name).mkdir(parents=True)
        (folder / name / "weights").write_text("half")
    assert one.run() is JobState.DONE
    checkpoint = one.store.jobs.get(one.job_id).checkpoint
    assert checkpoint is not None
    found = names(folder)
    assert checkpoint.name in found
    assert len(found) == 2
    assert not any(name.startswith(".") for name in found)


def test_copy_that_is_on_its_way_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = world(tmp_path)
    on_its_way = one.folders.checkpoints(one.job_id) / ".incoming-step-000000601"
    on_its_way.mkdir(parents=True)
    monkeypatch.setattr(InlineTasks, "busy", lambda _, key: key == f"fetch:{one.job_id}-a-1:step-000000601")
    assert one.run() is JobState.DONE
    assert on_its_way.is_dir()
