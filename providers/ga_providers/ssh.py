"""Provider `ssh`: hosts that exist already. An instance is a claim on one; nothing is installed or removed there."""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

from ga_providers.options import parse_options
from gacli.clock import real_epoch_s
from gacli.core.site import Site
from gacli.errors import ConfigError, NoCapacity
from gacli.ports.provider import Endpoint, Instance, InstanceState, Provider
from gacli.transport.files import locked, write_atomic
from gacli.transport.pins import check_instance_id


class SshOptions(BaseModel):
    """`options` of an ssh site. host: a name in ~/.ssh/config or a host name; the others override that file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # A name that begins with a dash would be an option to ssh.
    host: str = Field(pattern=r"^[A-Za-z0-9_:.][A-Za-z0-9_:.%-]*$")
    user: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_.@+$-]*$")
    port: int | None = Field(default=None, ge=1, le=65535)
    key_file: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """Who holds a host. Claims on one host count together, whatever the sites that name it are called.

    created_epoch_s: real seconds since 1970.
    """

    instance_id: str
    site: str
    host: str
    tags: Mapping[str, str]
    created_epoch_s: float


class SshProvider(Provider):
    """Claims are files in `<state_folder>/claims`. The keys are the user's own: ga's pair is not used."""

    name = "ssh"

    def __init__(self, state_folder: Path, public_key: str, key_file: Path) -> None:
        self._folder = state_folder.absolute()

    @override
    def check(self, site: Site) -> None:
        options = parse_options(SshOptions, site)
        if options.key_file is not None and not options.key_file.expanduser().is_file():
            raise ConfigError(f"key_file: found {str(options.key_file)!r}, which is no file; a private key is expected")

    @override
    def create(self, site: Site, instance_id: str, tags: Mapping[str, str], lifetime_s: float) -> None:
        """Claim the host. The host is its owner's and has no lifetime: the claim stands until it is released."""
        options = parse_options(SshOptions, site)
        path = self._claim_file(instance_id)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self._folder / "lock"):
            if path.exists():
                return
            holders = [claim for claim in self._claims() if claim.host == options.host]
            if len(holders) >= site.capacity:
                names = ", ".join(claim.instance_id for claim in holders)
                raise NoCapacity(
                    f"site {site.name}: host {options.host} is held by {names} ({len(holders)} of {site.capacity})"
                )
            claim = Claim(
                instance_id=instance_id,
                site=site.name,
                host=options.host,
                tags=dict(tags),
                created_epoch_s=real_epoch_s(),
            )
            write_atomic(path, json.dumps(asdict(claim)).encode())

    @override
    def describe(self, site: Site, instance_id: str) -> Instance:
        claim = _read(self._claim_file(instance_id))
        if claim is None:
            return Instance(instance_id=instance_id, site=site.name, state=InstanceState.GONE)
        return self._instance(site, claim)

    @override
    def list(self, site: Site) -> builtins.list[Instance]:
        return [self._instance(site, claim) for claim in self._claims() if claim.site == site.name]

    @override
    def destroy(self, site: Site, instance_id: str) -> None:
        self._claim_file(instance_id).unlink(missing_ok=True)

    def _claim_file(self, instance_id: str) -> Path:
        return self._folder / "claims" / f"{check_instance_id(instance_id)}.json"

    def _claims(self) -> builtins.list[Claim]:
        found = map(_read, sorted((self._folder / "claims").glob("*.json")))
        return [claim for claim in found if claim is not None]

    def _instance(self, site: Site, claim: Claim) -> Instance:
        options = parse_options(SshOptions, site)
        # The pin belongs to the host, which stays the same from claim to claim: a key changed in between is noticed.
        pin = re.sub(r"[^A-Za-z0-9._-]", "_", f"ssh_{options.host}" + (f"_{options.port}" if options.port else ""))
        return Instance(
            instance_id=claim.instance_id,
            site=claim.site,
            state=InstanceState.READY,
            endpoint=Endpoint(
                instance_id=pin,
                hostname=options.host,
                port=options.port,
                user=options.user,
                key_file=options.key_file.expanduser() if options.key_file else None,
                ssh_config_host=options.host,
            ),
            tags=claim.tags,
            created_at=datetime.fromtimestamp(claim.created_epoch_s, UTC),
        )


def _read(path: Path) -> Claim | None:
    try:
        return Claim(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
