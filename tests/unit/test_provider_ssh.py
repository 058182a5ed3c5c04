"""Provider `ssh`: claims on hosts, and what its options refuse."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ga_providers.ssh import SshProvider
from gacli.core.site import PowerModel, Site
from gacli.errors import ConfigError, NoCapacity
from gacli.ports.provider import InstanceState


def site(name: str = "lab", *, capacity: int = 1, options: Mapping[str, object] | None = None) -> Site:
    return Site(
        name=name,
        provider="ssh",
        zone="DE",
        pue=1.2,
        power=PowerModel(idle_w=50, busy_w=300),
        capacity=capacity,
        options=options if options is not None else {"host": "gpu-box"},
    )


@pytest.fixture
def provider(tmp_path: Path) -> SshProvider:
    return SshProvider(tmp_path / "ssh", "ssh-ed25519 AAAA ga", tmp_path / "key")


def test_claim_describe_list_release(provider: SshProvider) -> None:
    where = site(options={"host": "gpu-box", "user": "me", "port": 2222})
    assert provider.describe(where, "i-1").state is InstanceState.GONE
    provider.create(where, "i-1", {"ga-job": "j"}, 86400.0)
    provider.create(where, "i-1", {"ga-job": "j"}, 86400.0)
    found = provider.describe(where, "i-1")
    assert (found.state, found.site, found.tags) == (InstanceState.READY, "lab", {"ga-job": "j"})
    assert found.endpoint is not None
    assert (found.endpoint.ssh_config_host, found.endpoint.user, found.endpoint.port) == ("gpu-box", "me", 2222)
    assert found.endpoint.key_file is None
    assert [item.instance_id for item in provider.list(where)] == ["i-1"]
    assert provider.list(site("elsewhere")) == []
    provider.destroy(where, "i-1")
    provider.destroy(where, "i-1")
    assert provider.describe(where, "i-1").state is InstanceState.GONE
    assert provider.list(where) == []


def test_pin_belongs_to_the_host_not_to_the_claim(provider: SshProvider) -> None:
    pins = []
    for instance_id in ("i-1", "i-2"):
        provider.create(site(), instance_id, {}, 86400.0)
        endpoint = provider.describe(site(), instance_id).endpoint
        assert endpoint is not None
        pins.append(endpoint.instance_id)
        provider.destroy(site(), instance_id)
    assert pins[0] == pins[1]


def test_a_host_is_not_given_twice_even_under_another_site_name(provider: SshProvider, tmp_path: Path) -> None:
    provider.create(site("lab"), "i-1", {}, 86400.0)
    other_controller = SshProvider(tmp_path / "ssh", "", tmp_path / "key")
    with pytest.raises(NoCapacity, match="gpu-box is held by i-1"):
        other_controller.create(site("laboratory"), "i-2", {}, 86400.0)
    provider.destroy(site("lab"), "i-1")
    other_controller.create(site("laboratory"), "i-2", {}, 86400.0)


def test_capacity_holds_against_simultaneous_claims(provider: SshProvider) -> None:
    def claim(number: int) -> bool:
        try:
            provider.create(site(capacity=3), f"i-{number}", {}, 86400.0)
        except NoCapacity:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(claim, range(12)))
    assert sum(outcomes) == len(provider.list(site(capacity=3))) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "host: missing"),
        ({"host": "-oProxyCommand=x"}, "host: found '-oProxyCommand=x'"),
        ({"host": "a b"}, "host: found 'a b'"),
        ({"host": "h", "port": 0}, "port: found 0"),
        ({"host": "h", "port": "many"}, "port: found 'many'"),
        ({"host": "h", "user": "-x"}, "user: found '-x'"),
        (
            {"host": "h", "pasword": "x"},
            "pasword: unknown key for provider ssh; allowed are host, key_file, port, user",
        ),
        ({"host": "h", "key_file": "/nowhere/key"}, "key_file: found '/nowhere/key', which is no file"),
    ],
)
def test_check_refuses(provider: SshProvider, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        provider.check(site(options=options))
    assert caught.value.message.startswith(message)
