"""Provider `mock`: what its options refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from ga_providers.mock import MockProvider
from gacli.core.site import PowerModel, Site
from gacli.errors import ConfigError


def check(options: dict[str, object]) -> None:
    site = Site(
        name="fr", provider="mock", zone="FR", pue=1.1, power=PowerModel(idle_w=50, busy_w=300), options=options
    )
    MockProvider(Path("/nowhere"), "ssh-ed25519 AAAA ga", Path("/nowhere/key")).check(site)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"boot_delay_s": 1},
        {"faults": {"no_capacity": 2, "slow_boot_s": 1.5, "preempt_after_s": 3, "preempt_notice_s": 0}},
        {"boot_delay_s": 0.5, "faults": {"crash_after_s": 10}},
    ],
)
def test_accepts(options: dict[str, object]) -> None:
    check(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boot_delay_s": -1}, "boot_delay_s: found -1: input should be greater than or equal to 0"),
        ({"boot_delay_s": "soon"}, "boot_delay_s: found 'soon': input should be a valid number"),
        ({"boot_delay": 1}, "boot_delay: unknown key for provider mock; allowed are boot_delay_s, faults"),
        ({"faults": 3}, "faults: found 3"),
        ({"faults": {"no_capacity": 1.5}}, "faults.no_capacity: found 1.5"),
        ({"faults": {"no_capacity": -1}}, "faults.no_capacity: found -1"),
        (
            {"faults": {"explode": 1}},
            "faults.explode: unknown key for provider mock; allowed are crash_after_s, no_capacity, preempt_after_s",
        ),
    ],
)
def test_refuses(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(options)
    assert caught.value.message.startswith(message)
