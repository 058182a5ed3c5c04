"""The instances that the job holds: reaching them, watching them, giving them back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from gacli.engine.context import Context
from gacli.engine.metering import Meter
from gacli.errors import GaError
from gacli.ports.machine import Machine
from gacli.ports.provider import Instance, InstanceState
from gacli.store.instances import Holding, InstanceRecord

# Real seconds between two looks at an instance that is held, and at one that somebody waits for.
_LOOK_S = 3.0
_LOOK_SOON_S = 0.5
# Real seconds before a failed release is tried again.
_RETRY_RELEASE_S = 10.0


class Fleet:
    """Connections by instance, what providers say of each, and the release of those that are not needed."""

    def __init__(self, context: Context, meter: Meter, on_lost: Callable[[InstanceRecord, Instance], None]) -> None:
        self._context = context
        self._meter = meter
        self._on_lost = on_lost
        self._machines: dict[str, Machine] = {}
        self._seen: dict[str, Instance] = {}
        self._look_at: dict[str, float] = {}
        self._release_at: dict[str, float] = {}

    def machine(self, instance_id: str) -> Machine:
        """The connection to an instance, made when first needed; it dials on its first call."""
        if instance_id not in self._machines:
            record = self._context.store.instances.get(instance_id)
            instance = self._seen.get(instance_id)
            if instance is None or instance.endpoint is None:
                provider = self._context.provider(record.site)
                instance = provider.describe(self._context.plan.site(record.site), instance_id)
                self._seen[instance_id] = instance
            if instance.endpoint is None:
                raise GaError(f"instance {instance_id} at {record.site} is {instance.state}: it has no address")
            self._machines[instance_id] = self._context.connect(instance)
        return self._machines[instance_id]

    def state(self, instance_id: str) -> Instance | None:
        """What the provider said last, None before its first word."""
        return self._seen.get(instance_id)

    def hurry(self, instance_id: str) -> None:
        """Somebody waits for this instance: look at it soon."""
        soon = self._context.clock.epoch_s() + _LOOK_SOON_S
        self._look_at[instance_id] = min(self._look_at.get(instance_id, 0.0), soon)

    def tick(self) -> None:
        for record in self._context.store.instances.of_job(self._context.job_id):
            if record.state is Holding.RELEASING:
                self._release(record)
            elif record.state is Holding.HELD:
                self._look(record)

    def release(self, instance_id: str) -> None:
        """Intend to give an instance back; `tick` does it and goes on until the provider says that it is gone."""
        record = self._context.store.instances.get(instance_id)
        if record.state in (Holding.RELEASING, Holding.GONE):
            return
        with self._context.store.transaction():
            self._context.store.instances.set_state(instance_id, Holding.RELEASING, self._context.now())
            self._context.event("instance", instance=instance_id, site=record.site, state="releasing")

    def close(self) -> None:
        for machine in self._machines.values():
            machine.close()
        self._machines.clear()

    def _look(self, record: InstanceRecord) -> None:
        instance = self._described(record, _LOOK_S)
        if instance is None:
            return
        if instance.state is InstanceState.GONE:
            # Together: an instance that is known to be gone, under a trainer that nobody knows to be, would never end.
            with self._context.store.transaction():
                self._gone(record)
                self._on_lost(record, instance)
        elif instance.state is InstanceState.PREEMPTING:
            self._on_lost(record, instance)

    def _release(self, record: InstanceRecord) -> None:
        clock, site = self._context.clock, self._context.plan.site(record.site)
        provider, job_id = self._context.provider(record.site), self._context.job_id
        if self._release_at.get(record.instance_id, 0.0) <= clock.epoch_s():
            try:
                machine = self.machine(record.instance_id)
            except GaError:
                machine = None

            def end() -> None:
                # The provider's word that it is gone is what counts; a machine that answers is left clean first.
                if machine is not None:
                    with suppress(GaError):
                        machine.teardown(job_id)
                provider.destroy(site, record.instance_id)

            done = self._context.tasks.once(f"release:{record.instance_id}", lambda _step: end())
            if done is None:
                return
            self._release_at[record.instance_id] = clock.epoch_s() + _RETRY_RELEASE_S
            self._look_at[record.instance_id] = 0.0
            if done.error is not None:
                self._context.event("warning", about="release", instance=record.instance_id, message=str(done.error))
        instance = self._described(record, _LOOK_SOON_S)
        if instance is not None and instance.state is InstanceState.GONE:
            self._gone(record)

    def _described(self, record: InstanceRecord, every_s: float) -> Instance | None:
        """A fresh word of the provider, None while there is none."""
        clock = self._context.clock
        key = f"describe:{record.instance_id}"
        if not self._context.tasks.busy(key) and self._look_at.get(record.instance_id, 0.0) > clock.epoch_s():
            return None
        provider, site = self._context.provider(record.site), self._context.plan.site(record.site)
        done = self._context.tasks.once(key, lambda _step: provider.describe(site, record.instance_id))
        if done is None:
            return None
        self._look_at[record.instance_id] = clock.epoch_s() + every_s
        if done.error is not None:
            return None
        instance = done.unwrap()
        self._seen[record.instance_id] = instance
        return instance

    def _gone(self, record: InstanceRecord) -> None:
        now = self._context.now()
        machine = self._machines.pop(record.instance_id, None)
        if machine is not None:
            machine.close()
        self._context.forget(record.instance_id)
        with self._context.store.transaction():
            self._meter.lost(record.instance_id, now)
            self._meter.advance(record.instance_id, now)
            self._context.store.instances.set_state(record.instance_id, Holding.GONE, now)
            self._context.event("instance", instance=record.instance_id, site=record.site, state="gone")
