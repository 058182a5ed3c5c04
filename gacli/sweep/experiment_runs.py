"""Runs an experiment: every job with every policy from every start, and what hindsight says of each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from operator import attrgetter

from gacli.carbon.typical import typical_years
from gacli.config.experiment import Experiment, ExperimentJob
from gacli.config.experiment_checks import BASELINE
from gacli.core.baseline import work_of
from gacli.core.carbon import Reading, Scope, Signal
from gacli.core.decision import Foresight, Policy
from gacli.core.energy import Phase
from gacli.core.hindsight import MoveTimes, clairvoyant_bound
from gacli.policies.stay import Stay
from gacli.simulate.run import simulate
from gacli.simulate.scenario import Oracle, Outcome, Scenario
from gacli.simulate.truth import ForecastOracle, PerfectOracle
from gacli.sweep.workers import spread

_at = attrgetter("at")


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One job from one start, for all policies. job: its place among the experiment's."""

    job: int
    start: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What one policy made of one job from one start.

    emissions_g with PUE, energy_j without. time_s: from the start until the last checkpoint is saved; None when the run
    was given up. train_s: training by site, in the fleet's order. deadline_met: None without a deadline.
    """

    job: str
    policy: str
    start: datetime
    emissions_g: float
    energy_j: float
    time_s: float | None
    moves: int
    pauses: int
    paused_s: float
    lost_s: float
    deadline_met: bool | None
    train_s: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hindsight:
    """What the job would have emitted, had everything been known, in gCO2eq: at the best single site; and with the best
    moves, which are paid for, and no pause, None where sites differ in the power of the work."""

    job: str
    start: datetime
    best_site: str
    best_site_g: float
    best_moves_g: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitResult:
    """runs: one a policy, in the experiment's order. hindsight: None where staying got nothing done."""

    unit: Unit
    runs: tuple[Run, ...]
    hindsight: Hindsight | None


def units_of(experiment: Experiment) -> tuple[Unit, ...]:
    """By start, so that neighbours need the same forecasts."""
    return tuple(Unit(job=job, start=start) for start in experiment.starts for job in range(len(experiment.jobs)))


def run_all(experiment: Experiment, *, workers: int) -> Iterator[UnitResult]:
    """Each unit as soon as it is done, in any order. See `workers.spread` for what it raises."""
    return spread(units_of(experiment), partial(Runner, experiment), workers=workers)


class Runner:
    """Does one unit after the other, and keeps the forecasts that were made for all of them."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        readings = experiment.readings_by_zone
        averages = (experiment.signal, experiment.scope) == (Signal.AVERAGE, Scope.LIFECYCLE)
        self._forecasts = ForecastOracle(readings, typical=typical_years() if averages else None)
        self._truth = PerfectOracle(readings)

    def __call__(self, unit: Unit) -> UnitResult:
        job = self._experiment.jobs[unit.job]
        scenario = self._experiment.scenario(job, unit.start)
        outcomes = {label: self.outcome(scenario, policy) for label, policy in self._experiment.policies.items()}
        return UnitResult(
            unit=unit,
            runs=tuple(self._run(job, unit.start, label, outcome) for label, outcome in outcomes.items()),
            hindsight=_hindsight(scenario, outcomes[BASELINE]),
        )

    def outcome(self, scenario: Scenario, policy: Policy) -> Outcome:
        """The whole outcome of one simulation."""
        return simulate(scenario, policy, self._oracle(policy))

    def _oracle(self, policy: Policy) -> Oracle | None:
        match getattr(policy, "foresight", Foresight.NONE):
            case Foresight.PERFECT:
                return self._truth
            case Foresight.FORECAST:
                return self._forecasts
            case _:
                return None

    def _run(self, job: ExperimentJob, start: datetime, label: str, outcome: Outcome) -> Run:
        train_s = dict.fromkeys((site.name for site in self._experiment.sites), 0.0)
        for part in outcome.intervals:
            if part.energy.phase is Phase.TRAIN:
                train_s[part.energy.site] += (part.energy.end - part.energy.start).total_seconds()
        finished = outcome.finished_at
        return Run(
            job=job.name,
            policy=label,
            start=start,
            emissions_g=outcome.total.emissions_g,
            energy_j=outcome.total.energy_j,
            time_s=None if finished is None else (finished - start).total_seconds(),
            moves=outcome.moves,
            pauses=outcome.pauses,
            paused_s=outcome.paused_s,
            lost_s=outcome.lost_s,
            deadline_met=outcome.deadline_met,
            train_s=train_s,
        )


def _hindsight(scenario: Scenario, stayed: Outcome) -> Hindsight | None:
    if stayed.finished_at is None:
        return None
    elsewhere = {site.name: simulate(replace(scenario, start_at=site.name), Stay()) for site in scenario.sites}
    emitted_g = {name: one.total.emissions_g for name, one in elsewhere.items() if one.finished_at is not None}
    best_site = min(emitted_g, key=lambda name: emitted_g[name])
    return Hindsight(
        job=scenario.job.name,
        start=scenario.start,
        best_site=best_site,
        best_site_g=emitted_g[best_site],
        best_moves_g=_best_moves_g(scenario, stayed),
    )


def _best_moves_g(scenario: Scenario, stayed: Outcome) -> float | None:
    """None where the work would take another energy at another site."""
    if len({site.power.busy_w for site in scenario.sites}) > 1:
        return None
    first = next(site for site in scenario.sites if site.name == stayed.intervals[0].energy.site)
    work = work_of((part.energy for part in stayed.intervals), first, stayed.stops)
    # A bound may put the work off by its moves, never by more than the work lasts.
    end = work[0].start + 2 * (work[-1].end - work[0].start)
    readings = {zone: _within(known, scenario.start, end) for zone, known in scenario.readings_by_zone.items()}
    return clairvoyant_bound(work, scenario.sites, readings, _least_move_times(scenario)).baseline.emissions_g


def _least_move_times(scenario: Scenario) -> MoveTimes:
    """Those of the fastest pair of sites: for a bound a move may cost too little, never too much."""
    job = scenario.job
    fastest = max(scenario.bandwidth_bytes_per_s.values(), default=1.0)
    downtime_s = job.save_s + job.checkpoint_bytes / fastest + job.restart_s
    return MoveTimes(
        downtime_s=downtime_s, boot_s={site.name: scenario.boot_s.get(site.name, 0.0) for site in scenario.sites}
    )


def _within(readings: Sequence[Reading], start: datetime, end: datetime) -> Sequence[Reading]:
    """The readings in force in [start, end], and one more."""
    return readings[max(bisect_right(readings, start, key=_at) - 1, 0) : bisect_left(readings, end, key=_at) + 1]
