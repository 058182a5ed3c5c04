"""Hosts found through the user's own SSH configuration: names, jump hosts, proxy commands, known hosts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sshd import Sshd

from gacli.errors import AuthenticationFailed, GaError, HostKeyChanged
from gacli.ports.provider import Endpoint
from gacli.transport.pins import Pins
from gacli.transport.ssh import SshHost


@pytest.fixture
def jump(tmp_path: Path) -> Iterator[Sshd]:
    # A jump only forwards: its login can do nothing.
    with Sshd(tmp_path / "jump", programs=[]) as running:
        yield running


class UserConfig:
    def __init__(self, home: Path) -> None:
        self.folder = home / ".ssh"
        self.folder.mkdir(mode=0o700)

    def host(self, name: str, sshd: Sshd, *more: str) -> None:
        lines = [f"HostName 127.0.0.1\nPort {sshd.port}\nUser {sshd.user}\nIdentityFile {sshd.key_file}", *more]
        with (self.folder / "config").open("a") as stream:
            stream.write(f"Host {name}\n" + "\n".join(lines) + "\n")

    def knows(self, sshd: Sshd, *, key: str) -> None:
        with (self.folder / "known_hosts").open("a") as stream:
            stream.write(f"[127.0.0.1]:{sshd.port} {key}\n")


@pytest.fixture
def config(own_home: Path) -> UserConfig:
    return UserConfig(own_home)


def reach(pins: Pins, name: str = "target", **overrides: str) -> SshHost:
    endpoint = Endpoint(instance_id=f"ssh_{name}", hostname=name, ssh_config_host=name)
    return SshHost(endpoint, pins=pins, label=f"lab ({name})")


def round_trip(host: SshHost, sshd: Sshd, tmp_path: Path) -> None:
    """A command and a copy in both directions: paramiko and OpenSSH both get there."""
    source = tmp_path / "a source"
    source.mkdir(exist_ok=True)
    (source / "file").write_text("hello")
    try:
        assert host.run(["pwd"]).stdout.decode().strip() == str(sshd.home)
        host.push(source, "copied")
        assert (sshd.home / "copied" / "file").read_text() == "hello"
        host.pull("copied", tmp_path / "back")
        assert (tmp_path / "back" / "file").read_text() == "hello"
    finally:
        host.close()


def test_name_port_user_and_key_from_the_configuration(
    sshd: Sshd, pins: Pins, config: UserConfig, tmp_path: Path
) -> None:
    config.host("target", sshd)
    round_trip(reach(pins), sshd, tmp_path)


def test_included_file(sshd: Sshd, pins: Pins, config: UserConfig, tmp_path: Path) -> None:
    config.host("target", sshd)
    (config.folder / "config").rename(config.folder / "more")
    (config.folder / "config").write_text(f"Include {config.folder}/more\n")
    round_trip(reach(pins), sshd, tmp_path)


def test_endpoint_overrides_the_configuration(sshd: Sshd, pins: Pins, config: UserConfig, tmp_path: Path) -> None:
    (config.folder / "config").write_text("Host target\nHostName 127.0.0.1\nPort 1\nUser nobody\n")
    endpoint = Endpoint(
        instance_id="ssh_target",
        hostname="target",
        ssh_config_host="target",
        port=sshd.port,
        user=sshd.user,
        key_file=sshd.key_file,
    )
    round_trip(SshHost(endpoint, pins=pins, label="lab"), sshd, tmp_path)


def test_jump_host(sshd: Sshd, jump: Sshd, pins: Pins, config: UserConfig, tmp_path: Path) -> None:
    config.host("door", jump)
    config.host("target", sshd, "ProxyJump door")
    round_trip(reach(pins), sshd, tmp_path)
    assert pins.known("ssh_target")[0].blob in sshd.host_key
    assert pins.known(f"jump-127.0.0.1_{jump.port}")[0].blob in jump.host_key


@pytest.mark.parametrize("chain", [("door,porch", ()), ("porch", ("ProxyJump door",))])
def test_two_jump_hosts(
    sshd: Sshd, jump: Sshd, pins: Pins, config: UserConfig, tmp_path: Path, chain: tuple[str, tuple[str, ...]]
) -> None:
    with Sshd(tmp_path / "porch", programs=[]) as porch:
        config.host("door", jump)
        config.host("porch", porch, *chain[1])
        config.host("target", sshd, f"ProxyJump {chain[0]}")
        round_trip(reach(pins), sshd, tmp_path)
        assert "Accepted publickey" in porch.log.read_text()
    assert "Accepted publickey" in jump.log.read_text()


def test_changed_key_of_the_jump_host(sshd: Sshd, jump: Sshd, pins: Pins, config: UserConfig, tmp_path: Path) -> None:
    config.host("door", jump)
    config.host("target", sshd, "ProxyJump door")
    host = reach(pins)
    host.run(["mkdir", "t"])
    # The connection through the door still stands when only new ones meet the new key.
    pins.file(f"jump-127.0.0.1_{jump.port}").write_text(f"jump-127.0.0.1_{jump.port} {sshd.host_key}\n")
    with pytest.raises(HostKeyChanged, match="lab"):
        host.pull("t", tmp_path / "back")
    host.close()
    with pytest.raises(HostKeyChanged, match="jump host"):
        host.run(["true"])


def test_wrong_key_at_the_jump_host(sshd: Sshd, jump: Sshd, pins: Pins, config: UserConfig) -> None:
    jump.key_file = sshd.key_file
    config.host("door", jump)
    config.host("target", sshd, "ProxyJump door")
    with pytest.raises(AuthenticationFailed, match="jump host"):
        reach(pins).run(["true"])


def test_proxy_command(sshd: Sshd, jump: Sshd, pins: Pins, config: UserConfig, tmp_path: Path) -> None:
    config.host("door", jump, "StrictHostKeyChecking no", f"UserKnownHostsFile {tmp_path}/door_known")
    config.host("target", sshd, f"ProxyCommand ssh -q -F {config.folder}/config -W %h:%p door")
    round_trip(reach(pins), sshd, tmp_path)
    assert "Accepted publickey" in jump.log.read_text()


def test_known_hosts_of_the_user_count(sshd: Sshd, jump: Sshd, pins: Pins, config: UserConfig, tmp_path: Path) -> None:
    config.host("target", sshd)
    config.knows(sshd, key=jump.host_key)
    with pytest.raises(HostKeyChanged, match="known_hosts"):
        reach(pins).run(["true"])
    assert pins.known("ssh_target") == ()
    (config.folder / "known_hosts").unlink()
    config.knows(sshd, key=sshd.host_key)
    round_trip(reach(pins), sshd, tmp_path)


def test_jump_hosts_in_a_circle(pins: Pins, config: UserConfig) -> None:
    (config.folder / "config").write_text("Host a\nProxyJump b\nHost b\nProxyJump a\n")
    with pytest.raises(GaError, match="circle"):
        reach(pins, "a").run(["true"])


def test_broken_configuration_is_named(pins: Pins, config: UserConfig) -> None:
    (config.folder / "config").write_text("Host target\n  Prot 22\n")
    with pytest.raises(GaError, match="config") as caught:
        reach(pins).run(["true"])
    assert "Prot" in caught.value.message or "prot" in caught.value.message
