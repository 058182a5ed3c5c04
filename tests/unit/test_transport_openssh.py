"""The ssh command for rsync: what it must always contain, and quoting through jump hosts."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from gacli.transport.openssh import rsync_destination, ssh_command
from gacli.transport.pins import Pins
from gacli.transport.ssh_route import Hop


def hop(name: str, **changes: object) -> Hop:
    values = {"pin_id": name, "hostname": f"{name}.example", "port": 22, "user": "u", "key_files": (Path("/k/key"),)}
    return Hop(**(values | changes))  # type: ignore[arg-type]


def options(argv: list[str]) -> dict[str, str]:
    return dict(argv[index + 1].split("=", 1) for index, word in enumerate(argv) if word == "-o")


def test_pin_is_the_only_authority_and_only_the_key_is_offered() -> None:
    argv = ssh_command([hop("i-1", port=2201)], Pins(Path("/p in/%h")), connect_timeout_s=0.4)
    found = options(argv)
    assert argv[:3] == ["ssh", "-F", "none"]
    assert argv[-4:] == ["-l", "u", "-p", "2201"]
    assert found["UserKnownHostsFile"] == '"/p in/%%h/i-1"'
    assert found["ConnectTimeout"] == "1"
    expected = {
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": "i-1",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "ControlPath": "none",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": '"/k/key"',
        "BatchMode": "yes",
    }
    assert {name: found[name] for name in expected} == expected


def test_user_configuration_is_read_only_for_hosts_named_in_it(own_home: Path) -> None:
    config = own_home / ".ssh" / "config"
    config.parent.mkdir()
    config.touch()
    argv = ssh_command([hop("i-1", config_name="box")], Pins(Path("/p")), connect_timeout_s=10)
    assert argv[:3] == ["ssh", "-F", str(config)]
    assert "IdentitiesOnly" not in options(argv)
    assert "HostName" not in options(argv)


def test_every_jump_is_verified_and_survives_percent_expansion() -> None:
    route = [
        hop("j1", config_name="j1"),
        hop("j2", config_name="j2"),
        hop("t", config_name="t", hostname="fe80::1%eth0"),
    ]
    argv = ssh_command(route, Pins(Path("/50%/p")), connect_timeout_s=10)
    for pin, following in (("j2", "[fe80::1%eth0]:22"), ("j1", "j2.example:22")):
        # OpenSSH expands %% before it hands the command to a shell.
        argv = shlex.split(options(argv)["ProxyCommand"].replace("%%", "%"))
        assert argv[-3:] == ["-W", following, pin]
        assert options(argv)["StrictHostKeyChecking"] == "yes"
        assert options(argv)["HostKeyAlias"] == pin
        assert options(argv)["UserKnownHostsFile"] == f'"/50%%/p/{pin}"'
    assert "ProxyCommand" not in options(argv)


@pytest.mark.parametrize(("name", "expected"), [("box", "box"), ("fe80::1", "[fe80::1]"), (None, "i-1")])
def test_rsync_destination(name: str | None, expected: str) -> None:
    assert rsync_destination([hop("i-1", config_name=name)]) == expected
