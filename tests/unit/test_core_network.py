"""Energy and emissions of bytes on the network: hand-worked cases in tests/data/core/network.yaml."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gacli.core.network import KWH_PER_GB, NetworkUse, Range, network_use

CASES = yaml.safe_load((Path(__file__).parent.parent / "data" / "core" / "network.yaml").read_text(encoding="utf-8"))

_sizes = st.integers(0, 10**15)
_intensities = st.floats(0, 2000)


def _values(found: Range) -> list[float]:
    return [found.low, found.default, found.high]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_hand_worked(case: dict[str, Any]) -> None:
    use = network_use(*case["args"])
    assert use.moved_bytes == case["args"][0]
    assert _values(use.energy_kwh) == pytest.approx(case["kwh"])
    assert _values(use.emissions_g) == pytest.approx(case["g"])


def test_own_energy_per_byte() -> None:
    use = network_use(2 * 10**9, 100, 300, Range(low=0.01, default=0.02, high=0.02))
    assert _values(use.emissions_g) == pytest.approx([4, 8, 8])


@given(_sizes, _sizes, _intensities, _intensities)
def test_two_transfers_are_as_much_as_one(first: int, second: int, source: float, target: float) -> None:
    parts = network_use(first, source, target) + network_use(second, source, target) + NetworkUse()
    whole = network_use(first + second, source, target)
    assert parts.moved_bytes == whole.moved_bytes
    assert _values(parts.energy_kwh) == pytest.approx(_values(whole.energy_kwh))
    assert _values(parts.emissions_g) == pytest.approx(_values(whole.emissions_g))


@given(_sizes, _intensities, _intensities)
def test_the_default_lies_in_its_range_and_the_direction_does_not_matter(
    size: int, source: float, target: float
) -> None:
    use = network_use(size, source, target)
    assert use.emissions_g.low <= use.emissions_g.default <= use.emissions_g.high
    assert use == network_use(size, target, source)


def test_the_shipped_range() -> None:
    assert _values(KWH_PER_GB) == [0.001, 0.007, 0.06]


@pytest.mark.parametrize(
    ("low", "default", "high"), [(-1, 0, 1), (2, 1, 3), (1, 3, 2), (0, 1, math.inf), (0, math.nan, 1)]
)
def test_impossible_ranges(low: float, default: float, high: float) -> None:
    with pytest.raises(ValueError, match="low <= default <= high"):
        Range(low=low, default=default, high=high)


@pytest.mark.parametrize(
    ("args", "name"),
    [((-1, 0, 0), "moved_bytes"), ((1, -1, 0), "source_g_per_kwh"), ((1, 0, math.nan), "target_g_per_kwh")],
)
def test_impossible_quantities(args: tuple[int, float, float], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be finite and at least 0"):
        network_use(*args)
