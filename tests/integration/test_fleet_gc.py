"""Real mock VMs leaked on purpose: `ga fleet` finds them, and removes them and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.bad import Ga, count, ga_in, job, lab, mock
from support.sshd import Sshd
from support.waiting import wait_for

from gacli.clock import anchor_now
from gacli.config import build
from gacli.config.load import load
from gacli.core.job import JobState
from gacli.core.site import Site
from gacli.engine.assembly import installed_providers, make_provider
from gacli.engine.tags import store_id
from gacli.ports.provider import InstanceState, Provider
from gacli.store import Store
from gacli.store.instances import Holding

pytestmark = pytest.mark.prove

DAY_S = 86400.0
STRANGER = "beefbeefbeefbeef"


@pytest.fixture
def ga(tmp_path: Path) -> Iterator[Ga]:
    with ga_in(tmp_path / "ga") as found:
        found.use_script("count.py")
        yield found


class Leaks:
    """Makes instances behind the back of a `Ga`'s controllers, at the first site of a configuration."""

    def __init__(self, ga: Ga, config: Path) -> None:
        self._ga = ga
        self.site: Site = build.sites(load(config).config)[0]
        ga.folders.make()
        self.provider: Provider = make_provider(installed_providers()[self.site.provider], ga.folders)

    def leak(self, instance_id: str, job_id: str, *, owner: str = "") -> None:
        tags = {"ga-store": owner or store_id(self._ga.folders), "ga-job": job_id, "ga-generation": "1"}
        self.provider.create(self.site, instance_id, tags, DAY_S)
        wait_for(
            lambda: self.provider.describe(self.site, instance_id).state is InstanceState.READY,
            f"{instance_id} to be ready",
        )

    def listed(self) -> list[str]:
        return [instance.instance_id for instance in self.provider.list(self.site)]


def fleet(ga: Ga, *arguments: str | Path) -> dict[str, Any]:
    """What a `ga fleet` command that succeeds prints as JSON."""
    said = ga("fleet", *arguments, "--json")
    assert said.exit_code == 0, said
    return said.last


def uses(ga: Ga, *arguments: str | Path) -> dict[str, str]:
    return {entry["instance"]: entry["use"] for entry in fleet(ga, "list", *arguments)["instances"]}


def roomy(name: str) -> dict[str, object]:
    return {**mock(name), "capacity": 9, "price": 3600.0}


def test_gc_removes_what_nobody_needs_and_nothing_else(ga: Ga) -> None:
    config = ga.write(job(count(2000), [roomy("a")]))
    assert ga("run", config, "--detach").exit_code == 0
    ga.await_step(3)
    leaks = Leaks(ga, config)
    leaks.leak("old-1-a-1", "old-1")
    leaks.leak("job-1-a-9", "job-1")
    leaks.leak("else-1-a-1", "else-1", owner=STRANGER)
    before = uses(ga)
    assert before == {"else-1-a-1": "foreign", "job-1-a-1": "in_use", "job-1-a-9": "orphan", "old-1-a-1": "orphan"}

    ga("fleet", "gc").refuses(2, "no terminal", "2 orphans", "nothing was destroyed", "ga fleet gc --yes")
    dry = fleet(ga, "gc", "--dry-run")
    assert [(one["instance"], one["outcome"]) for one in dry["orphans"]] == [("job-1-a-9", None), ("old-1-a-1", None)]
    assert uses(ga) == before

    swept = fleet(ga, "gc", "--yes")
    assert [(one["instance"], one["outcome"]) for one in swept["orphans"]] == [
        ("job-1-a-9", "gone"),
        ("old-1-a-1", "gone"),
    ]
    assert uses(ga) == {"else-1-a-1": "foreign", "job-1-a-1": "in_use"}
    step = ga.store.journal.progress("job-1")
    assert step is not None
    ga.await_step(step.step + 3)
    said = ga("fleet", "gc")
    assert (said.exit_code, said.out) == (0, "no orphans\n")

    assert ga("stop", "job-1", "--wait").exit_code == 0
    assert uses(ga) == {"else-1-a-1": "foreign"}
    leaks.provider.destroy(leaks.site, "else-1-a-1")


def test_tags_age_and_price_of_what_runs(ga: Ga) -> None:
    assert ga("run", ga.write(job(count(2000), [roomy("a")], lifetime="2h")), "--detach").exit_code == 0
    ga.await_step(1)
    listed = fleet(ga, "list")
    (entry,) = listed["instances"]
    assert listed["store"] == store_id(ga.folders)
    assert (entry["job"], entry["site"], entry["generation"], entry["state"]) == ("job-1", "a", 1, "ready")
    assert (entry["use"], entry["has_controller"]) == ("in_use", True)
    # 3600 USD per hour is a dollar a second.
    assert entry["price_usd"] == pytest.approx(entry["age_s"])
    assert 0 < entry["age_s"] < 60
    created, expires = entry["created_at"], entry["expires_at"]
    assert created[:10] <= expires[:10]
    record = json.loads((ga.folders.provider("mock") / "vms" / "job-1-a-1" / "record.json").read_text())
    assert record["lifetime_s"] == 7200.0
    assert record["tags"]["ga-expires"] == expires
    assert ga("stop", "job-1", "--wait").exit_code == 0


_CONTROLLER_THAT_DIES = """
import os, signal, sys
from ga_providers.mock import MockProvider
from gacli.engine import process

create = MockProvider.create

def create_and_die(self, *arguments):
    create(self, *arguments)
    os.kill(os.getpid(), signal.SIGKILL)

MockProvider.create = create_and_die
process.main(sys.argv[1])
"""


def die_after_create(ga: Ga, config: Path) -> None:
    """A new job whose controller is killed when the VM has been made, before the store says so."""
    loaded = load(config)
    anchor = anchor_now(loaded.config.replay.start if loaded.config.replay else None)
    ga.folders.make()
    with contextlib.closing(Store(ga.folders.database)) as store:
        created = store.jobs.create(
            name=loaded.config.name, config_path=str(loaded.path), config_text=loaded.text, config_sha256=loaded.sha256,
            clock_epoch_s=anchor.epoch_s, clock_start=anchor.start, clock_scale=60.0,
        )  # fmt: skip
        assert created is not None
        died = subprocess.run(
            [sys.executable, "-c", _CONTROLLER_THAT_DIES, created.job_id], env=ga.environment, check=False
        )
        assert died.returncode == -signal.SIGKILL
        assert [row.state for row in store.instances.of_job("job-1")] == [Holding.REQUESTED]


def test_what_a_dead_controller_asked_for_is_kept_until_its_job_ends(ga: Ga) -> None:
    config = ga.write(job(count(20), [mock("a")]))
    die_after_create(ga, config)
    (entry,) = fleet(ga, "list")["instances"]
    assert (entry["instance"], entry["use"], entry["has_controller"]) == ("job-1-a-1", "in_use", False)
    said = ga("fleet", "gc", "--yes")
    assert said.exit_code == 0
    assert "no orphans" in said.out
    assert "job-1 has no controller" in said.out
    assert "`ga resume job-1`" in said.out
    assert "`ga stop job-1`" in said.out
    assert uses(ga) == {"job-1-a-1": "in_use"}
    # What it was kept for: the same VM takes the job, and is gone with it.
    assert ga("resume", "job-1").exit_code == 0
    assert ga.state() is JobState.DONE
    assert [row.instance_id for row in ga.store.instances.of_job("job-1", gone=True)] == ["job-1-a-1"]
    assert uses(ga) == {}


def test_what_a_lost_store_asked_for_is_found_and_removed(ga: Ga) -> None:
    config = ga.write(job(count(20), [mock("a")]))
    die_after_create(ga, config)
    for path in ga.folders.root.glob("ga.db*"):
        path.unlink()
    leaks = Leaks(ga, config)
    assert leaks.listed() == ["job-1-a-1"]
    # Nothing in the new store speaks of its site.
    assert uses(ga) == {}
    assert uses(ga, "--config", config) == {"job-1-a-1": "orphan"}
    assert fleet(ga, "gc", "--yes", "--config", config)["destroyed"] == 1
    assert leaks.listed() == []


def test_two_stores_in_one_cloud_leave_each_other_alone(tmp_path: Path) -> None:
    with ga_in(tmp_path / "one") as one, ga_in(tmp_path / "two") as two:
        config = one.write(job(count(20), [roomy("a")]))
        first = Leaks(one, config)
        (two.folders.root / "providers").mkdir(parents=True)
        two.folders.provider("mock").symlink_to(one.folders.provider("mock"))
        second = Leaks(two, config)
        first.leak("job-1-a-1", "job-1")
        second.leak("job-1-a-2", "job-1")
        assert uses(one, "-c", config) == {"job-1-a-1": "orphan", "job-1-a-2": "foreign"}
        assert uses(two, "-c", config) == {"job-1-a-1": "foreign", "job-1-a-2": "orphan"}
        assert fleet(two, "gc", "--yes", "-c", config)["destroyed"] == 1
        assert first.listed() == ["job-1-a-1"]
        assert fleet(two, "gc", "--yes", "-c", config)["destroyed"] == 0
        assert first.listed() == ["job-1-a-1"]
        assert fleet(one, "gc", "--yes", "-c", config)["destroyed"] == 1
        assert first.listed() == []


def test_terminal_is_asked(ga: Ga) -> None:
    config = ga.write(job(count(20), [mock("a")]))
    leaks = Leaks(ga, config)
    leaks.leak("old-1-a-1", "old-1")
    code, text = answered(ga, config, "n")
    assert code == 1
    assert "Destroy 1 orphan?" in text
    assert "nothing was destroyed" in text
    assert leaks.listed() == ["old-1-a-1"]
    code, text = answered(ga, config, "y")
    assert code == 0
    assert "old-1-a-1: gone" in text
    assert leaks.listed() == []


def answered(ga: Ga, config: Path, answer: str) -> tuple[int, str]:
    """`ga fleet gc` on a terminal where somebody answers; exit code and output."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [Path(sys.executable).with_name("ga"), "fleet", "gc", "--config", config],
            stdin=theirs, capture_output=True, text=True, env=ga.environment, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout + done.stderr


def test_lost_instance_is_told_and_is_the_controllers_business(ga: Ga) -> None:
    assert ga("run", ga.write(job(count(2000), [mock("a")])), "--detach").exit_code == 0
    ga.await_step(3)
    pid = int(ga.folders.controller_lock("job-1").read_text())
    os.kill(pid, signal.SIGKILL)
    vm = ga.folders.provider("mock") / "vms" / "job-1-a-1"
    shutil.rmtree(vm, ignore_errors=True)
    wait_for(lambda: not ga.leftovers(), "the VM to end")
    (entry,) = fleet(ga, "list")["instances"]
    assert (entry["instance"], entry["use"], entry["state"]) == ("job-1-a-1", "lost", None)
    said = ga("fleet", "gc", "--yes")
    assert (said.exit_code, "no orphans" in said.out, "`ga resume job-1`" in said.out) == (0, True, True)
    assert ga("stop", "job-1", "--wait").exit_code == 0
    assert uses(ga) == {}


def test_claim_of_a_finished_job_is_released_and_its_host_left_clean(tmp_path: Path, sshd: Sshd) -> None:
    with ga_in(tmp_path / "ga", sshd.home) as ga:
        config = ga.write(job("exit 0", [lab(sshd)]))
        assert ga("run", config).exit_code == 0
        leaks = Leaks(ga, config)
        for folder in ("job-1", "else-1"):
            (sshd.home / ".ga" / "jobs" / folder).mkdir(parents=True)
        leaks.leak("job-1-lab-9", "job-1")
        assert uses(ga) == {"job-1-lab-9": "orphan"}
        assert ga("fleet", "gc", "--yes").out.splitlines()[-1] == "job-1-lab-9: gone"
        assert leaks.listed() == []
        assert [path.name for path in (sshd.home / ".ga" / "jobs").iterdir()] == ["else-1"]


def test_place_that_cannot_be_looked_at_is_told(ga: Ga) -> None:
    config = ga.write(job("exit 0", [mock("a")]))
    assert ga("run", config).exit_code == 0
    elsewhere = ga.write(job("exit 0", [{**mock("c"), "provider": "nimbus"}]), "elsewhere.yaml")
    said = ga("fleet", "list", "--json", "--config", elsewhere)
    said.refuses(1, "there may be more instances", "c (nimbus)", "provider nimbus is not installed")
    assert said.last["unasked"] == [{"what": "c (nimbus)", "message": "provider nimbus is not installed"}]
