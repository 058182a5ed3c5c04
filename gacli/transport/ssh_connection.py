"""One SSH connection along a route, by paramiko: every host on it proves its pinned key."""

from __future__ import annotations

import logging
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import paramiko
from typing_extensions import override

from gacli.errors import AuthenticationFailed, GaError, HostUnreachable
from gacli.transport.pins import HostKey, Pins
from gacli.transport.process import start_with_socket
from gacli.transport.ssh_route import Hop

KEEPALIVE_S: Final = 15
_AUTH_TIMEOUT_S = 30.0
_SILENCE_MS = 45_000

# paramiko logs what it raises as well; without a handler Python would print that on stderr.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Connection:
    """An authenticated connection, or the error that says why there is none (raised by the constructor)."""

    def __init__(self, route: Sequence[Hop], pins: Pins, *, label: str, connect_timeout_s: float) -> None:
        self._pins = pins
        self._label = label
        self._connect_timeout_s = connect_timeout_s
        self._clients: list[paramiko.SSHClient] = []
        self._proxy: subprocess.Popen[bytes] | None = None
        self._opening = threading.Lock()
        try:
            for hop in route:
                self._connect(hop, jump=hop is not route[-1])
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """False once the connection is known to be dead; True does not prove the opposite."""
        transport = self._clients[-1].get_transport() if self._clients else None
        return transport is not None and transport.is_active()

    def open_session(self) -> paramiko.Channel:
        """A channel for one command; SSHException, OSError or EOFError as paramiko raises them."""
        # One at a time: paramiko keeps one error for the whole connection, so of two threads that are refused at the
        # same time one would not learn why.
        with self._opening:
            return self._transport().open_session(timeout=self._connect_timeout_s)

    def answers(self) -> bool:
        """Whether the host still opens channels: waits for it, at most connect_timeout_s."""
        try:
            self.open_session().close()
        except (paramiko.SSHException, OSError, EOFError):
            return False
        return True

    def close(self) -> None:
        while self._clients:
            self._clients.pop().close()
        if self._proxy is not None:
            self._proxy.kill()
            self._proxy.wait()
            self._proxy = None

    def _transport(self) -> paramiko.Transport:
        transport = self._clients[-1].get_transport() if self._clients else None
        if transport is None:
            raise EOFError("the connection is closed")
        return transport

    def _connect(self, hop: Hop, *, jump: bool) -> None:
        where = f"{self._label}: jump host {hop.hostname}:{hop.port}" if jump else self._label
        for file in hop.key_files:
            if not file.is_file():
                raise AuthenticationFailed(f"{where}: the key file {file} is missing")
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(_PinPolicy(hop, self._pins, where))
        try:
            sock = self._socket(hop)
            try:
                client.connect(
                    hop.hostname,
                    port=hop.port,
                    username=hop.user,
                    # paramiko takes a list as well; its stubs do not say so.
                    key_filename=[str(file) for file in hop.key_files],  # type: ignore[arg-type]
                    allow_agent=hop.use_agent,
                    look_for_keys=False,
                    timeout=self._connect_timeout_s,
                    banner_timeout=self._connect_timeout_s,
                    auth_timeout=_AUTH_TIMEOUT_S,
                    channel_timeout=self._connect_timeout_s,
                    sock=sock,
                    transport_factory=_transport_factory(self._preferred(hop)),
                )
            except BaseException:
                client.close()
                sock.close()
                raise
        except GaError:
            raise
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise _as_ours(error, hop, where) from error
        self._clients.append(client)
        transport = client.get_transport()
        assert transport is not None
        transport.set_keepalive(KEEPALIVE_S)

    def _socket(self, hop: Hop) -> socket.socket | paramiko.Channel:
        if self._clients:
            return self._transport().open_channel(
                "direct-tcpip", (hop.hostname, hop.port), ("127.0.0.1", 0), timeout=self._connect_timeout_s
            )
        if hop.proxy_command:
            ours, theirs = socket.socketpair()
            with theirs:
                self._proxy = start_with_socket(["/bin/sh", "-c", f"exec {hop.proxy_command}"], theirs.fileno())
            return ours
        sock = socket.create_connection((hop.hostname, hop.port), timeout=self._connect_timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Keepalives alone do not notice a silent peer: the system gives the connection up when they stay unanswered.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_MS)
        return sock

    def _preferred(self, hop: Hop) -> list[str]:
        """Key types to ask the host for first: a host has several keys, and one of them is the one we know."""
        types = [key.key_type for key in self._pins.known(hop.pin_id) or hop.known_before]
        return ["rsa-sha2-512", "rsa-sha2-256"] if types == ["ssh-rsa"] else types


class _PinPolicy(paramiko.MissingHostKeyPolicy):
    """paramiko asks it about every key, as we give paramiko no known hosts."""

    def __init__(self, hop: Hop, pins: Pins, label: str) -> None:
        self._hop = hop
        self._pins = pins
        self._label = label

    @override
    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        self._pins.verify(
            self._hop.pin_id,
            HostKey(key_type=key.get_name(), blob=key.get_base64()),
            label=self._label,
            known_before=self._hop.known_before,
            where=self._hop.known_from,
        )


def _transport_factory(preferred: Sequence[str]) -> Callable[..., paramiko.Transport]:
    def make(sock: socket.socket, disabled_algorithms: Mapping[str, Iterable[str]] | None = None) -> paramiko.Transport:
        transport = paramiko.Transport(sock, disabled_algorithms=disabled_algorithms)
        options = transport.get_security_options()
        first = [name for name in preferred if name in options.key_types]
        options.key_types = [*first, *(name for name in options.key_types if name not in first)]
        return transport

    return make


def _as_ours(error: Exception, hop: Hop, where: str) -> GaError:
    login = f"{hop.user}@{hop.hostname}:{hop.port}"
    if isinstance(error, paramiko.PasswordRequiredException):
        return AuthenticationFailed(
            f"{where}: a key for {login} is protected by a passphrase: {error}",
            hint="load it into the SSH agent (ssh-add) or name another key",
        )
    if isinstance(error, paramiko.AuthenticationException) or "No authentication methods" in str(error):
        tried = ", ".join(str(file) for file in hop.key_files) or "none"
        agent = ", and the SSH agent's keys" if hop.use_agent else ""
        return AuthenticationFailed(
            f"{where}: {login} refused every key offered (key files: {tried}{agent}): {error}",
            hint="check the user name, and that the public key is in authorized_keys there",
        )
    if isinstance(error, paramiko.ChannelException):
        return HostUnreachable(f"{where}: the jump host cannot reach {hop.hostname}:{hop.port}: {error}")
    reason = str(error) or type(error).__name__
    return HostUnreachable(
        f"{where}: no SSH connection to {login}: {reason}",
        hint=f"check that the machine is on, and try from here: ssh -p {hop.port} {hop.user}@{hop.hostname}",
    )
