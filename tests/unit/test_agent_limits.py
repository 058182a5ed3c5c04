"""GPUs under a job's limits: within what they offer, and as they were found in the end, whatever happened between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.nvml import NVML_ERROR_GPU_IS_LOST, NVML_ERROR_NO_PERMISSION, NVML_ERROR_NOT_SUPPORTED, Gpu, Nvml

from ga_playbooks.agent.limits import MachineLimits, record_path


def limits(nvml: Nvml, home: Path, job: str = "job-1") -> MachineLimits:
    folder = home / "jobs" / job
    folder.mkdir(parents=True, exist_ok=True)
    found = MachineLimits(nvml, str(folder))
    assert found.hold()
    return found


def nothing() -> None:
    """No guard."""


@pytest.mark.parametrize(
    ("power_w", "clock_mhz", "told", "limit_w", "locked_mhz"),
    [
        (250.0, None, {"power_w": 250.0, "was_w": 300.0, "low": 100.0, "high": 350.0}, 250.0, None),
        (20.0, None, {"power_w": 100.0, "was_w": 300.0, "low": 100.0, "high": 350.0}, 100.0, None),
        (9000.0, None, {"power_w": 350.0, "was_w": 300.0, "low": 100.0, "high": 350.0}, 350.0, None),
        (None, 1200, {"clock_mhz": 1200, "was_w": None, "low": 210, "high": 1410}, 300.0, (210, 1200)),
        (None, 1300, {"clock_mhz": 1200, "was_w": None, "low": 210, "high": 1410}, 300.0, (210, 1200)),
        (None, 5, {"clock_mhz": 210, "was_w": None, "low": 210, "high": 1410}, 300.0, (210, 210)),
        (None, 9999, {"clock_mhz": 1410, "was_w": None, "low": 210, "high": 1410}, 300.0, (210, 1410)),
    ],
    ids=["power", "power below", "power above", "clock", "clock between", "clock below", "clock above"],
)
def test_limits_are_within_what_the_gpu_offers(
    tmp_path: Path,
    power_w: float | None,
    clock_mhz: int | None,
    told: dict[str, Any],
    limit_w: float,
    locked_mhz: tuple[int, int] | None,
) -> None:
    gpu = Gpu()
    under = limits(Nvml([gpu]), tmp_path)
    assert under.set(power_w, clock_mhz, nothing) == [{"device": "gpu0", **told}]
    assert (gpu.limit_w, gpu.locked_mhz) == (limit_w, locked_mhz)
    assert under.put_back() == [{"device": "gpu0", "power_w": 300.0 if power_w else None}]
    assert (gpu.limit_w, gpu.locked_mhz) == (300.0, None)
    assert not Path(record_path(str(tmp_path / "jobs" / "job-1"))).exists()


def test_what_was_found_is_on_the_disk_before_anything_changes(tmp_path: Path) -> None:
    gpu = Gpu()
    under = limits(Nvml([gpu]), tmp_path)
    seen = []

    def look() -> None:
        seen.append((gpu.limit_w, json.loads(Path(under.path).read_text())["gpus"]))

    under.set(200.0, None, look)
    assert seen == [(300.0, [{"uuid": "GPU-00000000", "power_limit_w": 300.0, "clocks": False}])]


def test_second_limit_is_set_on_what_was_found_first(tmp_path: Path) -> None:
    gpu = Gpu()
    under = limits(Nvml([gpu]), tmp_path)
    under.set(200.0, None, nothing)
    assert under.set(150.0, None, nothing)[0]["was_w"] == 300.0
    under.set(None, 810, nothing)
    assert (gpu.limit_w, gpu.locked_mhz) == (300.0, (210, 810))
    under.put_back()
    assert (gpu.limit_w, gpu.locked_mhz) == (300.0, None)


def test_gpus_that_refuse_are_told_and_the_others_limited(tmp_path: Path) -> None:
    gpus = [
        Gpu(refused={"set_limit": NVML_ERROR_NO_PERMISSION}),
        Gpu(),
        Gpu(refused={"limit": NVML_ERROR_NOT_SUPPORTED}),
        Gpu(refused={"handle": NVML_ERROR_GPU_IS_LOST}),
    ]
    under = limits(Nvml(gpus), tmp_path)
    told = {one["device"]: one.get("refused", one.get("power_w")) for one in under.set(200.0, None, nothing)}
    assert told == {
        "gpu0": "Insufficient Permissions",
        "gpu1": 200.0,
        "gpu2": "Not Supported",
        "gpu3": "GPU is lost",
    }
    assert [one["device"] for one in under.put_back()] == ["gpu1"]
    assert [gpu.limit_w for gpu in gpus] == [300.0] * 4


def test_without_permission_nothing_is_left_to_be_put_back(tmp_path: Path) -> None:
    under = limits(Nvml([Gpu(refused={"set_limit": NVML_ERROR_NO_PERMISSION})]), tmp_path)
    under.set(200.0, None, nothing)
    assert not Path(under.path).exists()


def test_what_cannot_be_put_back_stays_written_down(tmp_path: Path) -> None:
    gpu = Gpu()
    under = limits(Nvml([gpu]), tmp_path)
    under.set(200.0, None, nothing)
    gpu.refused["set_limit"] = NVML_ERROR_NO_PERMISSION
    assert under.put_back() == [{"device": "gpu0", "power_w": 300.0, "refused": "Insufficient Permissions"}]
    # Nor is anything set on top of it.
    assert under.set(150.0, None, nothing)[0]["refused"] == "Insufficient Permissions"
    gpu.refused.clear()
    under.put_back()
    assert gpu.limit_w == 300.0


def test_two_jobs_do_not_limit_the_same_gpus(tmp_path: Path) -> None:
    nvml = Nvml([Gpu()])
    first = limits(nvml, tmp_path)
    second = MachineLimits(nvml, str(tmp_path / "jobs" / "job-2"))
    assert not second.hold()
    first.let_go()
    assert second.hold()


step = st.one_of(
    st.tuples(st.just("power"), st.floats(1, 1000)),
    st.tuples(st.just("clock"), st.integers(1, 3000)),
    st.tuples(st.just("crash"), st.just(0)),
    st.tuples(st.just("crash inside"), st.floats(1, 1000)),
)


class Crash(Exception):
    """The agent dies."""


@given(found_w=st.lists(st.floats(100, 350), min_size=1, max_size=3), steps=st.lists(step, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_gpus_end_as_they_were_found(tmp_path: Path, found_w: list[float], steps: list[tuple[str, float]]) -> None:
    gpus = [Gpu(limit_w=round(watts, 3)) for watts in found_w]
    before = [gpu.limit_w for gpu in gpus]
    nvml = Nvml(gpus)
    under = limits(nvml, tmp_path)

    def die() -> None:
        raise Crash

    for what, value in steps:
        if what == "power":
            under.set(value, None, nothing)
        elif what == "clock":
            under.set(None, int(value), nothing)
        else:
            if what == "crash inside":
                with pytest.raises(Crash):
                    under.set(value, None, die)
            under.let_go()  # as the kernel does it
            under = limits(nvml, tmp_path, job="job-2")
    under.put_back()
    under.let_go()
    assert [gpu.limit_w for gpu in gpus] == before
    assert [gpu.locked_mhz for gpu in gpus] == [None] * len(gpus)
