"""Metering by a real agent: the binding is pushed to a machine with a driver, and GPUs are read through it."""

from __future__ import annotations

import ctypes.util
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.gpu_place import Place, gpu_place
from support.nvml import NVML_ERROR_DRIVER_NOT_LOADED, NVML_ERROR_NOT_SUPPORTED, Gpu, module

from ga_playbooks import prepare
from ga_playbooks.agent import usage
from ga_playbooks.bundle import nvml_binding_source
from gacli.ports.machine import PowerSample

BINDING = Path("lib") / "ga_pynvml.py"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with gpu_place(tmp_path, monkeypatch) as place:
        yield place


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has `prepare` push a stand-in of these GPUs for the binding."""

    def push(*gpus: Gpu, init_error: int | None = None) -> None:
        monkeypatch.setattr(prepare, "nvml_binding_source", lambda: module(list(gpus), init_error))

    return push


def of(device: str, power: list[PowerSample]) -> list[Any]:
    return [part for sample in power for part in sample.parts if part.device == device]


def duration_s(power: list[PowerSample]) -> float:
    return power[-1].end_s - power[0].start_s


def test_the_binding_is_pushed_once_and_only_where_there_is_a_driver(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.prepare()
    pushed = place.job / BINDING
    assert pushed.read_bytes() == nvml_binding_source()
    written = pushed.stat()
    place.prepare()
    assert pushed.stat().st_ino == written.st_ino
    pushed.write_text("damaged")
    place.prepare()
    assert pushed.read_bytes() == nvml_binding_source()
    pushed.unlink()
    monkeypatch.setenv("GA_METER", "model")
    place.prepare()
    assert not pushed.exists()


def test_scripts_do_not_find_it(place: Place) -> None:
    """They may bring another version of the module, and the folder is on their path for the helper."""
    place.prepare()
    finding = 'import ga_trainer, importlib.util as u; s = u.find_spec("pynvml"); print(s.origin if s else "none")'
    place.start(f"python3 -c '{finding}'")
    place.wait()
    ended = place.ended()
    assert ended is not None
    assert ended.exit_code == 0
    assert str(place.job) not in ended.tail


def test_two_gpus_are_metered_by_their_counters_and_by_power(place: Place, stand_in: Callable[..., None]) -> None:
    stand_in(Gpu(), Gpu(power_w=[(0.0, 120.0)], mig=True, refused={"energy": NVML_ERROR_NOT_SUPPORTED}))
    place.prepare()
    place.start("sleep 1.5")
    power = place.wait()
    for sample in power:
        assert [(part.device, part.meter, part.uncertainty) for part in sample.parts[:2]] == [
            ("gpu0", "nvml", "counter"),
            ("gpu1", "nvml-mig", "integrated"),
        ]
        assert [part.device for part in sample.parts[2:]] == ["cpu", "dram"]
        assert sum(part.energy_j for part in sample.parts) == pytest.approx(sample.energy_j)
        assert sample.gpu_percent == 50.0
    # The last reading is later than the last sample's end by what an answer takes.
    for device, watts in (("gpu0", 300.0), ("gpu1", 120.0)):
        used_j = sum(part.energy_j for part in of(device, power))
        assert used_j == pytest.approx(watts * duration_s(power), rel=0.05)
    assert [line for line in place.log if line.startswith("gpu")] == [
        "gpu1: divided by MIG: its figures are those of the whole GPU",
        "gpu1: NVML does not tell its energy: Not Supported",
    ]


def test_a_gpu_that_falls_off_the_bus_is_modelled_and_told_once(place: Place, stand_in: Callable[..., None]) -> None:
    stand_in(Gpu(), Gpu(lost_at_s=1.0))
    place.prepare()
    place.start("sleep 60")
    power = place.wait(lambda power: len([part for part in of("gpu1", power) if part.meter == "model"]) > 3)
    place.machine.request_stop("job-1", 1, signal="SIGUSR1", grace_s=20)
    meters = [part.meter for part in of("gpu1", power)]
    assert meters == sorted(meters, reverse=True)  # nvml, then model
    assert {part.meter for part in of("gpu0", power)} == {"nvml"}
    assert {sample.meter for sample in power if sample.parts[1].meter == "model"} <= {"nvml+model", "nvml+model+rapl"}
    assert len([line for line in place.log if line.startswith("gpu1: tells nothing")]) == 1


def test_a_wedged_driver_delays_no_signal(place: Place, stand_in: Callable[..., None]) -> None:
    stand_in(Gpu(wedged_at_s=0.5))
    place.prepare()
    place.start("trap 'exit 75' USR1; while :; do sleep 0.1; done")
    place.wait(lambda power: duration_s(power) > 2 if power else False)
    place.machine.request_stop("job-1", 1, signal="SIGUSR1", grace_s=20)
    power = place.wait()
    ended = place.ended()
    assert ended is not None
    assert (ended.exit_code, ended.forced) == (75, False)
    # Its last power goes on, and from then on no sample waits.
    assert sum(part.energy_j for part in of("gpu0", power)) == pytest.approx(300.0 * duration_s(power), rel=0.05)
    assert [line for line in place.log if "no reading within" in line] == [
        "GPUs: no reading within 0.05 s: samples go on without"
    ]


def test_where_nvml_fails_the_drivers_program_is_asked(place: Place, stand_in: Callable[..., None]) -> None:
    stand_in(Gpu(), init_error=NVML_ERROR_DRIVER_NOT_LOADED)
    place.prepare()
    place.start("sleep 0.5")
    power = place.wait()
    assert {(part.device, part.meter, part.uncertainty) for sample in power for part in sample.parts[:2]} == {
        ("gpu0", "nvidia-smi", "integrated"),
        ("gpu1", "nvidia-smi", "integrated"),
    }
    assert place.log[0] == "NVML cannot be used: NVMLError: Driver Not Loaded"


@pytest.mark.skipif(ctypes.util.find_library("nvidia-ml") is not None, reason="this machine has NVML")
def test_the_real_binding_loads_in_an_agent_and_says_that_there_is_no_library(place: Place) -> None:
    place.prepare()
    place.start("sleep 0.5")
    power = place.wait()
    assert {part.meter for part in of("gpu0", power)} == {"nvidia-smi"}
    assert place.log[0].startswith("NVML cannot be used: NVMLError_LibraryNotFound")


def test_a_machine_without_gpus_uses_the_sites_model_or_its_own_counters(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    place.prepare()
    place.start("sleep 0.5")
    power = place.wait()
    devices = {tuple(part.device for part in sample.parts) for sample in power}
    assert devices in ({("host",)}, {("cpu", "dram")})
    assert sum(sample.energy_j for sample in power) > 0


def test_whose_processes_are_the_trainers_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's number is remembered, but not for ever: its program may be replaced by one of the trainer's."""
    now_s = 0.0
    monkeypatch.setattr(usage, "monotonic_s", lambda: now_s)
    looking, folder = usage.Usage(str(tmp_path)), str(tmp_path)
    child = {**os.environ, "GA_RUN_DIR": folder + "/deeper"}
    command = ["sh", "-c", f"read line; GA_RUN_DIR={folder} exec cat"]
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, env=child, start_new_session=True) as mine,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as late,
    ):
        try:
            assert {process.pid for process in looking.members(-1)} == {mine.pid}
            assert late.stdin is not None
            assert late.stdout is not None
            late.stdin.write(b"go\nhello\n")
            late.stdin.flush()
            assert late.stdout.readline() == b"hello\n"  # now it is another program
            assert {process.pid for process in looking.members(-1)} == {mine.pid}
            assert {process.pid for process in looking.members(os.getsid(late.pid))} == {mine.pid}
            now_s = usage.FORGET_S
            assert {process.pid for process in looking.members(-1)} == {mine.pid, late.pid}
        finally:
            mine.kill()
            late.kill()
