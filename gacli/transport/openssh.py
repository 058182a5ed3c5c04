"""The `ssh` command that takes the same way, with the same keys and pins, as our own connection: for rsync."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from gacli.transport.pins import Pins
from gacli.transport.ssh_route import Hop, config_arguments

_ALWAYS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "CheckHostIP=no",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    # A connection shared through the user's configuration would not be checked against our pin.
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "LogLevel=ERROR",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
)


def ssh_command(route: Sequence[Hop], pins: Pins, *, connect_timeout_s: float) -> list[str]:
    """`ssh` with every option, without the destination: that is `destination(route)`."""
    *before, hop = route
    options = [*_ALWAYS, f"ConnectTimeout={max(1, round(connect_timeout_s))}"]
    options += [f"UserKnownHostsFile={_quoted(pins.file(hop.pin_id))}", f"HostKeyAlias={hop.pin_id}"]
    if hop.config_name is None:
        argv = ["ssh", "-F", "none"]
        options += ["IdentitiesOnly=yes", "IdentityAgent=none", f"HostName={_escaped(hop.hostname)}"]
    else:
        argv = ["ssh", *config_arguments()]
    if before:
        through = [*ssh_command(before, pins, connect_timeout_s=connect_timeout_s), "-W", _address(hop)]
        options.append(f"ProxyCommand={_escaped(shlex.join([*through, destination(before)]))}")
    options += [f"IdentityFile={_quoted(file)}" for file in hop.key_files]
    for option in options:
        argv += ["-o", option]
    return [*argv, "-l", hop.user, "-p", str(hop.port)]


def destination(route: Sequence[Hop]) -> str:
    """The host argument: the name in the user's configuration, or any token where HostName says where to go."""
    hop = route[-1]
    return hop.config_name or hop.pin_id


def rsync_destination(route: Sequence[Hop]) -> str:
    """The same as rsync wants it before the colon: an IPv6 address in brackets."""
    name = destination(route)
    return f"[{name}]" if ":" in name else name


def _address(hop: Hop) -> str:
    return f"[{hop.hostname}]:{hop.port}" if ":" in hop.hostname else f"{hop.hostname}:{hop.port}"


def _escaped(text: str) -> str:
    """OpenSSH expands percent signs in file names, host names and proxy commands."""
    return text.replace("%", "%%")


def _quoted(path: Path) -> str:
    return '"' + _escaped(str(path)).replace("\\", "\\\\").replace('"', '\\"') + '"'
