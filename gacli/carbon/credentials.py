"""Tokens and accounts of carbon services: from the environment, else from the desktop's keyring; never from files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gacli.errors import ConfigError

# Name of the keyring's entries: `keyring set ga ELECTRICITYMAPS_TOKEN`.
_KEYRING: Final = "ga"


def credential(name: str, environment: Mapping[str, str], *, service: str) -> str:
    """The secret called `name`. service: what wants it, for the message of the ConfigError when there is none."""
    secret = environment.get(name) or _from_keyring(name)
    if not secret:
        raise ConfigError(
            f"{service} needs {name}: it is neither in the environment nor in the keyring",
            hint=f"export {name}, or install ga-cli[keyring] and run: keyring set {_KEYRING} {name}",
        )
    return secret


def _from_keyring(name: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password(_KEYRING, name)
    except KeyringError:
        # A computer without a desktop has none that works.
        return None
