"""Host key pins: the first key stays, another one is refused with both fingerprints."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from gacli.errors import GaError, HostKeyChanged
from gacli.transport.pins import HostKey, Pins


def key(name: str) -> HostKey:
    return HostKey(key_type="ssh-ed25519", blob=base64.b64encode(name.encode()).decode())


ONE, OTHER = key("one"), key("other")


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    return Pins(tmp_path / "state" / "pins")


def test_first_use_pins_and_the_same_key_passes(pins: Pins) -> None:
    pins.verify("i-1", ONE, label="fr")
    pins.verify("i-1", ONE, label="fr")
    assert pins.known("i-1") == (ONE,)
    assert pins.file("i-1").read_text() == f"i-1 ssh-ed25519 {ONE.blob}\n"
    assert stat.S_IMODE(pins.file("i-1").stat().st_mode) == 0o600


def test_changed_key_names_both_fingerprints_and_the_file(pins: Pins) -> None:
    pins.verify("i-1", ONE, label="fr (u@h:22)")
    with pytest.raises(HostKeyChanged) as caught:
        pins.verify("i-1", OTHER, label="fr (u@h:22)")
    for part in ("fr (u@h:22)", ONE.fingerprint, OTHER.fingerprint, str(pins.file("i-1"))):
        assert part in caught.value.message
    assert "remove" in caught.value.hint
    assert pins.known("i-1") == (ONE,)


def test_other_instance_at_the_same_address_has_its_own_pin(pins: Pins) -> None:
    pins.verify("i-1", ONE, label="fr")
    pins.verify("i-2", OTHER, label="fr")
    assert (pins.known("i-1"), pins.known("i-2")) == ((ONE,), (OTHER,))


def test_key_known_beforehand_must_match_and_nothing_is_pinned_otherwise(pins: Pins) -> None:
    with pytest.raises(HostKeyChanged, match="from its provider"):
        pins.verify("i-1", OTHER, label="fr", known_before=(ONE,), where="its provider")
    assert pins.known("i-1") == ()
    pins.verify("i-1", ONE, label="fr", known_before=(OTHER, ONE), where="its provider")
    assert pins.known("i-1") == (ONE,)


def test_pin_outweighs_a_later_known_key(pins: Pins) -> None:
    pins.verify("i-1", ONE, label="fr")
    with pytest.raises(HostKeyChanged):
        pins.verify("i-1", OTHER, label="fr", known_before=(OTHER,), where="known_hosts")


def test_forget(pins: Pins) -> None:
    pins.verify("i-1", ONE, label="fr")
    pins.forget("i-1")
    pins.forget("never-seen")
    pins.verify("i-1", OTHER, label="fr")
    assert pins.known("i-1") == (OTHER,)


def test_fingerprint_is_openssh_s() -> None:
    # ssh-keygen -lf of this key says the same.
    parsed = HostKey.parse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF791/Q8i6Wn1V/xoYjOgBnyFt16A030jlXBFpC1AbX9 comment")
    assert parsed.fingerprint == "SHA256:oQ9AiGc5SUw4RE2I8pLY3VSYzBSIZoHYLVwDfw/C4Ww"


@pytest.mark.parametrize("instance_id", ["", "..", "../x", "a/b", ".hidden", "-x", "a b", "a\n", "ü"])
def test_ids_that_leave_the_folder_are_refused(pins: Pins, instance_id: str) -> None:
    with pytest.raises(GaError, match="instance id"):
        pins.verify(instance_id, ONE, label="fr")


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 not*base64"])
def test_not_a_host_key(text: str) -> None:
    with pytest.raises(GaError, match="not a host key"):
        HostKey.parse(text)
