"""Makes a target ready while the source still trains: ask for it, boot it, set it up."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from gacli.engine.context import Context
from gacli.engine.fleet import Fleet
from gacli.engine.metering import Meter
from gacli.engine.supervision import Supervision
from gacli.engine.tags import tags_of
from gacli.errors import AuthenticationFailed, GaError, HostKeyChanged, HostUnreachable, NoCapacity
from gacli.ports.machine import StepProgress
from gacli.ports.provider import InstanceState
from gacli.store.instances import Accounting, Holding
from gacli.store.placements import PlacementRecord

# Real seconds in which an instance must have booted and answered.
_BOOT_LIMIT_S = 900.0
# Real seconds for which a site is left alone after a failure there.
_BLOCK_S = 300.0
_NO_CAPACITY_S = 60.0
# A site that cannot work until somebody repairs it.
_FOREVER = timedelta(days=36500)
# A target must have room for the checkpoint while the former one still lies there.
_SPACE_FACTOR = 2


class Targeting:
    """One target instance at a time."""

    def __init__(self, context: Context, meter: Meter, fleet: Fleet, supervision: Supervision) -> None:
        self._context = context
        self._meter = meter
        self._fleet = fleet
        self._supervision = supervision
        self._give_up_at: dict[str, float] = {}

    def request(self, record: PlacementRecord) -> None:
        """Record the intent: the instance's name is fixed and durable before the provider is asked."""
        context = self._context
        site = record.target_site
        if site is None:
            raise ValueError(f"placement {record.placement_id} has no target")
        number = context.store.instances.count_at(context.job_id, site) + 1
        instance_id = f"{context.job_id}-{site}-{number}"
        context.store.instances.request(
            instance_id=instance_id,
            job_id=context.job_id,
            site=site,
            generation=context.job().generation + 1,
            at=context.now(),
        )
        context.store.placements.set_target(record.placement_id, instance_id)
        context.event("instance", instance=instance_id, site=site, state="requested")

    def ready(self, record: PlacementRecord) -> bool:
        """True once the target is proven usable. Raises GaError when it cannot be made so."""
        context = self._context
        instance_id = record.target_instance
        if instance_id is None:
            raise ValueError(f"placement {record.placement_id} has requested no instance")
        instance = context.store.instances.get(instance_id)
        if instance.state is Holding.GONE:
            raise NoCapacity(f"instance {instance_id} was gone before it could be used")
        limit = self._give_up_at.setdefault(instance_id, context.clock.epoch_s() + _BOOT_LIMIT_S)
        if context.clock.epoch_s() > limit:
            raise HostUnreachable(f"{instance.site}: instance {instance_id} was not usable after {_BOOT_LIMIT_S:.0f} s")
        if instance.state is Holding.REQUESTED:
            self._create(instance_id, instance.site)
            return False
        seen = self._fleet.state(instance_id)
        if seen is None or seen.state is InstanceState.BOOTING:
            self._fleet.hurry(instance_id)
            context.store.journal.set_live(
                context.job_id, "target", StepProgress(what="booting", detail=instance.site), context.clock.epoch_s()
            )
            return False
        context.store.journal.clear_live(context.job_id, "target")
        if instance.phase is Accounting.BOOT:
            with context.store.transaction():
                self._meter.advance(instance_id, context.now(), then=Accounting.IDLE)
                context.event("instance", instance=instance_id, site=instance.site, state="booted")
        return self._prepare(instance_id)

    def block(self, site: str, error: GaError) -> None:
        """Leave a site alone for a while; one that needs repair is left alone for good."""
        context = self._context
        match error:
            case HostKeyChanged() | AuthenticationFailed():
                until: datetime = context.now() + _FOREVER
            case NoCapacity():
                until = context.later(_NO_CAPACITY_S)
            case _:
                until = context.later(_BLOCK_S)
        with context.store.transaction():
            context.store.instances.block_site(
                context.job_id, site, until, error.message.splitlines()[0], fault=not isinstance(error, NoCapacity)
            )
            context.event("warning", about="site", site=site, message=str(error))

    def _create(self, instance_id: str, site_name: str) -> None:
        context = self._context
        site, provider = context.plan.site(site_name), context.provider(site_name)
        lifetime_s = context.plan.lifetime_s
        tags = tags_of(
            context.store.instances.get(instance_id),
            store_id=context.store_id,
            expires_epoch_s=context.clock.epoch_s() + lifetime_s,
        )
        done = context.tasks.once(
            f"create:{instance_id}", lambda _step: provider.create(site, instance_id, tags, lifetime_s)
        )
        if done is None:
            return
        done.unwrap()
        with context.store.transaction():
            context.store.instances.set_state(instance_id, Holding.HELD, context.now())
            context.event("instance", instance=instance_id, site=site_name, state="held")

    def _prepare(self, instance_id: str) -> bool:
        context = self._context
        machine = self._fleet.machine(instance_id)
        held, saved = context.job().checkpoint, self._supervision.last_saved
        size_bytes = max(0 if held is None else held.size_bytes, 0 if saved is None else saved.size_bytes)
        needed_bytes = max(_SPACE_FACTOR * size_bytes, context.plan.work.min_free_bytes)
        work = replace(context.plan.work, min_free_bytes=needed_bytes)
        done = context.tasks.once(f"prepare:{instance_id}", lambda on_step: machine.prepare(work, on_step))
        if done is None:
            return False
        done.unwrap()
        context.event(
            "instance", instance=instance_id, site=context.store.instances.get(instance_id).site, state="ready"
        )
        return True
