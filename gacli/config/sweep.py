"""The YAML of a sweep → what is to be tried, or one error that lists everything to correct."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from gacli.carbon.trace import Trace, TraceSource
from gacli.config import document as documents
from gacli.config.document import Document
from gacli.config.problems import Problem, config_error, of_validation
from gacli.config.sweep_checks import problems
from gacli.config.sweep_model import SweepConfig, SweepJobConfig, SweepStartsConfig, ThresholdsConfig
from gacli.config.trace_files import trace_files
from gacli.core.carbon import Scope, Signal
from gacli.core.site import PowerModel, Site
from gacli.errors import ConfigError
from gacli.simulate.scenario import SimulatedJob


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepJob:
    """gpus: how many times a site's power it draws."""

    job: SimulatedJob
    gpus: int

    @property
    def name(self) -> str:
        return self.job.name


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepSite:
    """site: with the power of one GPU. boot_s: from the request to a usable machine."""

    site: Site
    boot_s: float

    @property
    def name(self) -> str:
        return self.site.name


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Series:
    """A trace as numbers: intensities in gCO2eq/kWh, `step_s` apart, from `start` on."""

    start: datetime
    step_s: float
    intensity_g_per_kwh: array[float]
    signal: Signal
    scope: Scope
    source: str

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.step_s * len(self.intensity_g_per_kwh))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """Every job at every site from every start, with every pair of the site's thresholds.

    starts: ascending. thresholds: of each zone, ascending, in gCO2eq/kWh. series: of each zone; they cover every start
    (with `repeat_year` the whole year of every start). limit_percent: more than never pausing; budget_percent: of the
    work, None: without one. alpha: of the score, 0..1. backend: joblib's name of it. document: the file.
    """

    name: str
    document: Document
    jobs: tuple[SweepJob, ...]
    sites: tuple[SweepSite, ...]
    starts: tuple[datetime, ...]
    series: Mapping[str, Series]
    repeat_year: bool
    thresholds: ThresholdsConfig
    poll_s: float
    hold_paused: bool
    budget_percent: float | None
    limit_percent: float
    alpha: float
    backend: str

    def error(self, *found: Problem) -> ConfigError:
        """A ConfigError about values of the file."""
        return config_error(self.document, found)


def load_sweep(path: Path, *, traces: Path | None = None) -> Sweep:
    """Read, parse and check a sweep and the traces that it needs.

    traces: a folder of traces that is read instead of the file's `carbon.folder` or `carbon.files`. Raises ConfigError
    that lists every problem with its file, line and key, and TraceError for a trace that cannot be trusted.
    """
    document = documents.read(path)
    config = _validated(document)
    if traces is not None:
        carbon = config.carbon.model_copy(update={"folder": str(traces.absolute()), "files": None})
        config = config.model_copy(update={"carbon": carbon})
    if found := problems(config):
        raise config_error(document, found)
    return Sweep(
        name=config.name,
        document=document,
        jobs=tuple(_job(job) for job in config.jobs),
        sites=tuple(
            SweepSite(
                site=Site(
                    name=site.name,
                    provider="simulated",
                    zone=site.zone,
                    pue=site.pue,
                    power=PowerModel(idle_w=site.power.idle, busy_w=site.power.busy),
                ),
                boot_s=site.boot,
            )
            for site in config.sites
        ),
        starts=_starts(config.starts),
        series=_series(config, document, path.absolute().parent),
        repeat_year=config.carbon.repeat_year,
        thresholds=config.thresholds,
        poll_s=config.poll,
        hold_paused=config.paused == "hold",
        budget_percent=config.budget,
        limit_percent=config.limit,
        alpha=config.alpha,
        backend=config.backend,
    )


def _validated(document: Document) -> SweepConfig:
    try:
        return SweepConfig.model_validate(document.data)
    except ValidationError as error:
        raise config_error(document, of_validation(error, SweepConfig)) from None


def _job(job: SweepJobConfig) -> SweepJob:
    every_s = job.checkpoint.every
    return SweepJob(
        job=SimulatedJob(
            name=job.name,
            work_s=job.work,
            save_s=job.checkpoint.save,
            save_every_s=math.inf if every_s is None else every_s,
            restart_s=job.restart,
        ),
        gpus=job.gpus,
    )


def _starts(starts: SweepStartsConfig) -> tuple[datetime, ...]:
    if starts.at is not None:
        return starts.at
    assert starts.years is not None
    assert starts.every is not None
    return tuple(
        datetime(year, 1, 1, tzinfo=UTC) + number * timedelta(seconds=starts.every)
        for year in starts.years
        for number in range(math.ceil(year_s(year) / starts.every))
    )


def year_s(year: int) -> float:
    """How long a year UTC is, in s."""
    return (datetime(year + 1, 1, 1, tzinfo=UTC) - datetime(year, 1, 1, tzinfo=UTC)).total_seconds()


def _series(config: SweepConfig, document: Document, base: Path) -> dict[str, Series]:
    zones = [site.zone for site in config.sites]
    files = trace_files(document, base, zones, folder=config.carbon.folder, files=config.carbon.files)
    source = TraceSource(files, scope=Scope(config.carbon.scope))
    for kinds in (source.signals(), source.scopes()):
        if len(kinds) > 1:
            text = f"found {' and '.join(sorted(kinds))} carbon intensity in the traces, expected one kind in all"
            raise config_error(document, [Problem(loc=("carbon",), text=text)])
    return {zone: _numbers(source.trace(zone)) for zone in dict.fromkeys(site.zone for site in config.sites)}


def _numbers(trace: Trace) -> Series:
    return Series(
        start=trace.start,
        step_s=trace.step_s,
        intensity_g_per_kwh=array("d", [reading.intensity_g_per_kwh for reading in trace.readings]),
        signal=trace.signal,
        scope=trace.scope,
        source=trace.readings[0].source,
    )
