"""A loopback sshd for tests: OpenSSH itself, on a free port, with a host key and an authorized key of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from gacli.ports.provider import Endpoint
from gacli.transport.keys import make_key

STARTS_WITHIN_S = 10.0


class Sshd:
    """`with Sshd(folder) as sshd:` runs an sshd whose logins live in `sshd.home`.

    programs: when given, the login's PATH holds only these (so that rsync, say, is missing). config: further lines of
    sshd_config. address: where it listens. namespace: the file of the network namespace that it and its logins are in.
    `stop()` ends the connections too; `start()` again takes the same port and the current host key.
    """

    def __init__(
        self,
        folder: Path,
        *,
        programs: Sequence[str] | None = None,
        config: str = "",
        address: str = "127.0.0.1",
        namespace: Path | None = None,
    ) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.key_file = folder / "user_key"
        self.host_key_file = folder / "host_key"
        self.log = folder / "sshd.log"
        self.port = _free_port()
        self.address = address
        self.user = pwd.getpwuid(os.getuid()).pw_name
        make_key(self.key_file, comment="test")
        make_key(self.host_key_file, comment="host")
        self._more_config = config
        self._inside = [] if namespace is None else ["nsenter", f"--net={namespace}"]
        self._path = self._only(programs) if programs is not None else os.environ["PATH"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host_key(self) -> str:
        """`ssh-ed25519 AAAA…`."""
        return " ".join(self.host_key_file.with_suffix(".pub").read_text().split()[:2])

    def endpoint(
        self, instance_id: str = "i-test", *, key_file: Path | None = None, host_key: str | None = None
    ) -> Endpoint:
        return Endpoint(
            instance_id=instance_id,
            hostname=self.address,
            port=self.port,
            user=self.user,
            key_file=key_file or self.key_file,
            host_key=host_key,
        )

    def swap_host_key(self) -> None:
        """Another host key, in force for every new connection; the former one is kept."""
        self.stop()
        for suffix in ("", ".pub"):
            Path(f"{self.host_key_file}{suffix}").replace(f"{self.host_key_file}.kept{suffix}")
        make_key(self.host_key_file, comment="other")
        self.start()

    def restore_host_key(self) -> None:
        """The one before `swap_host_key`."""
        self.stop()
        for suffix in ("", ".pub"):
            Path(f"{self.host_key_file}.kept{suffix}").replace(f"{self.host_key_file}{suffix}")
        self.start()

    def start(self) -> None:
        assert self._process is None
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        assert program is not None, "sshd is not installed"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._inside, program, "-D", "-e", "-f", str(self._write_config())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, f"sshd ended: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"sshd does not answer: {self.log.read_text()}"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it with its connections and what they run, as a machine that loses its power."""
        if self._process is None:
            return
        listener = psutil.Process(self._process.pid)
        for process in (*listener.children(recursive=True), listener):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Nobody who is connected, or connects, hears a word; what runs here goes on."""
        # First, so that it starts no more of them.
        self._listener().suspend()
        for process in self._connections():
            process.suspend()

    def cut(self) -> None:
        """End every connection, as time-outs do at last while nothing comes through; what runs here goes on."""
        for process in self._connections():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def thaw(self) -> None:
        for process in (*self._connections(), self._listener()):
            process.resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listener(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def _connections(self) -> list[psutil.Process]:
        """A process or two for each."""
        found = []
        for process in self._listener().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name().startswith("sshd"):
                    found.append(process)
        return found

    def _only(self, programs: Sequence[str]) -> str:
        folder = self.folder / "bin"
        folder.mkdir()
        for program in programs:
            found = shutil.which(program)
            assert found is not None, f"{program} is not installed"
            (folder / program).symlink_to(found)
        return str(folder)

    def _write_config(self) -> Path:
        login = self.folder / "login"
        login.write_text(
            f"#!/bin/sh\nexport PATH={shlex.quote(self._path)}\n"
            'cd "$HOME" || exit 255\nexec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n'
        )
        login.chmod(0o755)
        authorized = self.folder / "authorized_keys"
        # The wrapper belongs to this key: those that come into the login's own file bring their own commands.
        authorized.write_text(f'command="{shlex.quote(str(login))}" {self.key_file.with_suffix(".pub").read_text()}')
        config = self.folder / "sshd_config"
        config.write_text(
            f"""ListenAddress {self.address}
Port {self.port}
HostKey "{self.host_key_file}"
AuthorizedKeysFile "{authorized}" "{self.home}/.ssh/authorized_keys"
SetEnv "HOME={self.home}"
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding yes
{self._more_config}
"""
        )
        return config

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.address, self.port), timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
