"""How the source reaches the target: a configuration of ssh that knows one host, one host key and one key."""

from __future__ import annotations

import re

from .files import Json, write_atomic
from .transfers import Transfer

NAME = "ga-target"

HOST = re.compile(r"[A-Za-z0-9_.:%-]+\Z")
USER = re.compile(r"[^\s\"'#%\\]+\Z")
HOST_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+\Z")

# Nothing counts but what stands here: no configuration of the login's or the system's, no agent, no other key.
SSH_CONFIG = """\
Host {name}
HostName {hostname}
Port {port:d}
User {user}
HostKeyAlias {name}
IdentityFile key
IdentitiesOnly yes
IdentityAgent none
PreferredAuthentications publickey
BatchMode yes
StrictHostKeyChecking yes
UserKnownHostsFile known_hosts
GlobalKnownHostsFile /dev/null
CheckHostIP no
UpdateHostKeys no
VerifyHostKeyDNS no
ConnectTimeout 10
ConnectionAttempts 1
ServerAliveInterval 15
ServerAliveCountMax 3
ControlMaster no
ControlPath none
ClearAllForwardings yes
ForwardAgent no
ForwardX11 no
PermitLocalCommand no
RequestTTY no
LogLevel ERROR
"""


def write_peer(transfer: Transfer, peer: Json) -> None:
    """peer: hostname, port, user, and host_keys, one of which the host must show. ValueError for anything else."""
    hostname, user, keys = peer["hostname"], peer["user"], peer["host_keys"]
    if not HOST.match(hostname) or not USER.match(user) or not keys or not all(map(HOST_KEY.match, keys)):
        raise ValueError("expected a host, a login and host keys, found %r, %r and %r" % (hostname, user, keys))
    text = SSH_CONFIG.format(name=NAME, hostname=hostname.replace("%", "%%"), port=peer["port"], user=user)
    write_atomic(transfer.path("ssh_config"), text.encode())
    write_atomic(transfer.path("known_hosts"), "".join("%s %s\n" % (NAME, key) for key in keys).encode())
