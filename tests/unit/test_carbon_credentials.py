"""Where the secrets of carbon services come from, and what is said when there are none."""

from __future__ import annotations

from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import NoKeyringError, PasswordSetError
from typing_extensions import override

from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.credentials import credential
from gacli.config.carbon import CarbonConfig
from gacli.config.carbon_sources import Services, carbon_chain, service
from gacli.config.load import parse
from gacli.errors import ConfigError


class Kept(KeyringBackend):
    """A keyring with given entries; none at all when they are None."""

    priority = 1

    def __init__(self, entries: dict[tuple[str, str], str] | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library is not typed there
        self.entries = entries

    @override
    def get_password(self, service: str, username: str) -> str | None:
        if self.entries is None:
            raise NoKeyringError
        return self.entries.get((service, username))

    @override
    def set_password(self, service: str, username: str, password: str) -> None:
        raise PasswordSetError


@pytest.fixture(autouse=True)
def _own_keyring() -> None:
    keyring.set_keyring(Kept({("ga", "ELECTRICITYMAPS_TOKEN"): "from the keyring"}))


def test_environment_comes_before_the_keyring() -> None:
    given = {"ELECTRICITYMAPS_TOKEN": "from the environment"}
    assert credential("ELECTRICITYMAPS_TOKEN", given, service="it") == "from the environment"
    assert credential("ELECTRICITYMAPS_TOKEN", {}, service="it") == "from the keyring"


@pytest.mark.parametrize("entries", [{}, None])
def test_missing_one_is_told_with_what_to_do(entries: dict[tuple[str, str], str] | None) -> None:
    keyring.set_keyring(Kept(entries))
    with pytest.raises(ConfigError) as caught:
        credential("WATTTIME_USER", {}, service="watttime")
    assert "watttime needs WATTTIME_USER" in caught.value.message
    assert "keyring set ga WATTTIME_USER" in caught.value.hint


LINES = "name: a\nrun: x\ncarbon:\n  source: {source}\nsites: [{{name: s, provider: mock, zone: {zone}}}]\n"


@pytest.mark.parametrize(
    ("source", "zone", "variables"),
    [
        ("electricitymaps", "DE", ["ELECTRICITYMAPS_TOKEN"]),
        ("watttime", "US-CAL-CISO", ["WATTTIME_USER", "WATTTIME_PASSWORD"]),
        ("neso", "GB", []),
        ("energy-charts", "DE", []),
    ],
)
def test_services_are_made_from_the_configuration(source: str, zone: str, variables: list[str]) -> None:
    keyring.set_keyring(Kept(None))
    loaded = parse(LINES.format(source=source, zone=zone), Path("train.yaml"))
    full = Services(answers=MemoryAnswers(), environment=dict.fromkeys(variables, "secret"))
    chain = carbon_chain(loaded, full)
    assert [(one.name, one.live) for one in chain.sources(zone)] == [(source, True)]
    for variable in variables:
        poor = Services(answers=MemoryAnswers(), environment={v: "secret" for v in variables if v != variable})
        with pytest.raises(ConfigError) as caught:
            carbon_chain(loaded, poor)
        text = " ".join(str(caught.value).split())
        assert f"train.yaml:4: carbon.source: {source} needs {variable}" in text
        assert "secret" not in text


def test_a_service_by_its_name() -> None:
    services = Services(answers=MemoryAnswers(), environment={})
    assert service("neso", CarbonConfig(), services).name == "neso"
