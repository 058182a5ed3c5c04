"""Provider `mock`: each VM is a private OpenSSH server on a loopback port, with its own host key and home."""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

from ga_providers.mock_folder import Record, Status, VmFolder
from ga_providers.mock_sshd import find_sshd, login_user
from ga_providers.options import parse_options
from gacli.clock import real_epoch_s
from gacli.core.site import Site
from gacli.errors import GaError, NoCapacity
from gacli.ports.provider import Endpoint, Instance, InstanceState, Provider
from gacli.transport.files import locked, write_atomic
from gacli.transport.pins import check_instance_id
from gacli.transport.process import spawn_detached

_ENDS_WITHIN_S = 10.0


class MockFaults(BaseModel):
    """Faults of every VM at the site; real seconds.

    no_capacity: so many of a job's first creates are refused. slow_boot_s: on top of the boot delay. preempt_after_s,
    crash_after_s: after the VM has become ready. preempt_notice_s: between notice and end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    no_capacity: int = Field(default=0, ge=0)
    slow_boot_s: float = Field(default=0.0, ge=0)
    preempt_after_s: float | None = Field(default=None, ge=0)
    preempt_notice_s: float = Field(default=2.0, ge=0)
    crash_after_s: float | None = Field(default=None, ge=0)


class MockOptions(BaseModel):
    """`options` of a mock site. boot_delay_s: real seconds until sshd answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    boot_delay_s: float = Field(default=0.0, ge=0)
    faults: MockFaults = MockFaults()


class MockProvider(Provider):
    """VMs live in `<state_folder>/vms/<instance id>` and outlive whoever made them; that folder is the truth.

    A VM's lifetime is kept by its own process; its end is announced as a preemption is (`mock_vm.LIFETIME_NOTICE_S`).
    """

    name = "mock"

    def __init__(self, state_folder: Path, public_key: str, key_file: Path) -> None:
        self._folder = state_folder.absolute()
        self._public_key = public_key
        self._key_file = key_file

    @override
    def check(self, site: Site) -> None:
        parse_options(MockOptions, site)

    @override
    def create(self, site: Site, instance_id: str, tags: Mapping[str, str], lifetime_s: float) -> None:
        options = parse_options(MockOptions, site)
        find_sshd()
        login_user()
        folder = self._vm(instance_id)
        with self._locked():
            if not folder.exists():
                self._refuse(site, options.faults, tags)
                self._find_room(site)
                folder.write_record(self._record(site, options, instance_id, tags, lifetime_s))
            # Recorded, but its process has never been heard of: whoever recorded it may have died before starting it.
            # Two starts do no harm, as only one gets the lock.
            if folder.status() is None and not folder.deleting and not folder.alive():
                spawn_detached(
                    [sys.executable, "-P", "-m", "ga_providers.mock_vm", str(folder.path)],
                    log=folder.path / "vm.log",
                    env={**os.environ, **folder.marks(instance_id)},
                )

    @override
    def describe(self, site: Site, instance_id: str) -> Instance:
        folder = self._vm(instance_id)
        record = folder.record()
        if record is None:
            return Instance(instance_id=instance_id, site=site.name, state=InstanceState.GONE)
        status = _present(folder)
        reachable = status.state in (InstanceState.READY, InstanceState.PREEMPTING)
        return Instance(
            instance_id=instance_id,
            site=record.site,
            state=status.state,
            endpoint=self._endpoint(folder, record, status.port) if reachable else None,
            tags=record.tags,
            created_at=datetime.fromtimestamp(record.created_epoch_s, UTC),
            detail=status.detail,
        )

    @override
    def list(self, site: Site) -> builtins.list[Instance]:
        found = [self.describe(site, folder.path.name) for folder in self._vms()]
        return [item for item in found if item.site == site.name and item.state is not InstanceState.GONE]

    @override
    def destroy(self, site: Site, instance_id: str) -> None:
        folder = self._vm(instance_id)
        if not folder.path.exists():
            return
        folder.mark_deleting()
        deadline = time.monotonic() + _ENDS_WITHIN_S
        while folder.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        # It has ended its processes itself, unless it was killed, hangs, or has only just been started.
        folder.kill_marked()
        if folder.marked():
            raise GaError(f"{site.name}: processes of {instance_id} cannot be killed; it stays listed as deleting")
        shutil.rmtree(folder.path, ignore_errors=True)

    def _vm(self, instance_id: str) -> VmFolder:
        return VmFolder(self._folder / "vms" / check_instance_id(instance_id))

    def _vms(self) -> builtins.list[VmFolder]:
        folder = self._folder / "vms"
        if not folder.is_dir():
            return []
        return [vm for vm in map(VmFolder, sorted(folder.iterdir())) if vm.exists()]

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return locked(self._folder / "lock")

    def _record(
        self, site: Site, options: MockOptions, instance_id: str, tags: Mapping[str, str], lifetime_s: float
    ) -> Record:
        return Record(
            instance_id=instance_id,
            site=site.name,
            tags=dict(tags),
            public_key=self._public_key,
            created_epoch_s=real_epoch_s(),
            lifetime_s=lifetime_s,
            boot_s=options.boot_delay_s + options.faults.slow_boot_s,
            preempt_after_s=options.faults.preempt_after_s,
            preempt_notice_s=options.faults.preempt_notice_s,
            crash_after_s=options.faults.crash_after_s,
        )

    def _endpoint(self, folder: VmFolder, record: Record, port: int) -> Endpoint:
        key_type, blob, *_ = Path(f"{folder.host_key_file}.pub").read_text().split()
        return Endpoint(
            instance_id=record.instance_id,
            hostname="127.0.0.1",
            port=port,
            user=login_user(),
            key_file=self._key_file,
            host_key=f"{key_type} {blob}",
        )

    def _find_room(self, site: Site) -> None:
        held = len(self.list(site))
        if held >= site.capacity:
            raise NoCapacity(f"site {site.name} has no room: {held} of {site.capacity} instances are held")

    def _refuse(self, site: Site, faults: MockFaults, tags: Mapping[str, str]) -> None:
        """The fault `no_capacity`: counted by site and job."""
        if not faults.no_capacity:
            return
        path = self._folder / "refused.json"
        refused: dict[str, int] = json.loads(path.read_bytes()) if path.exists() else {}
        key = json.dumps([site.name, tags.get("ga-job", "")])
        count = refused.get(key, 0)
        if count < faults.no_capacity:
            write_atomic(path, json.dumps({**refused, key: count + 1}).encode())
            raise NoCapacity(f"site {site.name} has no capacity (fault {count + 1} of {faults.no_capacity})")


def _present(folder: VmFolder) -> Status:
    """The VM's state now, its process's death noticed."""
    if folder.deleting:
        return Status(state=InstanceState.DELETING)
    # Asked first: a process that ends in between has said GONE before it let go.
    alive = folder.alive()
    status = folder.status()
    if status is None:
        return Status(state=InstanceState.BOOTING, detail="" if alive else "asked for, not yet started")
    if alive or status.state is InstanceState.GONE:
        return status
    folder.bury("its process died")
    return Status(state=InstanceState.GONE, detail="its process died")
