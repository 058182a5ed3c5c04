"""What the runs of an experiment say together: mean and spread by kind of job and policy, savings against `stay`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, pstdev, quantiles

from gacli.config.experiment import Experiment
from gacli.config.experiment_checks import BASELINE
from gacli.core.baseline import saved_percent
from gacli.core.decision import Foresight
from gacli.core.hindsight import capture_percent
from gacli.sweep.experiment_runs import Hindsight, Run, UnitResult

ALL_JOBS = "all jobs"
BOUND = "bound"
Key = tuple[str, datetime]
"""A job and its start, for which all policies are compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Of values over starts: mean, standard deviation, and the values that 5 % and 95 % of them do not exceed."""

    mean: float
    std: float
    p5: float
    p95: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One policy on one kind of job, or on ALL_JOBS.

    Runs that were given up count in `runs` and `given_up`, and as a missed deadline; nothing else is of them.
    saved_percent: of the sum of what `stay` emitted from the same starts; saved_each_percent: over single starts.
    of_bound_percent: of the saving of the bound (see `Study`) over `stay`. train_share: by site, together 1.
    """

    job: str
    policy: str
    runs: int
    given_up: int
    emissions_g: Spread | None
    energy_j: Spread | None
    time_s: Spread | None
    moves: Spread | None
    pauses: Spread | None
    paused_s: Spread | None
    lost_s: Spread | None
    deadlines: int
    deadlines_met: int
    saved_percent: float | None
    saved_each_percent: Spread | None
    of_bound_percent: float | None
    train_share: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """What could have been emitted, known afterwards; figures as in `Row`. name: `best single site`, `best moves`, or
    `bound`; one of which nothing is known is left out."""

    job: str
    name: str
    runs: int
    emissions_g: Spread | None
    saved_percent: float | None
    saved_each_percent: Spread | None
    of_bound_percent: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """All that came of an experiment.

    runs: by job, start and policy. rows: by job in the file's order, then ALL_JOBS where there are several; in each the
    policies in the file's order. bound: for one job and start the least of the best moves in hindsight, and of what
    policies with perfect foresight emitted that kept the deadline. Without such a policy there is none: nobody has
    tried what pauses can save.
    """

    experiment: Experiment
    runs: tuple[Run, ...]
    hindsight: tuple[Hindsight, ...]
    rows: tuple[Row, ...]
    references: tuple[Reference, ...]

    @property
    def bounded(self) -> bool:
        """Whether there is a bound."""
        return any(reference.name == BOUND for reference in self.references)


def study_of(experiment: Experiment, results: Iterable[UnitResult]) -> Study:
    """results: of all units of the experiment, in any order."""
    ordered = sorted(results, key=lambda result: (result.unit.job, result.unit.start))
    runs = tuple(run for result in ordered for run in result.runs)
    hindsight = tuple(result.hindsight for result in ordered if result.hindsight is not None)
    groups = [[job.name] for job in experiment.jobs]
    if len(groups) > 1:
        groups.append([job.name for job in experiment.jobs])
    rows: list[Row] = []
    references: list[Reference] = []
    for names in groups:
        group = _Group(
            experiment,
            names[0] if len(names) == 1 else ALL_JOBS,
            [run for run in runs if run.job in names],
            [one for one in hindsight if one.job in names],
        )
        rows += [group.row(policy) for policy in experiment.policies]
        references += group.references()
    return Study(experiment=experiment, runs=runs, hindsight=hindsight, rows=tuple(rows), references=tuple(references))


def spread_of(values: Sequence[float]) -> Spread | None:
    """None of no values."""
    if not values:
        return None
    if len(values) == 1:
        return Spread(mean=values[0], std=0.0, p5=values[0], p95=values[0])
    cuts = quantiles(values, n=20, method="inclusive")
    return Spread(mean=fmean(values), std=pstdev(values), p5=cuts[0], p95=cuts[-1])


class _Group:
    """The runs of one kind of job, or of all."""

    def __init__(self, experiment: Experiment, name: str, runs: Sequence[Run], hindsight: Sequence[Hindsight]) -> None:
        self._name = name
        self._sites = [site.name for site in experiment.sites]
        self._by_policy: dict[str, list[Run]] = {policy: [] for policy in experiment.policies}
        for run in runs:
            self._by_policy[run.policy].append(run)
        self._stay_g = {key: run.emissions_g for key, run in self._finished(BASELINE).items()}
        self._best_site_g = {(one.job, one.start): one.best_site_g for one in hindsight}
        self._best_moves_g = {
            (one.job, one.start): one.best_moves_g for one in hindsight if one.best_moves_g is not None
        }
        knowing = [
            policy
            for policy, built in experiment.policies.items()
            if getattr(built, "foresight", Foresight.NONE) is Foresight.PERFECT
        ]
        self._bound_g = dict(self._best_moves_g) if knowing else {}
        for policy in knowing:
            for key, run in self._finished(policy).items():
                if run.deadline_met is not False:
                    self._bound_g[key] = min(self._bound_g.get(key, math.inf), run.emissions_g)

    def row(self, policy: str) -> Row:
        all_runs, finished = self._by_policy[policy], self._finished(policy)
        emitted_g = {key: run.emissions_g for key, run in finished.items()}
        with_deadline = [run for run in all_runs if run.deadline_met is not None]

        def spread(value: Callable[[Run], float]) -> Spread | None:
            return spread_of([value(run) for run in finished.values()])

        return Row(
            job=self._name,
            policy=policy,
            runs=len(all_runs),
            given_up=len(all_runs) - len(finished),
            emissions_g=spread(lambda run: run.emissions_g),
            energy_j=spread(lambda run: run.energy_j),
            time_s=spread(_time_s),
            moves=spread(lambda run: run.moves),
            pauses=spread(lambda run: run.pauses),
            paused_s=spread(lambda run: run.paused_s),
            lost_s=spread(lambda run: run.lost_s),
            deadlines=len(with_deadline),
            deadlines_met=sum(run.deadline_met is True for run in with_deadline),
            saved_percent=self._saved_percent(emitted_g),
            saved_each_percent=self._saved_each_percent(emitted_g),
            of_bound_percent=self._of_bound_percent(emitted_g),
            train_share=self._train_share(finished.values()),
        )

    def references(self) -> list[Reference]:
        return [
            Reference(
                job=self._name,
                name=name,
                runs=len(emitted_g),
                emissions_g=spread_of(list(emitted_g.values())),
                saved_percent=self._saved_percent(emitted_g),
                saved_each_percent=self._saved_each_percent(emitted_g),
                of_bound_percent=self._of_bound_percent(emitted_g),
            )
            for name, emitted_g in (
                ("best single site", self._best_site_g),
                ("best moves", self._best_moves_g),
                (BOUND, self._bound_g),
            )
            if emitted_g
        ]

    def _finished(self, policy: str) -> dict[Key, Run]:
        return {(run.job, run.start): run for run in self._by_policy[policy] if run.time_s is not None}

    def _saved_percent(self, emitted_g: Mapping[Key, float]) -> float | None:
        both = emitted_g.keys() & self._stay_g.keys()
        return saved_percent(_sum(self._stay_g, both), _sum(emitted_g, both)) if both else None

    def _saved_each_percent(self, emitted_g: Mapping[Key, float]) -> Spread | None:
        saved = (saved_percent(self._stay_g[key], mass_g) for key, mass_g in emitted_g.items() if key in self._stay_g)
        return spread_of([percent for percent in saved if percent is not None])

    def _of_bound_percent(self, emitted_g: Mapping[Key, float]) -> float | None:
        all_three = emitted_g.keys() & self._stay_g.keys() & self._bound_g.keys()
        if not all_three:
            return None
        stayed_g, bound_g = _sum(self._stay_g, all_three), _sum(self._bound_g, all_three)
        return capture_percent(stayed_g, _sum(emitted_g, all_three), bound_g)

    def _train_share(self, runs: Iterable[Run]) -> dict[str, float]:
        trained_s = dict.fromkeys(self._sites, 0.0)
        for run in runs:
            for site, time_s in run.train_s.items():
                trained_s[site] += time_s
        whole_s = sum(trained_s.values())
        return {site: time_s / whole_s if whole_s else 0.0 for site, time_s in trained_s.items()}


def _time_s(run: Run) -> float:
    assert run.time_s is not None  # the finished ones alone are asked
    return run.time_s


def _sum(mass_g: Mapping[Key, float], keys: Iterable[Key]) -> float:
    # `fsum` does not depend on the order, which sets do not keep from run to run.
    return math.fsum(mass_g[key] for key in keys)
