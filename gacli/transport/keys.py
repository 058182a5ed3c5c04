"""The controller's own SSH key pair: made once, authorized on the instances that providers make."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from gacli.transport.files import locked
from gacli.transport.process import run_checked


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyPair:
    """key_file: the private key, readable by its owner only. public_key: OpenSSH's one-line form."""

    key_file: Path
    public_key: str


def key_pair(state_folder: Path) -> KeyPair:
    """The pair in `<state_folder>/keys`, made (ed25519, no passphrase) by whoever needs it first."""
    folder = state_folder / "keys"
    key_file = folder / "id_ed25519"
    public_file = folder / "id_ed25519.pub"
    with locked(folder / "lock"):
        if not (key_file.exists() and public_file.exists()):
            make_key(key_file, comment="ga")
        return KeyPair(key_file=key_file, public_key=public_file.read_text().strip())


def make_key(key_file: Path, *, comment: str) -> None:
    """Write a new ed25519 pair to `key_file` and `key_file`.pub; a crash leaves no half pair that looks whole."""
    with tempfile.TemporaryDirectory(dir=key_file.parent, prefix=".key-") as scratch:
        fresh = Path(scratch) / key_file.name
        run_checked(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(fresh)])
        # The private key comes last: `key_pair` takes the pair for whole only when both are there.
        Path(f"{fresh}.pub").replace(f"{key_file}.pub")
        fresh.replace(key_file)
