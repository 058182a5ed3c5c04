"""Energy by device on its way from the agent's line to the port's record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ga_playbooks.bundle import nvml_binding_source
from ga_playbooks.fake_trainer import Faults, ModelledRun, TrainerModel
from ga_playbooks.messages import PollAnswer, parse_poll
from gacli.core.site import PowerModel
from gacli.errors import GaError
from gacli.ports.machine import EnergyPart, Poll, StartSpec

GPU = {"device": "gpu11", "energy_j": 400.5, "meter": "nvml-mig", "uncertainty": "integrated"}
CPU = {"device": "cpu", "energy_j": 99.5, "meter": "rapl", "uncertainty": "counter"}
LINE = {
    "seq": 1,
    "t": 12.0,
    "kind": "power",
    "t0": 10.0,
    "t1": 12.0,
    "energy_j": 500.0,
    "phase": "train",
    "meter": "nvml-mig+rapl",
    "modelled": False,
    "cpu_percent": 1.0,
    "memory_bytes": 1,
    "gpu_percent": None,
}


def polled(*lines: dict[str, Any] | str) -> Poll:
    records = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    answer = PollAnswer(
        generation=1,
        agent_alive=True,
        lock_held=True,
        exit=None,
        last_seq=1,
        clock_s=1.0,
        records=records,
        through=1,
        more=False,
    )
    return parse_poll([answer], where="oslo")


def test_parts_arrive_in_their_order() -> None:
    (sample,) = polled({**LINE, "parts": [GPU, CPU]}).power
    assert sample.parts == (
        EnergyPart(device="gpu11", energy_j=400.5, meter="nvml-mig", uncertainty="integrated"),
        EnergyPart(device="cpu", energy_j=99.5, meter="rapl", uncertainty="counter"),
    )
    assert sum(part.energy_j for part in sample.parts) == sample.energy_j


def test_an_earlier_agent_tells_no_parts() -> None:
    assert polled(LINE).power[0].parts == ()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([GPU], "expected parts of 500.0 J in all, found 400.5 J"),
        ([GPU, {**CPU, "energy_j": -99.5}], "greater than or equal to 0"),
        ([GPU, {**CPU, "energy_j": "much"}], "valid number"),
        ([GPU, {**CPU, "uncertainty": "guessed"}], "'counter', 'integrated' or 'model'"),
        ([GPU, {**CPU, "device": "fan"}], "should match pattern"),
        ([GPU, {**CPU, "meter": ""}], "at least 1 character"),
    ],
)
def test_parts_that_cannot_be_are_refused(parts: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(GaError, match="expected a telemetry record") as raised:
        polled({**LINE, "parts": parts})
    assert said in str(raised.value)


def test_a_modelled_machine_tells_its_whole_energy_as_one_part() -> None:
    spec = StartSpec(
        generation=1,
        site="oslo",
        command="true",
        signal="SIGUSR1",
        grace_s=60,
        sample_s=5,
        power=PowerModel(idle_w=100, busy_w=300),
        epoch_s=0.0,
    )
    run = ModelledRun(
        model=TrainerModel(steps_per_s=1, total_steps=20, checkpoint_every_steps=7),
        faults=Faults(),
        spec=spec,
        first_step=0,
        started_s=0.0,
        saved=lambda step: f"step-{step:09d}",
    )
    run.advance(100.0)
    power = polled(*run.records).power
    assert len(power) > 5
    for sample in power:
        assert sample.parts == (
            EnergyPart(device="host", energy_j=sample.energy_j, meter="model", uncertainty="model"),
        )


def test_the_binding_that_travels_is_one_file_of_python_3_8() -> None:
    compile(nvml_binding_source(), "ga_pynvml.py", "exec", dont_inherit=True)
    assert b"def nvmlDeviceGetTotalEnergyConsumption(" in nvml_binding_source()
