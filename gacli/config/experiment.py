"""The YAML of an experiment → what is to be simulated, or one error that lists everything to correct."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from gacli.config import document as documents
from gacli.config.document import Document
from gacli.config.experiment_carbon import readings_of
from gacli.config.experiment_checks import BASELINE, problems, stay_s
from gacli.config.experiment_draws import failures_of, starts_of
from gacli.config.experiment_model import KIND, ExperimentConfig, ExperimentJobConfig
from gacli.config.experiment_policies import policies
from gacli.config.models import CLEANEST
from gacli.config.problems import Problem, config_error, of_validation
from gacli.core.carbon import Reading, Scope, Signal
from gacli.core.decision import Policy
from gacli.core.site import PowerModel, Site
from gacli.policies.stay import Stay
from gacli.simulate.scenario import Outage, Scenario, SimulatedJob


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentJob:
    """One kind of job. gpus: how many times a site's power it draws. limit_s: after so long a run is given up."""

    job: SimulatedJob
    gpus: int
    limit_s: float

    @property
    def name(self) -> str:
        return self.job.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """Every job with every policy from every start.

    sites: with the power of one GPU. policies: by label; `stay`, the baseline, is always among them. starts: ascending.
    readings_by_zone: ascending by `at`, all of one signal and scope, covering every run up to its limit and, as far as
    it is known, the time before that forecasts are made from. document: the file.
    """

    name: str
    document: Document
    jobs: tuple[ExperimentJob, ...]
    sites: tuple[Site, ...]
    policies: Mapping[str, Policy]
    starts: tuple[datetime, ...]
    readings_by_zone: Mapping[str, tuple[Reading, ...]]
    boot_s: Mapping[str, float]
    bandwidth_bytes_per_s: Mapping[tuple[str, str], float]
    start_at: str | None
    poll_s: float
    max_reading_age_s: float
    hold_paused: bool
    outages: tuple[Outage, ...]

    @property
    def signal(self) -> Signal:
        return self._any_reading.signal

    @property
    def scope(self) -> Scope:
        return self._any_reading.scope

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the readings are from, sorted."""
        return tuple(sorted({readings[0].source for readings in self.readings_by_zone.values()}))

    @property
    def end(self) -> datetime:
        """When the last run is given up at the latest."""
        return self.starts[-1] + timedelta(seconds=max(job.limit_s for job in self.jobs))

    def sites_for(self, job: ExperimentJob) -> tuple[Site, ...]:
        """The fleet, with the power that the job draws there."""
        return tuple(
            replace(
                site,
                power=PowerModel(idle_w=site.power.idle_w * job.gpus, busy_w=site.power.busy_w * job.gpus),
            )
            for site in self.sites
        )

    def scenario(self, job: ExperimentJob, start: datetime) -> Scenario:
        """One run; the policy goes beside it."""
        return Scenario(
            job=job.job,
            sites=self.sites_for(job),
            readings_by_zone=self.readings_by_zone,
            start=start,
            boot_s=self.boot_s,
            bandwidth_bytes_per_s=self.bandwidth_bytes_per_s,
            start_at=self.start_at,
            poll_s=self.poll_s,
            max_reading_age_s=self.max_reading_age_s,
            hold_paused=self.hold_paused,
            outages=self.outages,
            limit_s=job.limit_s,
        )

    @property
    def _any_reading(self) -> Reading:
        return next(iter(self.readings_by_zone.values()))[0]


def load_experiment(path: Path, *, traces: Path | None = None) -> Experiment:
    """Read, parse and check an experiment and the carbon data that it needs.

    traces: a folder of traces that is read instead of the file's `carbon.folder` or `carbon.files`. Raises ConfigError
    that lists every problem with its file, line and key, and TraceError for a trace that cannot be trusted.
    """
    document = documents.read(path)
    config = _validated(document)
    if traces is not None:
        carbon = config.carbon.model_copy(update={"source": "trace", "folder": str(traces.absolute()), "files": None})
        config = config.model_copy(update={"carbon": carbon})
    built, found = policies(config)
    if found := [*problems(config), *found]:
        raise config_error(document, found)
    starts = starts_of(config.starts)
    boots_s = {site.name: site.boot for site in config.sites}
    jobs = tuple(_job(job, config, max(boots_s.values())) for job in config.jobs)
    end = starts[-1] + timedelta(seconds=max(job.limit_s for job in jobs))
    drawn = () if config.failures is None else failures_of(config.failures, list(boots_s), starts[0], end)
    given = tuple(
        Outage(site=outage.site, start=outage.start, end=outage.start + timedelta(seconds=outage.lasts))
        for outage in config.outages
    )
    return Experiment(
        name=config.name,
        document=document,
        jobs=jobs,
        sites=tuple(
            Site(
                name=site.name,
                provider="simulated",
                zone=site.zone,
                pue=site.pue,
                power=PowerModel(idle_w=site.power.idle, busy_w=site.power.busy),
            )
            for site in config.sites
        ),
        policies=built if BASELINE in built else {BASELINE: Stay(), **built},
        starts=starts,
        readings_by_zone=readings_of(config, document, path.absolute().parent, starts[0], end),
        boot_s=boots_s,
        bandwidth_bytes_per_s=_bandwidth(config),
        start_at=None if config.start_at == CLEANEST else config.start_at,
        poll_s=config.poll,
        max_reading_age_s=config.carbon.max_age,
        hold_paused=config.paused == "hold",
        outages=(*given, *drawn),
    )


def _validated(document: Document) -> ExperimentConfig:
    kind = document.data.get("kind")
    if kind != KIND:
        found = (
            f"found `kind: {kind}`" if "kind" in document.data else "found no `kind`, as in the configuration of a job"
        )
        problem = Problem(loc=("kind",), text=f"{found}, expected `kind: {KIND}`")
        raise config_error(document, [problem])
    try:
        return ExperimentConfig.model_validate(document.data)
    except ValidationError as error:
        raise config_error(document, of_validation(error, ExperimentConfig)) from None


def _job(job: ExperimentJobConfig, config: ExperimentConfig, boot_s: float) -> ExperimentJob:
    return ExperimentJob(
        job=SimulatedJob(
            name=job.name,
            work_s=job.work,
            save_s=job.checkpoint.save,
            save_every_s=math.inf if job.checkpoint.every is None else job.checkpoint.every,
            checkpoint_bytes=job.checkpoint.size,
            restart_s=job.restart,
            epoch_s=job.epoch,
            deadline_s=None if job.deadline is None else job.deadline.beside(job.work),
        ),
        gpus=job.gpus,
        limit_s=config.limit.beside(stay_s(job, boot_s)),
    )


def _bandwidth(config: ExperimentConfig) -> dict[tuple[str, str], float]:
    names = [site.name for site in config.sites]
    pairs = {(a, b): speed for a, targets in config.bandwidth.pairs.items() for b, speed in targets.items()}
    return {
        (a, b): pairs.get((a, b), pairs.get((b, a), config.bandwidth.default)) for a in names for b in names if a != b
    }
