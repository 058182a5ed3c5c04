"""Each policy's answers to snapshots worked out by hand: tests/data/policies/<policy>.yaml."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.decision import Policy
from gacli.core.forecast import Forecast, ForecastPoint
from gacli.core.site import PowerModel, Site
from gacli.core.snapshot import MoveCost, PauseCost, SiteView, Snapshot
from gacli.policies.clairvoyant import Clairvoyant
from gacli.policies.forecast import ForecastPlan
from gacli.policies.greedy_carbon import GreedyCarbon
from gacli.policies.greenaccounter import GreenAccounter
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.move_or_pause import MoveOrPause
from gacli.policies.pause_resume import PauseResume
from gacli.policies.performance_first import PerformanceFirst
from gacli.policies.random_choice import RandomChoice
from gacli.policies.round_robin import RoundRobin
from gacli.policies.stay import Stay

NOW = datetime(2024, 5, 2, 12, tzinfo=UTC)
DATA = Path(__file__).parent.parent / "data" / "policies"
POLICIES: dict[str, Callable[..., Policy]] = {
    "clairvoyant": Clairvoyant,
    "forecast": ForecastPlan,
    "greedy-carbon": GreedyCarbon,
    "greenaccounter": GreenAccounter,
    "hysteresis": Hysteresis,
    "move-or-pause": MoveOrPause,
    "pause-resume": PauseResume,
    "performance-first": PerformanceFirst,
    "random": RandomChoice,
    "round-robin": RoundRobin,
    "stay": Stay,
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
        forecast=_forecast(name, told) if "forecast" in told else None,
    )


def _forecast(name: str, told: dict[str, Any]) -> Forecast:
    """`forecast`: g/kWh hour by hour, the first hour begins now; `width`: to each end of the 50 % interval."""
    width = told.get("width", 0)
    return Forecast(
        zone=name.upper(),
        issued_at=NOW,
        step_s=3600,
        signal=Signal(told.get("forecast_signal", "average")),
        scope=Scope.LIFECYCLE,
        source="test",
        points=tuple(
            ForecastPoint(
                at=NOW + timedelta(hours=hour),
                intensity_g_per_kwh=value,
                low50_g_per_kwh=value - width,
                high50_g_per_kwh=value + width,
                low90_g_per_kwh=value - 2 * width,
                high90_g_per_kwh=value + 2 * width,
            )
            for hour, value in enumerate(told["forecast"])
        ),
    )


def _snapshot(case: dict[str, Any]) -> Snapshot:
    """Beside what hysteresis.yaml says: `paused: [site, s ago]`, `pause: [save_s, resume_s]`, spans from now in h."""
    held_s = case.get("held_s", 86_400)
    held = case["current"] is not None and held_s is not None
    paused_at, paused_s = case.get("paused", (None, None))
    return Snapshot(
        now=NOW,
        current=case["current"],
        held_since=NOW - timedelta(seconds=held_s) if held else None,
        sites=tuple(_view(name, told) for name, told in case["sites"].items()),
        remaining_s=case.get("remaining_s"),
        moves=case.get("moves", 0),
        max_reading_age_s=case.get("max_reading_age_s", 10_800),
        movable_because_not=case.get("movable_because_not", ""),
        paused_since=None if paused_s is None else NOW - timedelta(seconds=paused_s),
        paused_at=paused_at,
        pause=_pause(*case["pause"]) if "pause" in case else None,
        started_at=NOW - timedelta(hours=case["started_h_ago"]) if "started_h_ago" in case else None,
        deadline=NOW + timedelta(hours=case["deadline_h"]) if "deadline_h" in case else None,
        total_s=case.get("total_s"),
        poll_s=case.get("poll_s", 300),
        since_epoch_s=case.get("since_epoch_s"),
        saves_left_s=case.get("saves_left_s", 0),
        save_s=case.get("save_s"),
        paused_power_w=case.get("paused_power_w", 0),
    )


def _pause(save_s: float, resume_s: float) -> PauseCost:
    return PauseCost(save_s=save_s, resume_s=resume_s, overhead_g=0)


@pytest.mark.parametrize(("policy_name", "case"), _cases())
def test_answer(policy_name: str, case: dict[str, Any]) -> None:
    policy = POLICIES[policy_name](**case.get("policy", {}))
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


@pytest.mark.parametrize("policy", [PauseResume, MoveOrPause])
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ((100, 200, 0), r"resume_below_g_per_kwh must not be above pause_above_g_per_kwh \(100\), found 200"),
        ((2001, 200, 0), "pause_above_g_per_kwh must be at least 0 and at most 2000 g/kWh, found 2001"),
        ((100, -1, 0), "resume_below_g_per_kwh must be at least 0 and at most 2000 g/kWh, found -1"),
        ((float("nan"), 1, 0), "pause_above_g_per_kwh must be at least 0 and at most 2000 g/kWh, found nan"),
        ((100, 100, -1), "budget_percent must be finite and at least 0, found -1"),
        ((100, 100, float("inf")), "budget_percent must be finite and at least 0, found inf"),
    ],
)
def test_impossible_pauses(policy: Callable[..., Policy], parameters: tuple[float, float, float], message: str) -> None:
    above, below, budget = parameters
    with pytest.raises(ValueError, match=f"^{message}$"):
        policy(pause_above_g_per_kwh=above, resume_below_g_per_kwh=below, budget_percent=budget)


@pytest.mark.parametrize(
    ("policy", "parameters", "message"),
    [
        (MoveOrPause, {"dwell_s": -1}, "dwell_s must be finite and at least 0, found -1"),
        (ForecastPlan, {"caution": 1.1}, "caution must be at least 0 and at most 1, found 1.1"),
        (ForecastPlan, {"budget_percent": -1}, "budget_percent must be finite and at least 0, found -1"),
        (Clairvoyant, {"max_moves": -1}, "max_moves must be at least 0, found -1"),
        (Clairvoyant, {"horizon_s": 60}, "horizon_s must be finite and at least 3600, found 60"),
        (RandomChoice, {"dwell_s": float("inf")}, "dwell_s must be finite and at least 0, found inf"),
        (RoundRobin, {"dwell_s": -1}, "dwell_s must be finite and at least 0, found -1"),
    ],
)
def test_impossible_parameters(policy: Callable[..., Policy], parameters: dict[str, Any], message: str) -> None:
    pauses = {"pause_above_g_per_kwh": 2, "resume_below_g_per_kwh": 1} if policy is MoveOrPause else {}
    with pytest.raises(ValueError, match=f"^{message}$"):
        policy(**pauses, **parameters)
