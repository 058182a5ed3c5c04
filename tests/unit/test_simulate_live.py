"""The same scenario on the live loop and in the simulator: equal decisions, equal grams but for latencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from support.engine import START, site
from support.simulated import LiveWorld, live_world, scenario_of

from ga_playbooks.fake_trainer import TrainerModel
from gacli.core.decision import Policy
from gacli.core.emissions import total_of
from gacli.core.energy import EmissionInterval, Phase
from gacli.core.job import JobState
from gacli.policies.greenaccounter import GreenAccounter
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.move_or_pause import MoveOrPause
from gacli.policies.pause_resume import PauseResume
from gacli.policies.stay import Stay
from gacli.simulate.run import simulate
from gacli.simulate.scenario import Outcome
from gacli.store.placements import Purpose

SITES = (site("a", "A"), site("b", "B"), site("c", "C", pue=1.2))
# Waves of twelve hours, a third of one apart: each site is the cleanest for some hours.
HOURS = {
    zone: [round(300 + 200 * math.sin((hour / 12 + part / 3) * 2 * math.pi), 3) for hour in range(48)]
    for part, zone in enumerate(("A", "B", "C"))
}
MODEL = TrainerModel(
    steps_per_s=10.0, total_steps=12 * 36_000, checkpoint_every_steps=36_000, checkpoint_bytes=100_000, save_s=20.0,
    setup_s=100.0, copy_bytes_per_s=2000.0,
)  # fmt: skip
# A live job's checkpoint goes to the controller for a pause, and comes back from there whichever site resumes it.
QUICK_TO_COPY = replace(MODEL, copy_bytes_per_s=1e12)
# The margins are far from what a move costs, which the live loop estimates from the moves that it has made.
CASES: list[tuple[Policy, TrainerModel]] = [
    (Stay(), MODEL),
    (Hysteresis(), MODEL),
    (GreenAccounter(thresholds={"a": 250.0, "b": 250.0, "c": 320.0}), MODEL),
    (PauseResume(pause_above_g_per_kwh=350.0, resume_below_g_per_kwh=250.0), QUICK_TO_COPY),
    (MoveOrPause(pause_above_g_per_kwh=180.0, resume_below_g_per_kwh=150.0), QUICK_TO_COPY),
]

# What the live loop takes beyond the model, for each placement. LATE_S: a tick of 1/8 s for each of a dozen steps, and
# what a trainer that stops at a whole step makes again, 1/10 s. HELD_ON_S: the source of a move is given back once the
# target has reported a step, which it does with its first sample, after 10 s.
LATE_S = 2.0
HELD_ON_S = 12.0


@pytest.mark.parametrize(("policy", "model"), CASES, ids=[policy.name for policy, _ in CASES])
def test_the_live_loop_and_the_simulator_agree(policy: Policy, model: TrainerModel, tmp_path: Path) -> None:
    scenario = scenario_of(sites=SITES, hours=HOURS, model=model)
    live = live_world(scenario, policy, HOURS, model, tmp_path)
    assert live.run() is JobState.DONE
    simulated = simulate(scenario, policy)

    assert _decided_live(live, policy) == _decided(simulated)
    assert (simulated.moves, simulated.pauses) == (_moves(live), _pauses(live))
    assert (simulated.moves + simulated.pauses >= 2) is not isinstance(policy, Stay)

    ledger = live.ledger()
    late_s = LATE_S * len(live.placements)
    trained = [part.energy.end for part in ledger if part.energy.phase is Phase.CHECKPOINT]
    assert simulated.finished_at is not None
    assert 0 <= (max(trained) - simulated.finished_at).total_seconds() <= late_s

    worst_g_per_j = max(map(max, HOURS.values())) * max(one.pue for one in SITES) / 3.6e6
    late_g = late_s * 1000.0 * worst_g_per_j
    for name in ("a", "b", "c"):
        live_g, simulated_g = _grams(ledger, name, Phase.TRAIN), _grams(simulated.intervals, name, Phase.TRAIN)
        assert live_g == pytest.approx(simulated_g, abs=late_g)
    held_on_g = len(live.placements) * 2 * HELD_ON_S * 100.0 * worst_g_per_j
    simulated_g = _total_with_idle_saves_g(simulated)
    assert total_of(ledger).emissions_g == pytest.approx(simulated_g, abs=late_g + held_on_g)
    assert total_of(ledger).emissions_g == pytest.approx(simulated_g, rel=1e-3)
    assert _seconds(ledger, Phase.CHECKPOINT) == pytest.approx(_seconds(simulated.intervals, Phase.CHECKPOINT))
    idle = (Phase.BOOT, Phase.IDLE, Phase.TRANSFER)
    longer_s = _seconds(ledger, *idle) - _seconds(simulated.intervals, *idle)
    assert 0 <= longer_s <= (HELD_ON_S + LATE_S) * len(live.placements)


def _decided_live(live: LiveWorld, policy: Policy) -> list[tuple[float, object, object]]:
    """When, what and where to; without the placing of the start, for which no policy is asked."""
    return [
        ((event.at - START).total_seconds(), event.body["action"], event.body["target"])
        for event in live.events("decision")
        if event.body["policy"] == policy.name
    ]


def _decided(simulated: Outcome) -> list[tuple[float, object, object]]:
    return [((d.at - START).total_seconds(), d.action.value, d.target) for d in simulated.decisions]


def _moves(live: LiveWorld) -> int:
    """How often the job has changed its site."""
    sites = [generation.site for generation in live.store.jobs.generations(live.job_id)]
    return sum(one != other for one, other in pairwise(sites))


def _pauses(live: LiveWorld) -> int:
    return sum(placement.purpose is Purpose.WAIT for placement in live.placements)


def _grams(intervals: Sequence[EmissionInterval], name: str, phase: Phase) -> float:
    return total_of(part for part in intervals if part.energy.site == name and part.energy.phase is phase).emissions_g


def _seconds(intervals: Sequence[EmissionInterval], *phases: Phase) -> float:
    return total_of(part for part in intervals if part.energy.phase in phases).time_s


def _total_with_idle_saves_g(simulated: Outcome) -> float:
    """The modelled trainer idles while it saves, where a simulation has it draw its full power."""
    return math.fsum(
        part.emissions_g * (0.1 if part.energy.phase is Phase.CHECKPOINT else 1.0) for part in simulated.intervals
    )
