"""Embodied shares: hand-worked cases in tests/data/core/embodied.yaml, and what must hold always."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gacli.core.embodied import Embodied, ReservedHardware, embodied_of, embodied_share_g
from gacli.core.hardware import HARDWARE, LIFE_S, SERVER, Hardware, gpu_named

CASES = yaml.safe_load((Path(__file__).parent.parent / "data" / "core" / "embodied.yaml").read_text(encoding="utf-8"))
MACHINE = ReservedHardware(gpu="NVIDIA H100 80GB HBM3", gpus=8)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_hand_worked(case: dict[str, Any]) -> None:
    reserved = ReservedHardware(gpu=case["gpu"], gpus=case["gpus"], server_share=case["server_share"])
    embodied = embodied_of(reserved, case["held_h"] * 3600)
    assert {part.hardware.name: part.emissions_g for part in embodied.parts} == pytest.approx(case["parts"])
    assert embodied.emissions_g == pytest.approx(sum(case["parts"].values()))
    assert embodied.unknown == tuple(case.get("unknown", []))


def test_figures_can_be_replaced() -> None:
    own = Hardware(name="own", embodied_kg=1000, source="our supplier", life_s=2 * LIFE_S)
    embodied = embodied_of(ReservedHardware(gpu="Own 9000", gpus=2), LIFE_S / 1000, {"own": own})
    # Without a figure for the server none is counted.
    assert [(part.hardware.source, part.emissions_g) for part in embodied.parts] == [("our supplier", 1000)]


def test_the_longest_of_several_names_counts() -> None:
    table = {name: Hardware(name=name, embodied_kg=1, source="") for name in ("H100", "H100 PCIe", SERVER)}
    assert gpu_named("NVIDIA H100 PCIe", table) is table["H100 PCIe"]
    assert gpu_named("nvidia h100 80gb", table) is table["H100"]
    assert gpu_named("server", table) is None


def test_every_figure_has_a_source() -> None:
    assert all(hardware.source and hardware.name == name for name, hardware in HARDWARE.items())


@given(st.floats(0, 1e8), st.floats(0, 1), st.floats(0, 64))
def test_splitting_the_time_changes_nothing(held_s: float, share: float, gpus: float) -> None:
    reserved = ReservedHardware(gpu="H100", gpus=gpus, server_share=0.5)
    whole = embodied_of(reserved, held_s)
    parts = embodied_of(reserved, held_s * share) + embodied_of(reserved, held_s - held_s * share)
    assert parts.emissions_g == pytest.approx(whole.emissions_g, rel=1e-9, abs=1e-9)


@given(st.lists(st.floats(0, 1e7), max_size=8))
def test_the_sum_of_instances_is_the_sum_of_their_parts(held: list[float]) -> None:
    total = sum((embodied_of(MACHINE, held_s) for held_s in held), Embodied())
    assert total.emissions_g == pytest.approx(embodied_of(MACHINE, sum(held)).emissions_g)
    assert total.emissions_g == pytest.approx(sum(part.emissions_g for part in total.parts))


def test_unknown_hardware_is_named_once() -> None:
    one = embodied_of(ReservedHardware(gpu="Tesla T4", gpus=1), 60)
    assert (one + one).unknown == ("Tesla T4",)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_impossible_quantities(value: float) -> None:
    with pytest.raises(ValueError, match="reserved_s must be finite and at least 0"):
        embodied_share_g(HARDWARE[SERVER], reserved_s=value, share=1)
    with pytest.raises(ValueError, match="share must be finite and at least 0"):
        embodied_share_g(HARDWARE[SERVER], reserved_s=1, share=value)
    with pytest.raises(ValueError, match="gpus must be finite and at least 0"):
        ReservedHardware(gpus=value)
    with pytest.raises(ValueError, match="server_share must be above 0 and at most 1"):
        ReservedHardware(server_share=value)
    with pytest.raises(ValueError, match="embodied_kg of x must be finite and at least 0"):
        Hardware(name="x", embodied_kg=value, source="")
    with pytest.raises(ValueError, match="life_s of x must be finite and above 0"):
        Hardware(name="x", embodied_kg=1, source="", life_s=value)
