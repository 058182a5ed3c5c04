"""Mock sites for tests: a provider whose VMs are all gone afterwards, and the host in a VM."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil
from support.waiting import wait_for

from ga_providers.mock import MockProvider
from ga_providers.mock_folder import FOLDER_MARK
from gacli.core.site import PowerModel, Site
from gacli.ports.provider import Instance, InstanceState
from gacli.transport.keys import key_pair
from gacli.transport.pins import Pins
from gacli.transport.ssh import SshHost

# A lifetime that no test sees the end of.
DAY_S = 86400.0


def mock_site(name: str = "fr", *, capacity: int = 4, options: Mapping[str, object] | None = None) -> Site:
    return Site(
        name=name,
        provider="mock",
        zone="FR",
        pue=1.1,
        power=PowerModel(idle_w=50, busy_w=300),
        capacity=capacity,
        options=options or {},
    )


class MockSites:
    """A mock provider with its keys and pins in `folder`. Another object on the same folder is another controller."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        keys = key_pair(folder)
        self.provider = MockProvider(folder / "mock", keys.public_key, keys.key_file)
        self.pins = Pins(folder / "pins")

    def ready(self, site: Site, instance_id: str) -> SshHost:
        """Create the instance and wait until it can be reached."""
        self.provider.create(site, instance_id, {}, DAY_S)
        return self.reach(self.wait(site, instance_id, InstanceState.READY))

    def reach(self, instance: Instance) -> SshHost:
        assert instance.endpoint is not None
        return SshHost(instance.endpoint, pins=self.pins, label=f"{instance.site} ({instance.instance_id})")

    def wait(self, site: Site, instance_id: str, state: InstanceState) -> Instance:
        def look() -> Instance | None:
            found = self.provider.describe(site, instance_id)
            return found if found.state is state else None

        return wait_for(look, f"{instance_id} to be {state}")

    def processes(self) -> list[psutil.Process]:
        """Every live process of every VM in this folder, by its mark."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(FOLDER_MARK, "").startswith(str(self.folder)):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def destroy_all(self) -> None:
        for path in (self.folder / "mock" / "vms").glob("*"):
            self.provider.destroy(mock_site(), path.name)
