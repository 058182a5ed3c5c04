"""The way to an endpoint: the hosts an SSH connection passes, each with its name, keys and expected host key."""

from __future__ import annotations

import getpass
import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from paramiko.hostkeys import HostKeys

from gacli.errors import GaError
from gacli.ports.provider import Endpoint
from gacli.transport.pins import HostKey
from gacli.transport.process import run_checked

_MOST_JUMPS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Hop:
    """One host on the way.

    pin_id: name of its pin. config_name: how the user's SSH configuration calls it; None: that is not consulted.
    key_files: private keys to try. use_agent: the user's agent may be asked too. proxy_command: shell command that
    reaches it, empty for none. known_before, known_from: keys one of which it must show, and where they come from.
    """

    pin_id: str
    hostname: str
    port: int
    user: str
    key_files: tuple[Path, ...]
    config_name: str | None = None
    use_agent: bool = False
    proxy_command: str = ""
    known_before: tuple[HostKey, ...] = ()
    known_from: str = ""


def config_arguments() -> list[str]:
    """What makes OpenSSH read the configuration under our HOME: it would look in the login's home instead."""
    home = Path.home()
    if home == Path(pwd.getpwuid(os.getuid()).pw_dir):
        return []
    config = home / ".ssh" / "config"
    return ["-F", str(config) if config.exists() else "none"]


def find_route(endpoint: Endpoint) -> tuple[Hop, ...]:
    """The hops in order, the endpoint last. GaError when the user's SSH configuration cannot be used."""
    if endpoint.ssh_config_host is None:
        if endpoint.key_file is None:
            raise GaError(f"no key file is given for {endpoint.hostname}")
        target = Hop(
            pin_id=endpoint.instance_id,
            hostname=endpoint.hostname,
            port=endpoint.port or 22,
            user=endpoint.user or getpass.getuser(),
            key_files=(endpoint.key_file,),
        )
        return (_expecting(target, endpoint),)
    *jumps, target = _configured(endpoint.ssh_config_host, endpoint.user, endpoint.port, depth=0)
    own_key = (endpoint.key_file,) if endpoint.key_file else ()
    target = _replace(target, pin_id=endpoint.instance_id, key_files=own_key + target.key_files)
    return (*jumps, _expecting(target, endpoint))


def _replace(hop: Hop, **changes: object) -> Hop:
    return Hop(**{**{name: getattr(hop, name) for name in Hop.__slots__}, **changes})


def _expecting(hop: Hop, endpoint: Endpoint) -> Hop:
    if endpoint.host_key is None:
        return hop
    return _replace(hop, known_before=(HostKey.parse(endpoint.host_key),), known_from="its provider")


def _configured(name: str, user: str | None, port: int | None, *, depth: int) -> list[Hop]:
    """Resolved by OpenSSH itself (`ssh -G`), so that Include, Match and defaults mean what they mean to the user."""
    if depth > _MOST_JUMPS:
        raise GaError(f"the SSH configuration of {name} names jump hosts in a circle")
    overrides = [*(("-l", user) if user else ()), *(("-p", str(port)) if port else ())]
    completed = run_checked(
        ["ssh", "-G", *config_arguments(), *overrides, "--", name], hint="correct the SSH configuration (~/.ssh/config)"
    )
    settings: dict[str, list[str]] = {}
    for line in completed.stdout.decode(errors="replace").splitlines():
        key, _, value = line.partition(" ")
        settings.setdefault(key.lower(), []).append(value)

    def one(key: str, otherwise: str = "") -> str:
        value = settings.get(key, [otherwise])[0]
        return otherwise if value == "none" else value

    hostname, port_number = one("hostname", name), int(one("port", "22"))
    known_as = one("hostkeyalias") or (hostname if port_number == 22 else f"[{hostname}]:{port_number}")
    known_hosts = Path.home() / ".ssh" / "known_hosts"
    login = one("user") or getpass.getuser()
    hop = Hop(
        pin_id="jump-" + re.sub(r"[^A-Za-z0-9._-]", "_", f"{hostname}_{port_number}"),
        hostname=hostname,
        port=port_number,
        user=login,
        # OpenSSH lists its default keys too, whether or not they are there.
        key_files=tuple(
            path for path in (Path(file).expanduser() for file in settings.get("identityfile", ())) if path.is_file()
        ),
        config_name=name,
        use_agent=True,
        proxy_command=_expand(one("proxycommand"), name=name, hostname=hostname, port=port_number, user=login),
        known_before=_known(known_hosts, known_as),
        known_from=f"{known_hosts} ({known_as})",
    )
    return [*_jumps(one("proxyjump"), depth), hop]


def _jumps(spec: str, depth: int) -> list[Hop]:
    """`a,b` is reached as `a` by its own configuration, then `b` from there."""
    hops: list[Hop] = []
    for part in filter(None, (item.strip() for item in spec.split(","))):
        url = urlsplit(part if "://" in part else f"ssh://{part}")
        if not url.hostname:
            raise GaError(f"ProxyJump {spec!r} in the SSH configuration cannot be read")
        # urlsplit lowers the case of host names, and Host patterns distinguish it.
        at = part.rpartition("@")[2].lower().find(url.hostname)
        name = part.rpartition("@")[2][at : at + len(url.hostname)]
        found = _configured(name, url.username, url.port, depth=depth + 1)
        hops += found if not hops else [_replace(found[-1], proxy_command="")]
    return hops


def _expand(command: str, *, name: str, hostname: str, port: int, user: str) -> str:
    values = {"%%": "%", "%h": hostname, "%n": name, "%p": str(port), "%r": user}
    return re.sub(r"%[%hnpr]", lambda match: values[match[0]], command)


def _known(known_hosts: Path, name: str) -> tuple[HostKey, ...]:
    if not known_hosts.is_file():
        return ()
    found = HostKeys(str(known_hosts)).lookup(name)
    return tuple(HostKey(key_type=key.get_name(), blob=key.get_base64()) for key in found.values()) if found else ()
