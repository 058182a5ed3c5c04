"""The agents' lines in the controller's folder: each once and whole, wherever a controller died while it wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.engine import HourlySource, World, site

from ga_playbooks.fake_trainer import TrainerModel
from gacli.core.job import JobState
from gacli.policies.stay import Stay


@pytest.mark.parametrize("written", [0.0, 0.4, 1.0], ids=["nothing", "half a line", "a whole line"])
def test_lines_are_whole_after_a_crash_while_they_were_written(tmp_path: Path, written: float) -> None:
    one = World(
        root=tmp_path,
        carbon=HourlySource({"A": [400.0] * 48}),
        sites=(site("a", "A"),),
        model=TrainerModel(steps_per_s=1.0, total_steps=1500, checkpoint_every_steps=600, save_s=2.0),
        policy=Stay(),
    )
    one.run_for(600)
    path = one.folders.telemetry(one.job_id, 1)
    # The crash came after this much of the next line was in the file, and before the store knew of it.
    machine = one.connect(one.provider.list(one.sites[0])[0])
    generation = one.store.jobs.generation(one.job_id, 1)
    assert generation is not None
    one.clock.wait(30)
    following = machine.poll(one.job_id, 1, generation.last_seq).raw[0].encode() + b"\n"
    with path.open("ab") as file:
        file.write(following[: int(written * len(following))])
    one.controller = one.new_controller()
    assert one.run() is JobState.DONE
    numbers = [json.loads(line)["seq"] for line in path.read_text().splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > generation.last_seq
