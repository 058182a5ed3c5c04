"""The mock provider's VMs: real sshd processes that live, are found again, and end without a trace."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import psutil
import pytest
from support.mock_site import DAY_S, MockSites, mock_site
from support.waiting import wait_for

from gacli.errors import AuthenticationFailed, GaError, HostUnreachable, NoCapacity
from gacli.ports.provider import InstanceState
from gacli.transport.keys import key_pair
from gacli.transport.process import run
from gacli.transport.ssh import SshHost

# Three ways to escape whoever started a process: a session of its own, that with nothing left of the environment,
# and twice removed from its parent.
ESCAPES = (
    "setsid sleep 300 </dev/null >/dev/null 2>&1 &",
    "env -i setsid sleep 300 </dev/null >/dev/null 2>&1 &",
    "(setsid sh -c 'sleep 300 & exec sleep 300' </dev/null >/dev/null 2>&1 &) ;",
)


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[MockSites]:
    found = MockSites(tmp_path / "state of 'ga'")
    yield found
    found.destroy_all()
    assert found.processes() == []


def escape(host: SshHost) -> list[psutil.Process]:
    """Start what tries to outlive the VM; the processes."""
    host.run(["sh", "-c", "\n".join(ESCAPES)])
    home = host.run(["pwd"]).stdout.decode().strip()

    def sleepers() -> list[psutil.Process]:
        found = [item for item in psutil.process_iter(["name", "cwd"]) if item.info["name"] == "sleep"]
        return [item for item in found if item.info["cwd"] == home]

    return wait_for(lambda: found if len(found := sleepers()) == 4 else None, "four sleeping processes")


def are_gone(processes: list[psutil.Process]) -> bool:
    return not any(item.is_running() and item.status() != psutil.STATUS_ZOMBIE for item in processes)


def test_life_of_a_vm(sites: MockSites) -> None:
    site = mock_site()
    assert sites.provider.describe(site, "i-1").state is InstanceState.GONE
    sites.provider.create(site, "i-1", {"ga-job": "j"}, DAY_S)
    assert sites.provider.describe(site, "i-1").state in (InstanceState.BOOTING, InstanceState.READY)
    found = sites.wait(site, "i-1", InstanceState.READY)
    assert (found.instance_id, found.site, found.tags) == ("i-1", "fr", {"ga-job": "j"})
    assert sites.provider.list(site) == [found]
    assert sites.provider.list(mock_site("elsewhere")) == []
    host = sites.reach(found)
    assert host.run(["true"]).exit_code == 0
    sites.provider.destroy(site, "i-1")
    assert sites.provider.describe(site, "i-1").state is InstanceState.GONE
    assert sites.provider.list(site) == []
    with pytest.raises(HostUnreachable):
        host.run(["true"])
    sites.provider.destroy(site, "i-1")


def test_inside_a_vm(sites: MockSites, tmp_path: Path) -> None:
    host = sites.ready(mock_site(), "i-1")
    script = 'pwd; echo "$HOME"; echo "$GA_MOCK_VM"; command -v python; ls -A'
    lines = host.run(["sh", "-c", script]).stdout.decode().splitlines()
    assert lines[0] == lines[1]
    assert lines[2:] == ["i-1", str(Path(sys.executable).parent / "python")]
    assert host.run(["python", "-c", "import gacli"]).exit_code == 0
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "file").write_text("hello")
    host.push(tmp_path / "work", "jobs/work")
    assert host.run(["cat", "jobs/work/file"]).stdout == b"hello"
    host.close()


def test_vms_have_their_own_homes_keys_and_pins(sites: MockSites) -> None:
    hosts = [sites.ready(mock_site(), name) for name in ("i-1", "i-2")]
    homes = {host.run(["pwd"]).stdout for host in hosts}
    keys = {sites.pins.known(name) for name in ("i-1", "i-2")}
    assert len(homes) == len(keys) == 2
    for host in hosts:
        host.close()


def test_host_key_is_known_before_the_first_connection(sites: MockSites) -> None:
    sites.provider.create(mock_site(), "i-1", {}, DAY_S)
    endpoint = sites.wait(mock_site(), "i-1", InstanceState.READY).endpoint
    assert endpoint is not None
    assert endpoint.host_key is not None
    assert endpoint.host_key.startswith("ssh-ed25519 ")


def test_another_key_is_refused(sites: MockSites, tmp_path: Path) -> None:
    sites.ready(mock_site(), "i-1").close()
    endpoint = sites.provider.describe(mock_site(), "i-1").endpoint
    assert endpoint is not None
    wrong = dataclasses.replace(endpoint, key_file=key_pair(tmp_path / "stranger").key_file)
    with pytest.raises(AuthenticationFailed):
        SshHost(wrong, pins=sites.pins, label="x").run(["true"])


def test_create_again_makes_nothing_new(sites: MockSites) -> None:
    host = sites.ready(mock_site(), "i-1")
    host.run(["touch", "mine"])
    before = sites.provider.describe(mock_site(), "i-1")
    sites.provider.create(mock_site(), "i-1", {}, DAY_S)
    assert sites.provider.describe(mock_site(), "i-1") == before
    assert host.run(["test", "-e", "mine"]).exit_code == 0
    host.close()


def test_boots_only_after_its_delay(sites: MockSites) -> None:
    site = mock_site(options={"boot_delay_s": 600})
    sites.provider.create(site, "i-1", {}, DAY_S)
    wait_for(sites.processes, "the VM's process")
    found = sites.provider.describe(site, "i-1")
    assert (found.state, found.endpoint) == (InstanceState.BOOTING, None)
    sites.provider.destroy(site, "i-1")
    assert sites.processes() == []


def test_another_controller_finds_it(sites: MockSites) -> None:
    sites.ready(mock_site(), "i-1").close()
    other = MockSites(sites.folder)
    assert [item.instance_id for item in other.provider.list(mock_site())] == ["i-1"]
    other.provider.destroy(mock_site(), "i-1")
    assert sites.provider.list(mock_site()) == []


def test_capacity(sites: MockSites) -> None:
    site = mock_site(capacity=1)
    sites.provider.create(site, "i-1", {}, DAY_S)
    with pytest.raises(NoCapacity, match="fr has no room: 1 of 1"):
        sites.provider.create(site, "i-2", {}, DAY_S)
    sites.provider.create(mock_site("elsewhere", capacity=1), "i-3", {}, DAY_S)
    sites.provider.destroy(site, "i-1")
    sites.provider.create(site, "i-2", {}, DAY_S)


def _create(folder: Path, number: int) -> bool:
    try:
        MockSites(folder).provider.create(mock_site(capacity=2), f"i-{number}", {}, DAY_S)
    except NoCapacity:
        return False
    return True


def test_capacity_holds_across_processes(sites: MockSites) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        outcomes = pool.starmap(_create, [(sites.folder, number) for number in range(8)])
    assert sum(outcomes) == len(sites.provider.list(mock_site())) == 2


def test_simultaneous_creates_of_one_id_make_one_vm(sites: MockSites) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: sites.provider.create(mock_site(), "i-1", {}, DAY_S), range(6)))
    sites.wait(mock_site(), "i-1", InstanceState.READY)
    wait_for(lambda: len(sites.processes()) == 1, "the losers to end")


def test_destroy_leaves_no_process_and_no_home(sites: MockSites) -> None:
    host = sites.ready(mock_site(), "i-1")
    processes = escape(host)
    sites.provider.destroy(mock_site(), "i-1")
    assert are_gone(processes)
    assert sites.processes() == []
    assert not (sites.folder / "mock" / "vms" / "i-1").exists()
    host.close()


def test_destroy_spares_other_vms(sites: MockSites) -> None:
    first, second = (sites.ready(mock_site(), name) for name in ("i-1", "i-11"))
    sites.provider.destroy(mock_site(), "i-1")
    assert second.run(["true"]).exit_code == 0
    first.close()
    second.close()


def test_vm_whose_folder_vanished_ends_itself(sites: MockSites) -> None:
    host = sites.ready(mock_site(), "i-1")
    processes = escape(host) + sites.processes()
    shutil.rmtree(sites.folder / "mock" / "vms" / "i-1")
    wait_for(lambda: are_gone(processes), "the VM to end")
    assert not (sites.folder / "mock" / "vms" / "i-1").exists()
    host.close()


def test_killed_power_supply_is_a_dead_machine(sites: MockSites) -> None:
    host = sites.ready(mock_site(), "i-1")
    host.run(["sh", "-c", ESCAPES[0]])
    (supply,) = [item for item in sites.processes() if "ga_providers.mock_vm" in item.cmdline()]
    supply.kill()
    sites.wait(mock_site(), "i-1", InstanceState.GONE)
    assert sites.processes() == []
    assert not (sites.folder / "mock" / "vms" / "i-1" / "home").exists()
    with pytest.raises(HostUnreachable):
        host.run(["true"])


def _create_and_die(folder: Path) -> None:
    """As a controller that is killed after the record, before the start."""

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with patch("ga_providers.mock.spawn_detached", die):
        MockSites(folder).provider.create(mock_site(), "i-1", {"ga-job": "j"}, DAY_S)


def test_creator_killed_between_record_and_start(sites: MockSites) -> None:
    creator = multiprocessing.get_context("spawn").Process(target=_create_and_die, args=(sites.folder,))
    creator.start()
    creator.join()
    assert creator.exitcode == -signal.SIGKILL
    (found,) = sites.provider.list(mock_site())
    assert (found.instance_id, found.state, found.tags) == ("i-1", InstanceState.BOOTING, {"ga-job": "j"})
    sites.ready(mock_site(), "i-1").close()
    sites.provider.destroy(mock_site(), "i-1")
    assert sites.provider.list(mock_site()) == []


def test_creator_killed_after_the_start(sites: MockSites) -> None:
    code = (
        "import os, signal, sys, pathlib; sys.path.insert(0, sys.argv[2])\n"
        "from support.mock_site import MockSites, mock_site\n"
        "MockSites(pathlib.Path(sys.argv[1])).provider.create(mock_site(), 'i-1', {}, 86400.0)\n"
        "os.killpg(os.getpid(), signal.SIGKILL)\n"
    )
    tests = Path(__file__).parents[1]
    assert run([sys.executable, "-c", code, str(sites.folder), str(tests)]).exit_code == -signal.SIGKILL
    host = sites.reach(sites.wait(mock_site(), "i-1", InstanceState.READY))
    assert host.run(["true"]).exit_code == 0
    host.close()


def test_destroyer_killed_in_the_middle_is_finished_by_the_next(sites: MockSites) -> None:
    sites.ready(mock_site(), "i-1").close()
    (sites.folder / "mock" / "vms" / "i-1" / "deleting").touch()
    (found,) = sites.provider.list(mock_site())
    assert found.state is InstanceState.DELETING
    sites.provider.destroy(mock_site(), "i-1")
    assert sites.provider.list(mock_site()) == []


@pytest.mark.parametrize("instance_id", ["../escape", "", "a/b", ".hidden"])
def test_ids_that_leave_the_folder_are_refused(sites: MockSites, instance_id: str) -> None:
    with pytest.raises(GaError, match="instance id"):
        sites.provider.create(mock_site(), instance_id, {}, DAY_S)
    with pytest.raises(GaError, match="instance id"):
        sites.provider.destroy(mock_site(), instance_id)
