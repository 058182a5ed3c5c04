"""From time and telemetry to the ledger: nothing lost, nothing counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gacli.core.emissions import emissions_of
from gacli.core.energy import EnergyInterval, Phase
from gacli.engine.carbon_watch import CarbonWatch
from gacli.engine.context import Context
from gacli.ports.clock import Clock
from gacli.ports.machine import EnergyPart, PowerSample
from gacli.store.instances import Accounting, Holding, InstanceRecord

# Samples follow each other to the microsecond; a longer hole is a gap in the record, filled and labelled.
_GAP_S = 1e-3
_MODEL: Final = "model"
# A device that stands for all that a meter or the site's model covers, where nobody tells devices apart.
_HOST: Final = "host"
# What reads a counter of energy; other meters read power now and then.
_COUNTERS = frozenset({"rapl"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Energy in J over [start, end), on the job's clock."""

    start: datetime
    end: datetime
    energy_j: float


def beyond(mark: datetime, sample: PowerSample, clock: Clock) -> Stretch | None:
    """What a sample says of the time after `mark`; None when that is nothing.

    Of a sample that began earlier only the share of its time counts: an earlier one has covered the rest. One that
    begins within a millisecond after the mark follows it. A machine draws its power for as long as the job's clock
    shows, which on replay is longer than it took.
    """
    start, end = clock.at_epoch(sample.start_s), clock.at_epoch(sample.end_s)
    if end <= mark or end <= start:
        return None
    energy_j = sample.energy_j * clock.scale
    if start < mark:
        return Stretch(start=mark, end=end, energy_j=energy_j * ((end - mark) / (end - start)))
    follows = (start - mark).total_seconds() <= _GAP_S * clock.scale
    return Stretch(start=mark if follows else start, end=end, energy_j=energy_j)


class Meter:
    """Accounts instances up to an instant. The instance's own mark moves in the same transaction as the ledger."""

    def __init__(self, context: Context, carbon: CarbonWatch) -> None:
        self._context = context
        self._carbon = carbon

    def tick(self) -> None:
        """Account every held instance that no agent meters up to now."""
        now = self._context.now()
        with self._context.store.transaction():
            for instance in self._context.store.instances.of_job(self._context.job_id):
                self.advance(instance.instance_id, now)

    def advance(
        self, instance_id: str, until: datetime, *, then: Accounting | None = None, generation: int | None = None
    ) -> None:
        """Account modelled time (idle power) up to `until`, then go on as `then`.

        An instance that an agent meters keeps its mark: its samples fill the time, or whoever learns that it has ended.
        """
        store = self._context.store
        instance = store.instances.get(instance_id)
        with store.transaction():
            mark = instance.accounted_until
            if instance.phase is not Accounting.METERED and until > mark and instance.state is not Holding.GONE:
                idle_w = self._context.plan.site(instance.site).power.idle_w
                self._model(instance, mark, until, Phase(instance.phase.value), idle_w)
                mark = until
            if then is not None or mark != instance.accounted_until:
                store.instances.set_accounting(
                    instance_id, phase=then or instance.phase, until=mark, generation=generation
                )

    def sample(self, instance_id: str, generation: int, sample: PowerSample, *, first: bool) -> None:
        """Account what an agent's sample says of the time that is not accounted yet; samples come in their order.

        Time before the generation's first sample was idle; a later hole is filled at the sample's power. A sample that
        comes again changes nothing, and of those that overlap the earlier one counts.
        """
        store = self._context.store
        with store.transaction():
            instance = store.instances.get(instance_id)
            mark = instance.accounted_until
            new = beyond(mark, sample, self._context.clock)
            if new is None:
                return
            instance = replace(instance, generation=generation)
            phase = Phase(sample.phase)
            if new.start > mark and first:
                self._model(instance, mark, new.start, Phase.IDLE, self._context.plan.site(instance.site).power.idle_w)
            elif new.start > mark:
                filled_j = new.energy_j * ((new.start - mark) / (new.end - new.start))
                parts = [replace(part, uncertainty=_MODEL) for part in _parts(sample, filled_j)]
                hole = Stretch(start=mark, end=new.start, energy_j=filled_j)
                self._append(instance, hole, phase, sample.meter, True, parts)
            parts = _parts(sample, new.energy_j)
            self._append(instance, new, phase, sample.meter, sample.modelled, parts)
            store.instances.set_accounting(instance_id, phase=Accounting.METERED, until=new.end, generation=generation)

    def lost(self, instance_id: str, until: datetime) -> None:
        """The instance vanished under an agent: what it drew since the last sample is modelled at full load."""
        store = self._context.store
        with store.transaction():
            instance = store.instances.get(instance_id)
            if instance.phase is not Accounting.METERED or until <= instance.accounted_until:
                return
            busy_w = self._context.plan.site(instance.site).power.busy_w
            self._model(instance, instance.accounted_until, until, Phase.TRAIN, busy_w)
            store.instances.set_accounting(instance_id, phase=Accounting.IDLE, until=until)

    def _model(self, instance: InstanceRecord, start: datetime, end: datetime, phase: Phase, power_w: float) -> None:
        energy_j = power_w * (end - start).total_seconds()
        part = EnergyPart(device=_HOST, energy_j=energy_j, meter=_MODEL, uncertainty=_MODEL)
        self._append(instance, Stretch(start=start, end=end, energy_j=energy_j), phase, _MODEL, True, [part])

    def _append(
        self,
        instance: InstanceRecord,
        stretch: Stretch,
        phase: Phase,
        meter: str,
        modelled: bool,
        parts: Sequence[EnergyPart],
    ) -> None:
        store, job_id = self._context.store, self._context.job_id
        site = self._context.plan.site(instance.site)
        interval = EnergyInterval(
            site=site.name,
            generation=instance.generation,
            phase=phase,
            start=stretch.start,
            end=stretch.end,
            energy_j=stretch.energy_j,
            meter=meter,
            modelled=modelled,
        )
        readings = self._carbon.between(site.zone, stretch.start, stretch.end)
        store.ledger.append(job_id, instance.instance_id, emissions_of(interval, site, readings))
        store.devices.add(job_id, instance.instance_id, instance.generation, phase, parts)


def _parts(sample: PowerSample, energy_j: float) -> list[EnergyPart]:
    """`energy_j` by device, in proportion to what each had of the sample; the host's alone when that is not known."""
    if energy_j == 0:
        return []
    whole_j = sum(part.energy_j for part in sample.parts)
    if whole_j > 0:
        return [replace(part, energy_j=energy_j * (part.energy_j / whole_j)) for part in sample.parts]
    uncertainty = _MODEL if sample.modelled else "counter" if sample.meter in _COUNTERS else "integrated"
    return [EnergyPart(device=_HOST, energy_j=energy_j, meter=sample.meter, uncertainty=uncertainty)]
