"""Simulates one job under one policy."""

from __future__ import annotations

from gacli.core.decision import Foresight, Policy
from gacli.simulate.course import Course
from gacli.simulate.scenario import Oracle, Outcome, Scenario
from gacli.simulate.truth import ForecastOracle, PerfectOracle


def simulate(scenario: Scenario, policy: Policy, oracle: Oracle | None = None) -> Outcome:
    """What the policy makes of the scenario; equal arguments give equal outcomes. docs/simulation.md has the rules.

    oracle: tells a policy whose `foresight` is FORECAST of the time to come; None: a ForecastOracle on the scenario's
    own readings. A PERFECT one is told the truth, by `oracle` if that is a PerfectOracle (which saves making one for
    each of many simulations). Raises GaError when the policy names a site that does not exist.
    """
    return Course(scenario, policy, _oracle_for(scenario, policy, oracle)).outcome()


def _oracle_for(scenario: Scenario, policy: Policy, oracle: Oracle | None) -> Oracle | None:
    match getattr(policy, "foresight", Foresight.NONE):
        case Foresight.PERFECT:
            return oracle if isinstance(oracle, PerfectOracle) else PerfectOracle(scenario.readings_by_zone)
        case Foresight.FORECAST:
            return ForecastOracle(scenario.readings_by_zone) if oracle is None else oracle
        case _:
            return None
