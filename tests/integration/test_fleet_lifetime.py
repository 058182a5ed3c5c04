"""The lifetime of an instance: it ends by itself, whoever is alive, and a job that is longer leaves before."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.bad import Ga, count, ga_in, job, mock
from support.mock_site import MockSites, mock_site
from support.waiting import wait_for

from gacli.clock import anchor_now
from gacli.config.load import load
from gacli.core.job import JobState
from gacli.engine.assembly import context_of
from gacli.engine.controller import Controller
from gacli.errors import HostUnreachable
from gacli.ports.provider import InstanceState

pytestmark = pytest.mark.prove


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[MockSites]:
    found = MockSites(tmp_path / "state")
    yield found
    found.destroy_all()
    assert found.processes() == []


@pytest.fixture
def ga(tmp_path: Path) -> Iterator[Ga]:
    with ga_in(tmp_path / "ga") as found:
        found.use_script("count.py")
        yield found


def _create_and_die(folder: Path, lifetime_s: float) -> None:
    MockSites(folder).provider.create(mock_site(), "i-1", {}, lifetime_s)
    os.kill(os.getpid(), signal.SIGKILL)


def test_vm_of_a_dead_controller_ends_by_itself(sites: MockSites) -> None:
    controller = multiprocessing.get_context("spawn").Process(target=_create_and_die, args=(sites.folder, 5.0))
    controller.start()
    controller.join()
    assert controller.exitcode == -signal.SIGKILL
    host = sites.reach(sites.wait(mock_site(), "i-1", InstanceState.READY))
    assert host.run(["sh", "-c", "setsid sleep 300 </dev/null >/dev/null 2>&1 &"]).exit_code == 0
    found = sites.wait(mock_site(), "i-1", InstanceState.PREEMPTING)
    assert found.detail == "lifetime ends within 2.5 s"
    # Nobody asks any more until it is over: the VM itself sees to it.
    wait_for(lambda: not sites.processes(), "the VM to end")
    found = sites.provider.describe(mock_site(), "i-1")
    assert (found.state, found.detail) == (InstanceState.GONE, "lifetime over")
    assert sites.provider.list(mock_site()) == []
    assert not (sites.folder / "mock" / "vms" / "i-1" / "home").exists()
    with pytest.raises(HostUnreachable):
        host.run(["true"])


def test_lifetime_counts_while_booting(sites: MockSites) -> None:
    site = mock_site(options={"boot_delay_s": 600})
    sites.provider.create(site, "i-1", {}, 0.5)
    assert sites.wait(site, "i-1", InstanceState.GONE).detail == "lifetime over"


def test_earlier_preemption_comes_first(sites: MockSites) -> None:
    site = mock_site(options={"faults": {"preempt_after_s": 0.2, "preempt_notice_s": 0.3}})
    sites.provider.create(site, "i-1", {}, 3600.0)
    assert sites.wait(site, "i-1", InstanceState.GONE).detail == "preempted"


def test_create_again_does_not_prolong_a_life(sites: MockSites) -> None:
    sites.provider.create(mock_site(), "i-1", {}, 2.0)
    before = sites.provider.describe(mock_site(), "i-1").created_at
    sites.provider.create(mock_site(), "i-1", {}, 3600.0)
    assert sites.provider.describe(mock_site(), "i-1").created_at == before
    sites.wait(mock_site(), "i-1", InstanceState.GONE)


def test_job_longer_than_a_lifetime_leaves_before_its_end(ga: Ga) -> None:
    loaded = load(ga.write(job(count(260, save_every=1000), [{**mock("a"), "capacity": 2}])))
    anchor = anchor_now()
    ga.folders.make()
    created = ga.store.jobs.create(
        name="job", config_path=str(loaded.path), config_text=loaded.text, config_sha256=loaded.sha256,
        clock_epoch_s=anchor.epoch_s, clock_start=anchor.start, clock_scale=1.0,
    )  # fmt: skip
    assert created is not None
    context = context_of(ga.store, created.job_id, ga.folders)
    # Shorter than a configuration may say, so that the test is over in time.
    Controller(replace(context, plan=replace(context.plan, lifetime_s=16.0))).run()
    assert ga.state() is JobState.DONE
    ga.assert_trained(260)
    assert "lifetime ends within 8 s" in ga.messages("warning")
    outcomes = [generation.outcome for generation in ga.store.jobs.generations("job-1")]
    assert len(outcomes) >= 2
    assert "lost" not in outcomes
    assert "trained again" not in ga.messages("warning")
