"""Faults of mock sites: refusals, slow boots, preemption, crashes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mock_site import DAY_S, MockSites, mock_site
from support.waiting import wait_for

from gacli.core.site import Site
from gacli.errors import HostUnreachable, NoCapacity
from gacli.ports.provider import InstanceState


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[MockSites]:
    found = MockSites(tmp_path / "state")
    yield found
    found.destroy_all()
    assert found.processes() == []


def faulty(**faults: object) -> Site:
    return mock_site(capacity=1, options={"faults": faults})


def test_first_creates_are_refused_for_each_job(sites: MockSites) -> None:
    site = faulty(no_capacity=2)
    for job in ("one", "two"):
        for count in (1, 2):
            # Another controller process counts on.
            tags = {"ga-job": job, "ga-generation": str(count)}
            with pytest.raises(NoCapacity, match=f"fault {count} of 2"):
                MockSites(sites.folder).provider.create(site, f"i-{job}", tags, DAY_S)
        assert sites.provider.list(site) == []
        sites.provider.create(site, f"i-{job}", {"ga-job": job}, DAY_S)
        sites.provider.destroy(site, f"i-{job}")


def test_slow_boot_adds_to_the_delay(sites: MockSites) -> None:
    site = mock_site(options={"boot_delay_s": 0.1, "faults": {"slow_boot_s": 600}})
    sites.provider.create(site, "i-1", {}, DAY_S)
    wait_for(sites.processes, "the VM's process")
    assert sites.provider.describe(site, "i-1").state is InstanceState.BOOTING


def test_preemption_gives_notice_and_then_takes_everything(sites: MockSites) -> None:
    site = faulty(preempt_after_s=0.5, preempt_notice_s=1.5)
    sites.provider.create(site, "i-1", {}, DAY_S)
    found = sites.wait(site, "i-1", InstanceState.PREEMPTING)
    assert "1.5 s" in found.detail
    host = sites.reach(found)
    assert host.run(["sh", "-c", "setsid sleep 300 </dev/null >/dev/null 2>&1 &"]).exit_code == 0
    found = sites.wait(site, "i-1", InstanceState.GONE)
    assert (found.detail, found.endpoint) == ("preempted", None)
    assert_nothing_left(sites, site)
    with pytest.raises(HostUnreachable):
        host.run(["true"])


def test_crash_comes_without_notice(sites: MockSites) -> None:
    site = faulty(crash_after_s=1.0)
    host = sites.ready(site, "i-1")
    with pytest.raises(HostUnreachable):
        host.run(["sleep", "300"], timeout_s=30)
    assert sites.wait(site, "i-1", InstanceState.GONE).detail == "crashed"
    assert_nothing_left(sites, site)


def test_vm_that_is_gone_neither_returns_nor_takes_room(sites: MockSites) -> None:
    site = faulty(crash_after_s=0.0)
    sites.provider.create(site, "i-1", {}, DAY_S)
    sites.wait(site, "i-1", InstanceState.GONE)
    sites.provider.create(site, "i-1", {}, DAY_S)
    assert sites.provider.describe(site, "i-1").state is InstanceState.GONE
    sites.provider.create(site, "i-2", {}, DAY_S)


def test_vm_that_cannot_start_says_why(sites: MockSites, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "sshd"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'something is wrong here' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    sites.provider.create(mock_site(), "i-1", {}, DAY_S)
    found = sites.wait(mock_site(), "i-1", InstanceState.GONE)
    assert "something is wrong here" in found.detail


def assert_nothing_left(sites: MockSites, site: Site) -> None:
    assert sites.provider.list(site) == []
    wait_for(lambda: not sites.processes(), "the VM's processes to end")
    assert not (sites.folder / "mock" / "vms" / "i-1" / "home").exists()
