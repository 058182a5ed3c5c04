"""Each policy's answers to snapshots worked out by hand: tests/data/policies/<policy>.yaml."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.decision import Policy
from gacli.core.site import PowerModel, Site
from gacli.core.snapshot import MoveCost, SiteView, Snapshot
from gacli.policies.greenaccounter import GreenAccounter
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.stay import Stay

NOW = datetime(2024, 5, 2, 12, tzinfo=UTC)
DATA = Path(__file__).parent.parent / "data" / "policies"
POLICIES: dict[str, type[Stay] | type[Hysteresis] | type[GreenAccounter]] = {
    policy.name: policy for policy in (Stay, Hysteresis, GreenAccounter)
}


def _cases() -> list[Any]:
    return [
        pytest.param(file.stem, case, id=f"{file.stem}: {case['name']}")
        for file in sorted(DATA.glob("*.yaml"))
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))
    ]


def _view(name: str, told: dict[str, Any]) -> SiteView:
    values = told["hourly"]
    last = NOW + timedelta(hours=told.get("shift_h", 0))
    readings = [
        Reading(
            zone=name.upper(),
            at=last - timedelta(hours=len(values) - 1 - index),
            period_s=3600,
            intensity_g_per_kwh=value,
            signal=Signal(told.get("signals", ["average"] * len(values))[index]),
            scope=Scope(told.get("scope", "lifecycle")),
            quality=Quality(told.get("quality", "measured")),
            source=told.get("source", "test"),
            stand_in=told.get("stand_in", ""),
        )
        for index, value in enumerate(values)
        if value is not None
        for _ in range(told.get("repeat", 1))
    ]
    boot_s, downtime_s, overhead_g = told.get("move", (0, 0, 0))
    return SiteView(
        site=Site(
            name=name,
            provider="mock",
            zone=name.upper(),
            pue=told.get("pue", 1.2),
            power=PowerModel(idle_w=60, busy_w=told.get("busy_w", 300)),
        ),
        readings=tuple(readings),
        available="unavailable" not in told,
        unavailable_because=told.get("unavailable", ""),
        move=MoveCost(boot_s=boot_s, downtime_s=downtime_s, overhead_g=overhead_g) if "move" in told else None,
    )


def _snapshot(case: dict[str, Any]) -> Snapshot:
    held_s = case.get("held_s", 86_400)
    held = case["current"] is not None and held_s is not None
    return Snapshot(
        now=NOW,
        current=case["current"],
        held_since=NOW - timedelta(seconds=held_s) if held else None,
        sites=tuple(_view(name, told) for name, told in case["sites"].items()),
        remaining_s=case.get("remaining_s"),
        moves=0,
        max_reading_age_s=case.get("max_reading_age_s", 10_800),
        movable_because_not=case.get("movable_because_not", ""),
    )


@pytest.mark.parametrize(("policy_name", "case"), _cases())
def test_answer(policy_name: str, case: dict[str, Any]) -> None:
    policy: Policy = POLICIES[policy_name](**case.get("policy", {}))
    expected = case["expect"]
    decision = policy.decide(_snapshot(case))
    assert (decision.action, decision.target) == (expected["action"], expected.get("target")), decision.reason
    assert (decision.at, decision.policy) == (NOW, policy_name)
    assert decision.reason == expected.get("reason", decision.reason)
    for key, value in expected.get("numbers", {}).items():
        if isinstance(value, list):
            assert value[0] <= decision.numbers[key] <= value[1], key
        else:
            assert decision.numbers[key] == pytest.approx(value, rel=1e-9, abs=1e-9), key


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"margin_percent": -1}, "margin_percent must be at least 0 and below 100, found -1"),
        ({"margin_percent": 100}, "margin_percent must be at least 0 and below 100, found 100"),
        ({"margin_percent": float("nan")}, "margin_percent must be at least 0 and below 100, found nan"),
        ({"margin_g_per_kwh": -0.1}, "margin_g_per_kwh must be finite and at least 0, found -0.1"),
        ({"hold_readings": 0}, "hold_readings must be at least 1, found 0"),
        ({"dwell_s": float("inf")}, "dwell_s must be finite and at least 0, found inf"),
        ({"horizon_s": 0}, "horizon_s must be finite and above 0, found 0"),
        ({"max_downtime_s": -5}, "max_downtime_s must be finite and at least 0, found -5"),
    ],
)
def test_impossible_hysteresis(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Hysteresis(**parameters)


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({}, "thresholds must be given for at least one site, in g/kWh, found none"),
        ({"us": 0}, "thresholds must be above 0 and at most 2000 g/kWh, found 0 for site us"),
        ({"us": 250, "kr": float("nan")}, "thresholds must be above 0 and at most 2000 g/kWh, found nan for site kr"),
        ({"us": 2001}, "thresholds must be above 0 and at most 2000 g/kWh, found 2001 for site us"),
    ],
)
def test_impossible_thresholds(thresholds: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        GreenAccounter(thresholds=thresholds)
