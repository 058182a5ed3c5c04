"""Provider `fake`: instances in memory, for tests and simulations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from typing_extensions import override

from gacli.core.site import Site
from gacli.errors import NoCapacity
from gacli.ports.provider import Endpoint, Instance, InstanceState, Provider


class FakeProvider(Provider):
    """A cloud that lives as long as this object; several drivers may share one by sharing the object.

    given_back: ids that were given back, as opposed to lost. refusals: site → how many more `create` calls it answers
    with NoCapacity.
    """

    name = "fake"

    def __init__(self, *, state_folder: Path | None = None, public_key: str = "", key_file: Path | None = None) -> None:
        del state_folder, public_key, key_file
        self.instances: dict[str, Instance] = {}
        self.refusals: dict[str, int] = {}
        self.given_back: set[str] = set()

    @override
    def check(self, site: Site) -> None:
        """Every option is fine."""

    @override
    def create(self, site: Site, instance_id: str, tags: Mapping[str, str], lifetime_s: float) -> None:
        """Nothing here happens by itself: `set_state` ends an instance whose lifetime is over."""
        if instance_id in self.instances:
            return
        if self.refusals.get(site.name, 0) > 0:
            self.refusals[site.name] -= 1
            raise NoCapacity(f"{site.name} has no machine for us now")
        held = [instance for instance in self.instances.values() if instance.site == site.name]
        if sum(instance.state is not InstanceState.GONE for instance in held) >= site.capacity:
            raise NoCapacity(f"{site.name} holds {site.capacity} machine(s) already")
        self.instances[instance_id] = Instance(
            instance_id=instance_id,
            site=site.name,
            state=InstanceState.READY,
            endpoint=Endpoint(instance_id=instance_id, hostname="fake"),
            tags=dict(tags),
        )

    @override
    def describe(self, site: Site, instance_id: str) -> Instance:
        gone = Instance(instance_id=instance_id, site=site.name, state=InstanceState.GONE)
        return self.instances.get(instance_id, gone)

    @override
    def list(self, site: Site) -> list[Instance]:
        here = (instance for instance in self.instances.values() if instance.site == site.name)
        return [instance for instance in here if instance.state is not InstanceState.GONE]

    @override
    def destroy(self, site: Site, instance_id: str) -> None:
        if self.describe(site, instance_id).state is not InstanceState.GONE:
            self.given_back.add(instance_id)
        self.set_state(instance_id, InstanceState.GONE)

    def set_state(self, instance_id: str, state: InstanceState) -> None:
        """What the cloud does by itself: preempt, lose, finish deleting."""
        if instance_id in self.instances:
            self.instances[instance_id] = replace(self.instances[instance_id], state=state)
