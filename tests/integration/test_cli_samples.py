"""The other samples, each run by `ga` itself: PyTorch, GreenAccounter's policy, and two SSH hosts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from support.cli import Event, Ga, needs, policy_of, sample
from support.sshd import Sshd

from gacli.carbon.fake.electricity_maps import DEMO_TOKEN, FakeElectricityMaps
from gacli.clock import real_epoch_s


def moves(events: list[Event]) -> list[tuple[str, str]]:
    """Those that were carried out, as (source, target)."""
    return [
        (event["source"], event["target"])
        for event in events
        if event["event"] == "placement" and (event["purpose"], event["state"]) == ("move", "finished")
    ]


@pytest.mark.prove
@needs("torch", "numpy", "sklearn")
def test_torch_moved_twice_ends_with_the_same_bytes_as_one_that_stayed(own_home: Path, tmp_path: Path) -> None:
    with Ga(own_home, tmp_path) as ga:
        config = sample(tmp_path, "torch")
        running = ga.start("run", config, "--json")
        running.until_running(2)  # the policy's move
        ga("migrate", "torch", "france", "--wait")
        said = running.end()
        moved = said.summary()
        assert moves(said.events())[:2] == [("germany", "sweden"), ("sweden", "france")]

        # As fast as it can, since what a step takes changes nothing of its result.
        stays = sample(tmp_path, "torch", (policy_of(config), "policy: stay\n"), (" --step-seconds 0.08", ""))
        stayed = ga("run", stays, "--json").summary()
        assert (stayed["job"], stayed["migrations"], stayed["status"]) == ("torch-2", 0, "done")
        assert moved["checkpoint"] == stayed["checkpoint"]
        assert moved["checkpoint"]["step"] == 300
        ga.wait_until_nothing_is_left()


@pytest.mark.slow
@needs("numpy", "sklearn")
def test_greenaccounter_leaves_the_site_that_exceeds_its_threshold(own_home: Path, tmp_path: Path) -> None:
    # Fewer steps than the sample has.
    config = sample(tmp_path, "greenaccounter", ("--steps 300", "--steps 120"))
    with Ga(own_home, tmp_path) as ga:
        said = ga("run", config, "--json")
        ga.wait_until_nothing_is_left()
    assert said.summary()["status"] == "done"
    assert moves(said.events()) == [("california", "england")]
    decision = next(
        e
        for e in said.events()
        if e["event"] == "decision" and e["policy"] == "greenaccounter" == e["policy"] and e["action"] == "move"
    )
    assert "above its threshold of 250 g/kWh" in decision["reason"]


@pytest.mark.slow
@needs("numpy", "sklearn")
def test_service_is_asked_over_the_network_and_its_values_move_the_job(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELECTRICITYMAPS_TOKEN", DEMO_TOKEN)
    with FakeElectricityMaps(epoch_s=real_epoch_s) as server, Ga(own_home) as ga:
        # Fewer steps than the sample has.
        changes = (("http://127.0.0.1:8123", server.url), ("--steps 300", "--steps 150"))
        config = sample(tmp_path, "electricitymaps", *changes)
        assert {site["source"] for site in ga("check", config, "--json").json()["sites"]} == {"electricitymaps"}
        said = ga("run", config, "--json")
        ga.wait_until_nothing_is_left()
    assert said.summary()["status"] == "done"
    assert moves(said.events()) == [("california", "england")]
    zones = [event["zones"] for event in said.events() if event["event"] == "carbon"]
    assert {reading["source"] for each in zones for reading in each.values()} == {"electricitymaps"}
    # Many polls, and the commands beside them, share what was fetched once.
    assert len(server.requests) < len(zones)
    assert all(DEMO_TOKEN not in text for text in (said.stdout, said.stderr))


@pytest.mark.slow
@needs("numpy", "sklearn")
def test_two_ssh_hosts_are_reached_by_name_and_left_as_they_were(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The hosts have the libraries: they are this computer.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    with Sshd(tmp_path / "a") as a, Sshd(tmp_path / "b") as b, Ga(own_home) as ga:
        (own_home / ".ssh").mkdir(mode=0o700)
        (own_home / ".ssh" / "config").write_text(
            "".join(
                f"Host {name}\n  HostName 127.0.0.1\n  Port {host.port}\n  IdentityFile {host.key_file}\n"
                for name, host in (("gpu-a", a), ("gpu-b", b))
            )
        )
        running = ga.start("run", sample(tmp_path, "ssh"), "--json")
        running.until_running(1)
        moved = ga("migrate", "ssh", "office", "--wait", "--json").json()
        assert (moved["job"], moved["site"], moved["state"]) == ("ssh-1", "office", "running")
        said = running.end()
        summary = said.summary()
        assert moves(said.events()) == [("lab", "office")]
        assert (summary["status"], summary["checkpoint"]["step"]) == ("done", 200)
        assert {site["site"]: site["zone"] for site in summary["sites"]} == {"lab": "DE", "office": "FR"}
        ga.wait_until_nothing_is_left()
        for host in (a, b):
            # A host that has received a checkpoint keeps a file of authorized keys, with none of ours in it.
            assert [path for path in host.home.rglob("*") if path.is_file() and path.read_bytes()] == []
