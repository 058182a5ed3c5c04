"""Provider `ssh` with a real host: claimed, reached through the user's configuration, and left as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.sshd import Sshd

from ga_providers.ssh import SshProvider
from gacli.core.site import PowerModel, Site
from gacli.errors import HostKeyChanged
from gacli.transport.keys import key_pair
from gacli.transport.pins import Pins
from gacli.transport.ssh import SshHost


def lab() -> Site:
    return Site(
        name="lab",
        provider="ssh",
        zone="DE",
        pue=1.2,
        power=PowerModel(idle_w=50, busy_w=300),
        options={"host": "box"},
    )


def claimed(provider: SshProvider, pins: Pins, instance_id: str) -> SshHost:
    provider.create(lab(), instance_id, {}, 86400.0)
    endpoint = provider.describe(lab(), instance_id).endpoint
    assert endpoint is not None
    return SshHost(endpoint, pins=pins, label="lab")


def test_claimed_host_is_reached_and_a_key_changed_between_claims_is_noticed(
    sshd: Sshd, pins: Pins, own_home: Path, tmp_path: Path
) -> None:
    (own_home / ".ssh").mkdir()
    (own_home / ".ssh" / "config").write_text(
        f"Host box\nHostName 127.0.0.1\nPort {sshd.port}\nIdentityFile {sshd.key_file}\n"
    )
    keys = key_pair(tmp_path / "state")
    provider = SshProvider(tmp_path / "state" / "ssh", keys.public_key, keys.key_file)
    host = claimed(provider, pins, "i-1")
    assert host.run(["pwd"]).stdout.decode().strip() == str(sshd.home)
    host.close()
    provider.destroy(lab(), "i-1")
    assert list(sshd.home.iterdir()) == []
    sshd.swap_host_key()
    with pytest.raises(HostKeyChanged, match="lab"):
        claimed(provider, pins, "i-2").run(["true"])
