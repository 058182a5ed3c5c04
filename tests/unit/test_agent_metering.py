"""The agent's meter on stand-in GPUs: by the best way there is, device by device, and said so."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import support.nvml as stand_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.nvml import (
    NVML_ERROR_DRIVER_NOT_LOADED,
    NVML_ERROR_LIBRARY_NOT_FOUND,
    NVML_ERROR_NO_PERMISSION,
    NVML_ERROR_NOT_SUPPORTED,
    NVML_ERROR_UNKNOWN,
    Gpu,
    Nvml,
    module,
)

from ga_playbooks.agent import gpu, gpu_meter, nvml
from ga_playbooks.agent.gpu_meter import GpuMeter, open_gpus
from ga_playbooks.agent.host_model import HostModel
from ga_playbooks.agent.nvml import NvmlSource
from ga_playbooks.agent.power import Meter, open_meter
from ga_playbooks.agent.rapl import RaplMeter

POWER = {"idle_w": 100.0, "busy_w": 400.0}
NO_COUNTER = {"energy": NVML_ERROR_NOT_SUPPORTED}
MUTE = {"energy": NVML_ERROR_NOT_SUPPORTED, "power": NVML_ERROR_NO_PERMISSION}


class Bench:
    """GPUs under a meter, on a clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        self.told += [] if text in self.told else [text]

    def meter(self, *gpus: Gpu) -> GpuMeter:
        source = NvmlSource(Nvml(list(gpus), now_s=lambda: self.now_s), self.tell)
        return GpuMeter(source, 1.0, 0.0, self.tell)

    def take(self, meter: GpuMeter, after_s: float) -> list[Any]:
        """Its parts `after_s` later, by a reading of that instant."""
        self.now_s += after_s
        meter.read()
        return meter.take()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    # An agent loads its binding under this name for good: here it is only lent.
    monkeypatch.setitem(sys.modules, "pynvml", importlib.import_module("pynvml"))
    bench = Bench()
    for part in (nvml, gpu_meter, gpu):
        monkeypatch.setattr(part, "monotonic_s", lambda: bench.now_s)
    return bench


def brief(parts: list[Any]) -> list[tuple[str, float, str, str]]:
    return [(part["device"], round(part["energy_j"], 2), part["meter"], part["uncertainty"]) for part in parts]


def test_the_stand_in_is_like_the_binding() -> None:
    pynvml = importlib.import_module("pynvml")
    for code, text in stand_in.TEXTS.items():
        assert str(pynvml.NVMLError(code)) == text
        assert pynvml.NVMLError(code).value == stand_in.NVMLError(code).value == code
    names = {name for name in vars(stand_in) if name.startswith("NVML_")}
    assert {name: getattr(pynvml, name) for name in names} == {name: getattr(stand_in, name) for name in names}
    assert all(callable(getattr(pynvml, name)) for name in dir(Nvml) if name.startswith("nvml"))
    assert {name for name in vars(Nvml) if name.startswith("NVML")} <= set(vars(pynvml))


@pytest.mark.parametrize(
    ("unit", "expected", "told"),
    [
        (Gpu(), ("gpu0", 600.0, "nvml", "counter"), ""),
        (Gpu(power_w=[(0.0, 100.0), (1.0, 500.0)]), ("gpu0", 600.0, "nvml", "counter"), ""),
        (Gpu(refused=NO_COUNTER), ("gpu0", 600.0, "nvml", "integrated"), "its energy: Not Supported"),
        (
            Gpu(power_w=[(0.0, 100.0), (1.0, 500.0)], refused=NO_COUNTER),
            ("gpu0", 600.0, "nvml", "integrated"),
            "energy",
        ),
        (Gpu(mig=True), ("gpu0", 600.0, "nvml-mig", "counter"), "divided by MIG"),
        (Gpu(mig=True, refused=NO_COUNTER), ("gpu0", 600.0, "nvml-mig", "integrated"), "divided by MIG"),
        (Gpu(mig=False), ("gpu0", 600.0, "nvml", "counter"), ""),
        (Gpu(reset_at_s=1.0), ("gpu0", 600.0, "nvml", "integrated"), ""),
        (Gpu(lost_at_s=1.0), ("gpu0", 600.0, "model", "model"), "GPU is lost"),
        (Gpu(refused={"power": NVML_ERROR_NO_PERMISSION}), ("gpu0", 600.0, "nvml", "counter"), "Permissions"),
        (Gpu(refused={"utilisation": NVML_ERROR_NOT_SUPPORTED}), ("gpu0", 600.0, "nvml", "counter"), "utilisation"),
    ],
    ids=[
        "counter",
        "counter, changing power",
        "no counter",
        "no counter, changing power",
        "MIG",
        "MIG without a counter",
        "MIG switched off",
        "a counter that is set back",
        "off the bus",
        "power may not be read",
        "no utilisation",
    ],
)
def test_a_gpu_is_metered_by_the_best_that_it_tells(
    bench: Bench, unit: Gpu, expected: tuple[str, float, str, str], told: str
) -> None:
    meter = bench.meter(unit)
    assert meter.works
    assert brief(bench.take(meter, 2.0)) == [expected]
    assert told in "".join(bench.told)
    assert bool(told) == bool(bench.told)


def test_a_counter_counts_again_after_it_was_set_back(bench: Bench) -> None:
    meter = bench.meter(Gpu(reset_at_s=1.5))
    taken = [part for _ in range(4) for part in bench.take(meter, 1.0)]
    assert [part["uncertainty"] for part in taken] == ["counter", "integrated", "counter", "counter"]
    assert sum(part["energy_j"] for part in taken) == pytest.approx(4 * 300.0)


def test_a_gpu_that_falls_off_the_bus_is_modelled_by_its_last_power_and_told_once(bench: Bench) -> None:
    meter = bench.meter(Gpu(lost_at_s=1.5), Gpu(power_w=[(0.0, 100.0)], percent=20))
    assert brief(bench.take(meter, 1.0))[0] == ("gpu0", 300.0, "nvml", "counter")
    for _ in range(3):
        assert brief(bench.take(meter, 1.0)) == [
            ("gpu0", 300.0, "model", "model"),
            ("gpu1", 100.0, "nvml", "counter"),
        ]
    assert meter.percent == 20
    assert [line for line in bench.told if "tells nothing" in line] == [
        "gpu0: tells nothing: its energy is modelled while that lasts"
    ]


def test_a_gpu_that_never_tells_anything_draws_what_the_others_do(bench: Bench) -> None:
    no_handle = Gpu(refused={"handle": NVML_ERROR_NO_PERMISSION})
    meter = bench.meter(Gpu(), Gpu(refused=MUTE), Gpu(power_w=[(0.0, 100.0)]), no_handle)
    assert brief(bench.take(meter, 1.0)) == [
        ("gpu0", 300.0, "nvml", "counter"),
        ("gpu1", 200.0, "model", "model"),
        ("gpu2", 100.0, "nvml", "counter"),
        ("gpu3", 200.0, "model", "model"),
    ]


def test_what_a_gpu_may_not_say_is_not_asked_for_again(bench: Bench) -> None:
    unit = Gpu(refused=NO_COUNTER)
    meter = bench.meter(unit)
    unit.refused = {}  # would be answered now
    assert bench.take(meter, 1.0)[0]["uncertainty"] == "integrated"


def test_an_error_that_passes_is_bridged_by_the_counter(bench: Bench) -> None:
    unit = Gpu(power_w=[(0.0, 100.0), (2.0, 200.0)])
    meter = bench.meter(unit)
    unit.refused = {"energy": NVML_ERROR_UNKNOWN, "power": NVML_ERROR_UNKNOWN}
    assert brief(bench.take(meter, 1.0)) == [("gpu0", 100.0, "model", "model")]
    assert brief(bench.take(meter, 2.0)) == [("gpu0", 200.0, "model", "model")]
    unit.refused = {}
    assert brief(bench.take(meter, 1.0)) == [("gpu0", 300.0, "nvml", "counter")]


def test_whatever_a_binding_raises_the_meter_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = bench.meter(Gpu())
    monkeypatch.setattr(Nvml, "nvmlDeviceGetTotalEnergyConsumption", lambda *_: 1 / 0)
    assert brief(bench.take(meter, 1.0)) == [("gpu0", 300.0, "model", "model")]
    assert "ZeroDivisionError" in bench.told[0]


SMI = "150.5, 40, 1000\n249.5, [N/A], 2000\n"


@pytest.mark.parametrize(
    ("binding", "output", "expected"),
    [
        ([Gpu()], SMI, [("gpu0", 0.0, "nvml", "counter")]),
        (NVML_ERROR_DRIVER_NOT_LOADED, SMI, "smi"),
        (NVML_ERROR_LIBRARY_NOT_FOUND, SMI, "smi"),
        ("import nothing_of_this_name", SMI, "smi"),
        ("this is not Python", SMI, "smi"),
        (None, SMI, "smi"),
        ([], SMI, "smi"),
        ([Gpu(refused=MUTE)], SMI, "smi"),
        ([Gpu(refused=MUTE)], "[N/A], [N/A], 5\n", None),
        (None, "", None),
        (None, "nonsense", None),
        (None, "nan, 3, 4", None),
    ],
)
def test_where_nvml_fails_its_program_is_asked(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binding: Any, output: str, expected: Any
) -> None:
    path = tmp_path / "lib" / "ga_pynvml.py"
    path.parent.mkdir()
    if isinstance(binding, int):
        path.write_bytes(module([], binding))
    elif isinstance(binding, list):
        path.write_bytes(module(binding))
    elif binding is not None:
        path.write_text(binding)
    monkeypatch.setattr(gpu, "nvidia_smi", lambda *_: output)
    meter = open_gpus(str(path.parent), 0.2, bench.tell)
    if expected is None:
        assert meter is None
        assert "cannot be metered" in bench.told[-1]
        return
    assert meter is not None
    if expected == "smi":
        assert "NVML" in "".join(bench.told) or binding in ([], [Gpu(refused=MUTE)])
        assert brief(bench.take(meter, 2.0)) == [
            ("gpu0", 301.0, "nvidia-smi", "integrated"),
            ("gpu1", 499.0, "nvidia-smi", "integrated"),
        ]
        assert meter.percent == 40.0
    else:
        assert [part["meter"] for part in meter.take()] == ["nvml"]


CUTS = st.lists(st.floats(0.01, 20), max_size=12)


@given(
    st.lists(st.tuples(st.floats(0.1, 30), st.floats(0, 700)), min_size=1, max_size=5),
    CUTS,
    st.none() | st.floats(0.1, 50),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_sampling_finer_changes_nothing_of_a_counted_gpu(
    bench: Bench, stretches: list[tuple[float, float]], cuts: list[float], reset_at_s: float | None
) -> None:
    """Whatever the load: what is handed out is what was used. Set back, the power of two readings stands in."""
    at_s, power_w = 0.0, []
    for span_s, watts in stretches:
        power_w.append((at_s, watts))
        at_s += span_s
    unit = Gpu(power_w=power_w, reset_at_s=reset_at_s)
    meter, began_s = bench.meter(unit), bench.now_s
    parts = [part for cut_s in [*cuts, 1.0] for part in bench.take(meter, cut_s)]
    assert min(part["energy_j"] for part in parts) >= 0
    used_j = unit.used_j(0.0, bench.now_s - began_s)
    if all(part["uncertainty"] == "counter" for part in parts):
        assert sum(part["energy_j"] for part in parts) == pytest.approx(used_j, abs=0.01)


@given(CUTS, st.floats(0, 700))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_sampling_finer_changes_nothing_of_a_steady_gpu_without_a_counter(
    bench: Bench, cuts: list[float], watts: float
) -> None:
    meter = bench.meter(Gpu(power_w=[(0.0, watts)], refused=NO_COUNTER))
    parts = [part for cut_s in [*cuts, 1.0] for part in bench.take(meter, cut_s)]
    assert sum(part["energy_j"] for part in parts) == pytest.approx(watts * (sum(cuts) + 1.0), abs=0.03 * len(parts))


UNITS = st.builds(
    Gpu,
    power_w=st.floats(0, 700).map(lambda watts: [(0.0, watts)]),
    mig=st.none() | st.booleans(),
    reset_at_s=st.none() | st.floats(0, 20),
    lost_at_s=st.none() | st.floats(1, 20),
    refused=st.sampled_from([{}, NO_COUNTER, MUTE]),
)


@given(st.lists(UNITS, max_size=4), st.sampled_from([(), ("package-0",), ("package-0", "dram")]), CUTS, st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_parts_are_the_whole_and_say_what_they_are(
    bench: Bench, tmp_path: Path, gpus: list[Gpu], zones: tuple[str, ...], spans: list[float], stated: bool
) -> None:
    root = tmp_path / str(len(zones))
    counters = [root / f"intel-rapl:{number}" / "energy_uj" for number in range(len(zones))]
    for counter, name in zip(counters, zones, strict=True):
        counter.parent.mkdir(parents=True, exist_ok=True)
        (counter.parent / "name").write_text(name)
        (counter.parent / "max_energy_range_uj").write_text("1000000000")
        counter.write_text("0")
    metered = bench.meter(*gpus)
    rapl = RaplMeter(bench.tell, str(root))
    meter = Meter({**POWER, "stated": stated}, metered if gpus else None, rapl, HostModel(bench.tell))
    for number, span_s in enumerate(spans, 1):
        bench.now_s += span_s
        metered.read()
        for counter in counters:
            counter.write_text(str(number * 1_234_567))
        sample = meter.take(span_s, 0.3 * span_s)
        parts = sample["parts"]
        assert sample["energy_j"] == sum(part["energy_j"] for part in parts)
        assert min(part["energy_j"] for part in parts) >= 0
        assert sample["modelled"] == any(part["meter"] == "model" for part in parts)
        assert all((part["meter"] == "model") == (part["uncertainty"] == "model") for part in parts)
        assert set(sample["meter"].split("+")) == {part["meter"] for part in parts}
        devices = [part["device"] for part in parts]
        if not gpus and not zones and stated:
            assert devices == ["host"]
        else:
            assert devices == [*(f"gpu{index}" for index in range(len(gpus))), "cpu", "dram"]
            assert [part["meter"] for part in parts[len(gpus) :]] == [
                "rapl" if any(zone.startswith(name) for zone in zones) else "model" for name in ("package", "dram")
            ]


def test_the_sites_model_is_taken_where_it_is_stated_and_nothing_is_metered(tmp_path: Path) -> None:
    rapl = RaplMeter(lambda _: None, str(tmp_path))
    host = HostModel(lambda _: None)
    assert Meter(POWER, None, rapl, host).take(10.0, 4.0) == {
        "energy_j": 100.0 * 10 + 300.0 * 4,
        "meter": "model",
        "modelled": True,
        "gpu_percent": None,
        "parts": [{"device": "host", "energy_j": 2200.0, "meter": "model", "uncertainty": "model"}],
    }
    unstated = Meter({**POWER, "stated": False}, None, rapl, host).take(10.0, 4.0)
    assert [part["device"] for part in unstated["parts"]] == ["cpu", "dram"]


@pytest.mark.parametrize(("ga_meter", "gpus"), [("model", 0), ("model", 2), ("", 2)])
def test_gpus_that_cannot_be_read_are_never_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bench: Bench, ga_meter: str, gpus: int
) -> None:
    """By the site's model, stated or not: it is of the whole machine."""
    monkeypatch.setenv("GA_METER", ga_meter)
    monkeypatch.setattr(gpu, "nvidia_smi", lambda *_: "")
    meter = open_meter({**POWER, "stated": False}, gpus, 1.0, str(tmp_path), bench.tell)
    meter.begin()
    assert [part["device"] for part in meter.take(1.0, 0.0)["parts"]] == ["host"]
    assert bool(bench.told) == (ga_meter != "model")
