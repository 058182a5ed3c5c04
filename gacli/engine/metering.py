"""From time and telemetry to the ledger: nothing lost, nothing counted twice."""

from __future__ import annotations

from datetime import datetime

from gacli.core.emissions import emissions_of
from gacli.core.energy import EnergyInterval, Phase
from gacli.engine.carbon_watch import CarbonWatch
from gacli.engine.context import Context
from gacli.ports.machine import PowerSample
from gacli.store.instances import Accounting, Holding, InstanceRecord

# Samples follow each other to the microsecond; a longer hole is a gap in the record, filled and labelled.
_GAP_S = 1e-3


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
                site = self._context.plan.site(instance.site)
                self._append(instance, mark, until, Phase(instance.phase.value), site.power.idle_w, "model", True)
                mark = until
            if then is not None or mark != instance.accounted_until:
                store.instances.set_accounting(
                    instance_id, phase=then or instance.phase, until=mark, generation=generation
                )

    def sample(self, instance_id: str, generation: int, sample: PowerSample, *, first: bool) -> None:
        """Account one agent sample. Time before the first was idle; a later hole is filled at the sample's power."""
        store, clock = self._context.store, self._context.clock
        start, end = clock.at_epoch(sample.start_s), clock.at_epoch(sample.end_s)
        real_s = sample.end_s - sample.start_s
        with store.transaction():
            instance = store.instances.get(instance_id)
            mark = instance.accounted_until
            if end <= mark or real_s <= 0:
                return
            power_w = sample.energy_j / real_s
            if first and start > mark:
                idle_w = self._context.plan.site(instance.site).power.idle_w
                self._append(instance, mark, start, Phase.IDLE, idle_w, "model", True)
                mark = start
            elif (start - mark).total_seconds() > _GAP_S * clock.scale:
                self._append(instance, mark, start, Phase(sample.phase), power_w, sample.meter, True)
                mark = start
            # From the mark, not from the sample's start: what an earlier sample covered is not counted again.
            self._append(instance, mark, end, Phase(sample.phase), power_w, sample.meter, sample.modelled, generation)
            store.instances.set_accounting(instance_id, phase=Accounting.METERED, until=end, generation=generation)

    def lost(self, instance_id: str, until: datetime) -> None:
        """The instance vanished under an agent: what it drew since the last sample is modelled at full load."""
        store = self._context.store
        with store.transaction():
            instance = store.instances.get(instance_id)
            if instance.phase is not Accounting.METERED or until <= instance.accounted_until:
                return
            busy_w = self._context.plan.site(instance.site).power.busy_w
            self._append(instance, instance.accounted_until, until, Phase.TRAIN, busy_w, "model", True)
            store.instances.set_accounting(instance_id, phase=Accounting.IDLE, until=until)

    def _append(
        self,
        instance: InstanceRecord,
        start: datetime,
        end: datetime,
        phase: Phase,
        power_w: float,
        meter: str,
        modelled: bool,
        generation: int | None = None,
    ) -> None:
        site = self._context.plan.site(instance.site)
        interval = EnergyInterval(
            site=site.name,
            generation=instance.generation if generation is None else generation,
            phase=phase,
            start=start,
            end=end,
            energy_j=power_w * (end - start).total_seconds(),
            meter=meter,
            modelled=modelled,
        )
        readings = self._carbon.between(site.zone, start, end)
        parts = emissions_of(interval, site, readings)
        self._context.store.ledger.append(self._context.job_id, instance.instance_id, parts)
