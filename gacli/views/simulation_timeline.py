"""The course of one run of an experiment, as the charts of a job show it."""

from __future__ import annotations

from datetime import datetime

from gacli.config.experiment import Experiment
from gacli.config.experiment_checks import BASELINE
from gacli.core.basis import Accounted, basis_of
from gacli.core.carbon import Reading
from gacli.core.decision import Foresight
from gacli.sweep.experiment_runs import Run, Runner
from gacli.sweep.study import Study
from gacli.views.charts.data import ChartData, Curve, cumulative


def typical_run(study: Study) -> ChartData | None:
    """The run of the first kind of job whose saving is the median, by the policy that saved most of those that do not
    know the future; None where no policy but `stay` finished a run. It is simulated once more."""
    experiment = study.experiment
    job = experiment.jobs[0]
    rows = [
        row
        for row in study.rows
        if row.job == job.name
        and row.policy != BASELINE
        and getattr(experiment.policies[row.policy], "foresight", Foresight.NONE) is not Foresight.PERFECT
        and row.saved_percent is not None
    ]
    if not rows:
        return None
    best = max(rows, key=lambda row: row.saved_percent or 0.0)
    stayed_g = {run.start: run.emissions_g for run in study.runs if (run.job, run.policy) == (job.name, BASELINE)}
    ordered = sorted(
        (run for run in study.runs if (run.job, run.policy) == (job.name, best.policy) and run.time_s is not None),
        key=lambda run: (run.emissions_g / stayed_g[run.start] if stayed_g[run.start] else 1.0, run.start),
    )
    return _chart_data(experiment, ordered[len(ordered) // 2])


def _chart_data(experiment: Experiment, run: Run) -> ChartData:
    job = next(job for job in experiment.jobs if job.name == run.job)
    scenario = experiment.scenario(job, run.start)
    outcome = Runner(experiment).outcome(scenario, experiment.policies[run.policy])
    entries = outcome.intervals
    end = max(part.energy.end for part in entries)
    used = list(dict.fromkeys(part.energy.site for part in entries))
    label = f"{run.job}, {run.policy}"
    basis = basis_of(
        Accounted(instance_id=part.energy.site, emission=part, signal=experiment.signal, scope=experiment.scope)
        for part in entries
    )
    return ChartData(
        job_id=f"{experiment.name}: {label}",
        start=run.start,
        end=end,
        sites=tuple(sorted(scenario.sites, key=lambda site: used.index(site.name) if site.name in used else len(used))),
        entries=entries,
        totals=(),
        readings={site.zone: _of(experiment, site.zone, run.start, end) for site in scenario.sites},
        signals=(experiment.signal,),
        decisions=outcome.decisions,
        moves=tuple(outcome.stops.values()),
        actual=Curve(label=label, points=cumulative(entries)),
        baselines=(),
        baseline=None,
        basis=basis,
    )


def _of(experiment: Experiment, zone: str, start: datetime, end: datetime) -> list[Reading]:
    """The readings in force in [start, end]."""
    known = experiment.readings_by_zone[zone]
    before = [reading for reading in known if reading.at <= start][-1:]
    return [*before, *(reading for reading in known if start < reading.at < end)]
