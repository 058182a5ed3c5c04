"""`ga metrics`: every job in Prometheus' text format, for a textfile collector."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gacli.core.basis import Accounted, basis_of
from gacli.core.job import JobState
from gacli.core.site import Site
from gacli.engine.accounted import read_accounted
from gacli.engine.moves import moves_of
from gacli.engine.summary import account_of
from gacli.store import Store
from gacli.store.jobs import JobRecord

_GAUGE, _COUNTER = "gauge", "counter"


@dataclass(slots=True)
class Family:
    """One metric with its samples. name: with its base unit, and `_total` for a counter."""

    name: str
    kind: str
    help: str
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> None:
        self.samples.append((labels, value))


def metrics_text(store: Store, jobs: Iterable[JobRecord], sites_of: Callable[[JobRecord], Sequence[Site]]) -> str:
    """The exposition of these jobs, ending in a line break; empty without jobs. sites_of: a job's fleet, empty where
    it is not known, and then without a baseline."""
    metrics = _Metrics()
    for job in jobs:
        metrics.add_job(store, job, sites_of(job))
    return "".join(exposition(family) for family in metrics.families if family.samples)


class _Metrics:
    """All families in the order in which they are printed."""

    def __init__(self) -> None:
        self.families: list[Family] = []
        family = self._family
        self._info = family("ga_job_info", _GAUGE, "A job; the value is always 1.")
        self._state = family("ga_job_state", _GAUGE, "1 for the state that the job is in, else 0.")
        self._created = family("ga_job_created_timestamp_seconds", _GAUGE, "When the job was created, in real time.")
        self._finished = family("ga_job_finished_timestamp_seconds", _GAUGE, "When the job was over, in real time.")
        self._scale = family(
            "ga_job_clock_scale", _GAUGE, "Seconds of the job's clock in each real one; 1 unless it is a replay."
        )
        self._generations = family("ga_job_generations_total", _COUNTER, "Starts of the training script.")
        self._moves = family("ga_job_moves_total", _COUNTER, "Moves that were finished.")
        self._step = family("ga_job_step", _GAUGE, "The last training step that the script has reported.")
        self._time = family("ga_job_instance_seconds_total", _COUNTER, "Time of the job's instances, on its clock.")
        self._energy = family("ga_job_energy_joules_total", _COUNTER, "IT energy, without PUE.")
        self._modelled = family(
            "ga_job_modelled_energy_joules_total", _COUNTER, "The part of the IT energy that is modelled, not metered."
        )
        self._emissions = family(
            "ga_job_emissions_grams_total", _COUNTER, "Operational emissions in gCO2eq, with PUE, location-based."
        )
        self._by_source = family(
            "ga_job_energy_by_reading_joules_total",
            _COUNTER,
            "IT energy by the carbon intensity that it was accounted under: signal, quality and source.",
        )
        self._baseline = family(
            "ga_job_baseline_emissions_grams",
            _GAUGE,
            "Emissions in gCO2eq of the same work under another policy, which `baseline` and `site` name.",
        )
        self._saved = family(
            "ga_job_saved_emissions_grams", _GAUGE, "Baseline less emissions in gCO2eq; negative when more was emitted."
        )
        self._estimated = family(
            "ga_job_estimated_energy_ratio", _GAUGE, "Share of the IT energy under readings that are not measured."
        )

    def add_job(self, store: Store, job: JobRecord, sites: Sequence[Site]) -> None:
        name = job.job_id
        self._info.add(1, job=name, name=job.name)
        for state in JobState:
            self._state.add(float(state is job.state), job=name, state=state.value)
        self._created.add(job.created_epoch_s, job=name)
        if job.finished_epoch_s is not None:
            self._finished.add(job.finished_epoch_s, job=name)
        self._scale.add(job.clock_scale, job=name)
        self._generations.add(job.generation, job=name)
        self._moves.add(moves_of(store, store.placements.of_job(name)), job=name)
        progress = store.journal.progress(name)
        if progress is not None:
            self._step.add(progress.step, job=name)
        account = account_of(store, sites, name)
        for total in account.totals:
            labels = {"job": name, "site": total.site, "zone": total.zone, "phase": total.phase.value}
            self._time.add(total.time_s, **labels)
            self._energy.add(total.energy_j, **labels)
            self._modelled.add(total.modelled_j, **labels)
            self._emissions.add(total.emissions_g, **labels)
        accounted = read_accounted(store, name)
        self._add_sources(name, accounted)
        basis = basis_of(accounted)
        if accounted:
            self._estimated.add(basis.estimated_percent / 100.0, job=name)
        if account.baseline is not None:
            named = {
                "job": name,
                "baseline": account.baseline.policy,
                "site": account.baseline.site,
                "signal": "+".join(signal.value for signal in basis.signals),
                "source": "+".join(basis.sources),
            }
            self._baseline.add(account.baseline.emissions_g, **named)
            self._saved.add(account.baseline.emissions_g - account.emissions_g, **named)

    def _add_sources(self, job: str, accounted: Sequence[Accounted]) -> None:
        energy_j: dict[tuple[str, str, str], float] = defaultdict(float)
        for one in accounted:
            emission = one.emission
            signal = "unknown" if one.signal is None else one.signal.value
            energy_j[signal, emission.quality.value, emission.carbon_source] += emission.energy.energy_j
        for (signal, quality, source), part_j in energy_j.items():
            self._by_source.add(part_j, job=job, signal=signal, quality=quality, source=source)

    def _family(self, name: str, kind: str, words: str) -> Family:
        self.families.append(Family(name, kind, words))
        return self.families[-1]


def exposition(family: Family) -> str:
    """Its help, its type and its samples, a line each."""
    lines = [f"# HELP {family.name} {_escaped(family.help)}", f"# TYPE {family.name} {family.kind}"]
    for labels, value in family.samples:
        pairs = ",".join(f'{name}="{_escaped(text, quotes=True)}"' for name, text in labels.items())
        lines.append(f"{family.name}{{{pairs}}} {float(value)!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str, *, quotes: bool = False) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quotes else escaped
