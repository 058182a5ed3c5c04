"""Who makes and removes instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from gacli.core.site import Site


class InstanceState(StrEnum):
    BOOTING = "booting"
    READY = "ready"
    PREEMPTING = "preempting"
    DELETING = "deleting"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """How to reach an instance by SSH.

    instance_id: pins belong to it, never to an address (addresses are reused). host_key: `ssh-ed25519 AAAA…` where the
    provider can tell it, else None (pinned on first use). ssh_config_host: name to look up in the user's
    ~/.ssh/config; then the other fields are only what the YAML overrides.
    """

    instance_id: str
    hostname: str
    port: int | None = None
    user: str | None = None
    key_file: Path | None = None
    host_key: str | None = None
    ssh_config_host: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """A VM or host as its provider describes it.

    endpoint: None until it can be reached. created_at: real time at which it was asked for, None where the provider
    does not tell.
    """

    instance_id: str
    site: str
    state: InstanceState
    endpoint: Endpoint | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    detail: str = ""


class Provider(Protocol):
    """Offers, creates, lists and destroys instances at its sites. One driver a file, entry point `ga.providers`.

    A provider is constructed with `state_folder: Path` (its own folder under ga's state) and `public_key: str`
    (OpenSSH one-line form, to be authorized on new instances) and `key_file: Path` (the matching private key).
    """

    name: str

    def check(self, site: Site) -> None:
        """Validate `site.options`. ConfigError names the key and what is allowed; the caller adds file and line."""
        ...

    def create(self, site: Site, instance_id: str, tags: Mapping[str, str], lifetime_s: float) -> None:
        """Ask for an instance. Idempotent by instance_id: a second call with the same id makes nothing new.

        lifetime_s: real seconds after which the provider ends it by itself, whoever is alive then; a provider that
        cannot do so, or whose hosts are not its own to end, takes no notice. Returns as soon as the provider has
        accepted; NoCapacity when it has none.
        """
        ...

    def describe(self, site: Site, instance_id: str) -> Instance:
        """Its present state; GONE when the provider does not know it (any more)."""
        ...

    def list(self, site: Site) -> list[Instance]:
        """Every instance at the site that carries ga's tags, DELETING ones included."""
        ...

    def destroy(self, site: Site, instance_id: str) -> None:
        """Ask for its end. Idempotent; unknown ids are fine. `describe` tells when it is GONE."""
        ...
