"""A machine reached by SSH: commands over one kept-alive connection, copies by rsync with the same key and pin."""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import paramiko
from typing_extensions import override

from gacli.errors import CommandFailed, DiskFull, HostKeyChanged, HostUnreachable
from gacli.ports.host import Completed, Host, OnCopy, PeerAddress
from gacli.ports.provider import Endpoint
from gacli.transport import openssh, rsync
from gacli.transport.pins import Pins
from gacli.transport.ssh_connection import Connection
from gacli.transport.ssh_route import Hop, find_route

_CHUNK_BYTES = 65536
_SLICE_S = 0.5
# OpenSSH allows ten sessions on a connection unless told otherwise (MaxSessions).
_SESSIONS_AT_ONCE = 8
_REFUSED_PAUSE_S = 0.05


class SshHost(Host):
    """Threads may use one SshHost at the same time: they share its connection, each command has its own channel.

    Nothing is connected before the first call. A connection found dead is replaced once a call, and only while the
    command has not been started; a command cut in the middle is HostUnreachable, because it may have run.
    """

    def __init__(self, endpoint: Endpoint, *, pins: Pins, label: str, connect_timeout_s: float = 10.0) -> None:
        self._endpoint = endpoint
        self._pins = pins
        self._label = label
        self._connect_timeout_s = connect_timeout_s
        self._connecting = threading.Lock()
        self._connection: Connection | None = None
        self._found_route: tuple[Hop, ...] | None = None
        self._sessions = threading.BoundedSemaphore(_SESSIONS_AT_ONCE)

    @property
    @override
    def label(self) -> str:
        return self._label

    @override
    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0) -> Completed:
        """As Host.run. exit_code is -1 when the command was killed by a signal, which paramiko does not tell."""
        command = shlex.join(argv)
        with self._sessions:
            connection, channel = self._open_session()
            with contextlib.closing(channel):
                exchange = _Exchange(channel, time.monotonic() + timeout_s)
                try:
                    completed = exchange.run(command, stdin)
                except (paramiko.SSHException, OSError, EOFError) as error:
                    raise self._lost(connection, _shown(argv), error) from error
            if completed is None:
                raise self._too_slow(connection, _shown(argv), timeout_s)
            if completed.exit_code < 0 and not connection.answers():
                raise self._lost(connection, _shown(argv), EOFError("closed by the host"))
            return completed

    @override
    def push(
        self,
        source: Path,
        target: str,
        *,
        files: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        mirror: bool = False,
        on_copy: OnCopy | None = None,
    ) -> None:
        self._make_folder(target)
        self._copy(
            str(source.absolute()), self._there(target), files=files, exclude=exclude, mirror=mirror, on_copy=on_copy
        )

    @override
    def pull(
        self, source: str, target: Path, *, files: Sequence[str] | None = None, on_copy: OnCopy | None = None
    ) -> None:
        target.mkdir(parents=True, exist_ok=True)
        # OpenSSH only compares with pins; our own connection makes them on first use.
        self._connected()
        self._copy(self._there(source), str(target.absolute()), files=files, on_copy=on_copy)

    @override
    def peer_address(self) -> PeerAddress | None:
        # The pin is made by our own connection.
        self._connected()
        *before, hop = self._route()
        if before or hop.proxy_command:
            return None
        keys = tuple(f"{key.key_type} {key.blob}" for key in self._pins.known(hop.pin_id))
        return PeerAddress(hostname=hop.hostname, port=hop.port, user=hop.user, host_keys=keys)

    @override
    def close(self) -> None:
        """Drop the connection; the next call would make a new one."""
        with self._connecting:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _route(self) -> tuple[Hop, ...]:
        if self._found_route is None:
            self._found_route = find_route(self._endpoint)
        return self._found_route

    def _connected(self) -> Connection:
        with self._connecting:
            if self._connection is not None and not self._connection.alive:
                self._connection.close()
                self._connection = None
            if self._connection is None:
                self._connection = Connection(
                    self._route(), self._pins, label=self._label, connect_timeout_s=self._connect_timeout_s
                )
            return self._connection

    def _drop(self, connection: Connection) -> None:
        with self._connecting:
            connection.close()
            if self._connection is connection:
                self._connection = None

    def _open_session(self) -> tuple[Connection, paramiko.Channel]:
        deadline = time.monotonic() + self._connect_timeout_s
        reconnected = False
        while True:
            connection = self._connected()
            try:
                return connection, connection.open_session()
            except paramiko.ChannelException as error:
                # The host counts a session until it has cleared up after its command: a little after we closed it.
                if time.monotonic() > deadline:
                    raise HostUnreachable(
                        f"{self._label}: the host refuses another session on the connection: {error}",
                        hint="raise MaxSessions in its sshd_config",
                    ) from error
                time.sleep(_REFUSED_PAUSE_S)
            except (paramiko.SSHException, OSError, EOFError) as error:
                self._drop(connection)
                if reconnected:
                    message = f"{self._label}: connected, but the host opens no session: {error}"
                    raise HostUnreachable(message) from error
                reconnected = True

    def _lost(self, connection: Connection, command: str, error: Exception) -> HostUnreachable:
        self._drop(connection)
        reason = str(error) or type(error).__name__
        return HostUnreachable(f"{self._label}: the connection was lost during `{command}`: {reason}")

    def _too_slow(self, connection: Connection, command: str, timeout_s: float) -> HostUnreachable:
        # Other threads' commands live on the same connection: it is dropped only when the host is silent altogether.
        if connection.answers():
            return HostUnreachable(
                f"{self._label}: `{command}` took longer than {timeout_s:g} s; the host still answers"
            )
        self._drop(connection)
        return HostUnreachable(f"{self._label}: no answer within {timeout_s:g} s to `{command}`")

    def _there(self, path: str) -> str:
        return f"{openssh.rsync_destination(self._route())}:{path}"

    def _make_folder(self, folder: str) -> None:
        argv = ["mkdir", "-p", "--", folder]
        made = self.run(argv)
        if made.exit_code == 0:
            return
        stderr = made.stderr.decode(errors="replace")
        if "No space left on device" in stderr or "Disk quota exceeded" in stderr:
            raise DiskFull(f"{self._label}: no space left to make the folder {folder}")
        raise CommandFailed(command=shlex.join(argv), host=self._label, exit_code=made.exit_code, stderr=stderr)

    def _copy(
        self,
        source: str,
        target: str,
        *,
        files: Sequence[str] | None,
        exclude: Sequence[str] = (),
        mirror: bool = False,
        on_copy: OnCopy | None,
    ) -> None:
        shell = openssh.ssh_command(self._route(), self._pins, connect_timeout_s=self._connect_timeout_s)
        try:
            rsync.copy(
                source,
                target,
                host=self._label,
                remote_shell=shell,
                files=files,
                exclude=exclude,
                mirror=mirror,
                on_copy=on_copy,
            )
        except HostKeyChanged as error:
            pins = [
                f"{key.fingerprint} in {self._pins.file(hop.pin_id)}"
                for hop in self._route()
                for key in self._pins.known(hop.pin_id)
            ]
            raise HostKeyChanged(f"{error.message}; pinned: {', '.join(pins)}", hint=error.hint) from error


def _shown(argv: Sequence[str]) -> str:
    """The command for people, on one line: a word that is a whole script is left out."""
    return " ".join("…" if "\n" in word else shlex.quote(word) for word in argv)


class _Exchange:
    """One command on one channel: input fed and both outputs drained at the same time."""

    def __init__(self, channel: paramiko.Channel, deadline: float) -> None:
        self._channel = channel
        self._deadline = deadline
        channel.settimeout(_SLICE_S)

    def run(self, command: str, stdin: bytes) -> Completed | None:
        """None when the deadline passed."""
        stdout, stderr = bytearray(), bytearray()
        # Bytes that are no UTF-8 (file names) come in as surrogates and go out as they were.
        self._channel.exec_command(command.encode("utf-8", "surrogateescape"))
        feeder = threading.Thread(target=self._feed, args=(stdin,), name="ssh-stdin", daemon=True)
        drainer = threading.Thread(
            target=self._drain, args=(self._channel.recv_stderr, stderr), name="ssh-stderr", daemon=True
        )
        drainer.start()
        feeder.start()
        self._drain(self._channel.recv, stdout)
        drainer.join()
        if not self._channel.status_event.wait(max(0.0, self._deadline - time.monotonic())):
            return None
        exit_code = self._channel.recv_exit_status()
        return Completed(exit_code=exit_code, stdout=bytes(stdout), stderr=bytes(stderr))

    def _drain(self, receive: Callable[[int], bytes], into: bytearray) -> None:
        """Until the end of the stream; or until the command has exited and whoever still holds it is silent."""
        while time.monotonic() < self._deadline:
            try:
                chunk = receive(_CHUNK_BYTES)
            except TimeoutError:
                if self._channel.exit_status_ready():
                    return
                continue
            if not chunk:
                return
            into += chunk

    def _feed(self, data: bytes) -> None:
        # The command may end, or close its input, without reading it all; its exit code tells what that means.
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            at = 0
            while at < len(data) and time.monotonic() < self._deadline:
                try:
                    sent = self._channel.send(data[at : at + _CHUNK_BYTES])
                except TimeoutError:
                    continue
                if sent == 0:
                    return
                at += sent
            self._channel.shutdown_write()
