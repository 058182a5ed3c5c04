"""What a move is expected to cost: hand-worked cases in tests/data/core/move_cost.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gacli.core.move_cost import move_cost
from gacli.core.site import PowerModel, Site

CASES = yaml.safe_load((Path(__file__).parent.parent / "data" / "core" / "move_cost.yaml").read_text(encoding="utf-8"))


def _site(told: list[float] | None) -> Site | None:
    if told is None:
        return None
    pue, idle_w = told
    return Site(name="any", provider="mock", zone="DE", pue=pue, power=PowerModel(idle_w=idle_w, busy_w=5000))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_cost(case: dict[str, Any]) -> None:
    target = _site(case["target"])
    assert target is not None
    cost = move_cost(source=_site(case["source"]), target=target, **case["args"])
    assert (cost.boot_s, cost.downtime_s) == (case["expect"]["boot_s"], case["expect"]["downtime_s"])
    assert cost.overhead_g == pytest.approx(case["expect"]["overhead_g"])


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("source_intensity_g_per_kwh", -1, "at least 0"),
        ("target_intensity_g_per_kwh", float("nan"), "at least 0"),
        ("boot_s", -1, "at least 0"),
        ("checkpoint_s", float("inf"), "at least 0"),
        ("checkpoint_bytes", -1, "at least 0"),
        ("bandwidth_bytes_per_s", 0, "above 0"),
        ("bandwidth_bytes_per_s", float("inf"), "above 0"),
        ("restart_s", -1, "at least 0"),
    ],
)
def test_impossible_quantities(name: str, value: float, expected: str) -> None:
    site = _site([1.2, 60])
    assert site is not None
    with pytest.raises(ValueError, match=f"^{name} must be finite and {expected}, found {value}$"):
        move_cost(source=site, target=site, **{**CASES[0]["args"], name: value})
