"""Processors and memory: RAPL's files, and the model that stands for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_playbooks.agent.host_model import HostModel, cpu_facts, tdp
from ga_playbooks.agent.rapl import RaplMeter
from ga_playbooks.agent.telling import once

RANGE_UJ = 1_000_000_000
CPUINFO = """processor\t: 0
vendor_id\t: {vendor}
cpu family\t: {family}
model\t\t: {model}
siblings\t: {siblings}
cpu cores\t: {cores}
flags\t\t: fpu {flags}

processor\t: 1
vendor_id\t: SomebodyElse
"""


def rapl_zone(root: Path, zone: str, name: str, energy_uj: int) -> Path:
    folder = root / zone
    folder.mkdir(exist_ok=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    return folder / "energy_uj"


def test_rapl_tells_packages_and_memory_and_survives_the_wrap(tmp_path: Path) -> None:
    package = rapl_zone(tmp_path, "intel-rapl:0", "package-0", 999_000_000)
    other = rapl_zone(tmp_path, "intel-rapl:2", "package-1", 0)
    memory = rapl_zone(tmp_path, "intel-rapl:0:1", "dram", 5_000_000)
    rapl_zone(tmp_path, "intel-rapl:0:0", "core", 7)  # a part of the package
    rapl_zone(tmp_path, "intel-rapl:1", "psys", 7)  # holds the package
    meter = RaplMeter(once(), str(tmp_path))
    package.write_text("2000000\n")
    other.write_text("500000\n")
    memory.write_text("9000000\n")
    assert meter.take() == {"cpu": pytest.approx(3.5), "dram": pytest.approx(4.0)}
    assert meter.take() == {"cpu": 0.0, "dram": 0.0}


def test_no_rapl_is_no_meter_and_no_news(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert RaplMeter(once(), str(tmp_path)).take() == {}
    assert capsys.readouterr().err == ""


def test_counters_that_may_not_be_read_are_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for package in range(2):
        counter = rapl_zone(tmp_path, f"intel-rapl:{package}", f"package-{package}", 1)
        counter.unlink()
        counter.mkdir()  # opening it fails for root too
    assert RaplMeter(once(), str(tmp_path)).take() == {}
    assert capsys.readouterr().err == "RAPL cannot be read: Is a directory\n"


@pytest.mark.parametrize("after", [None, "", "none\n"], ids=["gone", "empty", "no number"])
def test_a_device_whose_counter_goes_away_is_left_out_and_the_other_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], after: str | None
) -> None:
    package = rapl_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    other = rapl_zone(tmp_path, "intel-rapl:1", "package-1", 0)
    memory = rapl_zone(tmp_path, "intel-rapl:0:1", "dram", 0)
    meter = RaplMeter(once(), str(tmp_path))
    other.unlink() if after is None else other.write_text(after)
    for total_uj in (1_000_000, 2_000_000):
        package.write_text(str(total_uj))
        memory.write_text(str(total_uj))
        assert meter.take() == {"dram": 1.0}
    assert capsys.readouterr().err.count("the counter of cpu has gone away") == 1


@given(st.lists(st.integers(0, RANGE_UJ - 1), min_size=1, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_rapl_is_never_negative_and_reading_oftener_changes_nothing(tmp_path: Path, steps_uj: list[int]) -> None:
    """Steps of less than the counter's range: more than one wrap between two readings nobody can see."""
    package = rapl_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter, total_uj, taken_j = RaplMeter(once(), str(tmp_path)), 0, []
    for step_uj in steps_uj:
        total_uj += step_uj
        package.write_text(str(total_uj % RANGE_UJ))
        taken_j.append(meter.take()["cpu"])
    assert min(taken_j) >= 0
    assert sum(taken_j) == pytest.approx(total_uj / 1e6)


def proc(folder: Path, facts: dict[str, object] | None = None, memory_kb: int = 1 << 20) -> str:
    given: dict[str, object] = {"vendor": "GenuineIntel", "family": 6, "model": 106, "flags": "hypervisor"}
    (folder / "cpuinfo").write_text(CPUINFO.format(**{**given, "siblings": 8, "cores": 4, **(facts or {})}))
    (folder / "meminfo").write_text(f"MemTotal:       {memory_kb} kB\nMemFree:        1 kB\n")
    return str(folder)


@pytest.mark.parametrize(
    ("facts", "threads", "tdp_w", "origin"),
    [
        ({}, 80, 270.0, "80 threads of Xeon Platinum 8380 (Ice Lake), rated at 270 W for 80"),
        ({}, 8, 27.0, "8 threads of Xeon"),
        ({"flags": "ht"}, 160, 540.0, "160 threads"),
        ({"flags": "ht", "siblings": 40, "cores": 40}, 40, 270.0, "80 threads"),
        ({"siblings": 40, "cores": 40}, 40, 135.0, "40 threads"),
        ({"vendor": "AuthenticAMD", "family": 25, "model": 1}, 16, 35.0, "EPYC 7763"),
        ({"model": 0}, 3, 12.0, "an unlisted processor, 4 W for each thread"),
        ({"model": "x"}, 3, 12.0, "an unlisted processor"),
    ],
    ids=[
        "a whole one",
        "a virtual machine's share",
        "two of them",
        "bare metal with one thread a core",
        "a virtual machine that shows one thread a core",
        "another maker",
        "unlisted",
        "no number",
    ],
)
def test_the_rating_goes_with_the_threads(
    tmp_path: Path, facts: dict[str, object], threads: int, tdp_w: float, origin: str
) -> None:
    proc(tmp_path, facts)
    found_w, found_origin = tdp(cpu_facts(str(tmp_path / "cpuinfo")), threads)
    assert found_w == pytest.approx(tdp_w)
    assert origin in found_origin


def test_a_machine_that_tells_nothing_has_a_model_too(tmp_path: Path) -> None:
    model = HostModel(once(), str(tmp_path))
    assert (model.tdp_w, model.dimms) == (4.0 * model.threads, 1)


@pytest.mark.parametrize(("load", "share"), [(0.0, 0.1), (0.5, 0.2125), (1.0, 1.0), (1.2, 1.0)])
def test_the_load_curve_and_what_it_rests_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], load: float, share: float
) -> None:
    model = HostModel(once(), proc(tmp_path))
    for _ in range(2):
        assert model.cpu_j(10.0, load * 10.0 * model.threads) == pytest.approx(model.tdp_w * share * 10.0)
    assert capsys.readouterr().err.count("cpu: modelled: ") == 1


@given(st.floats(0, 1), st.floats(0.1, 1000), st.integers(1, 50))
def test_a_steady_load_costs_the_same_however_finely_it_is_cut(load: float, duration_s: float, pieces: int) -> None:
    model = HostModel(lambda _: None)
    whole_j = model.cpu_j(duration_s, load * duration_s * model.threads)
    piece_s = duration_s / pieces
    cut_j = sum(model.cpu_j(piece_s, load * piece_s * model.threads) for _ in range(pieces))
    assert cut_j == pytest.approx(whole_j)


@pytest.mark.parametrize(("gib", "dimms"), [(0.5, 1), (31, 1), (33, 2), (251, 8), (2015, 63)])
def test_memory_is_modules_by_size(tmp_path: Path, gib: float, dimms: int) -> None:
    model = HostModel(once(), proc(tmp_path, memory_kb=int(gib * 2**20)))
    assert model.dram_j(3.0) == dimms * 5.0 * 3.0
