"""This machine as a host, with a folder of its own as home."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from gacli.errors import HostUnreachable
from gacli.ports.host import Completed, Host, OnCopy, PeerAddress
from gacli.transport import rsync
from gacli.transport.process import CommandTimedOut, run


class LocalHost(Host):
    """Runs commands as subprocesses with `home` as HOME and working directory; copies by rsync.

    Behaves as an SSH host does: commands pass through `/bin/sh`, so a missing program is exit code 127.
    """

    def __init__(self, home: Path, label: str = "local") -> None:
        self._home = home.absolute()
        self._label = label

    @property
    @override
    def label(self) -> str:
        return self._label

    @override
    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0) -> Completed:
        try:
            return run(
                ["/bin/sh", "-c", shlex.join(argv)],
                stdin=stdin,
                timeout_s=timeout_s,
                env={**os.environ, "HOME": str(self._home)},
                cwd=self._home,
            )
        except CommandTimedOut as error:
            raise HostUnreachable(f"{self._label}: no answer within {timeout_s:g} s to `{shlex.join(argv)}`") from error

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
        folder = self._home / target
        folder.mkdir(parents=True, exist_ok=True)
        rsync.copy(
            str(source.absolute()),
            str(folder),
            host=self._label,
            files=files,
            exclude=exclude,
            mirror=mirror,
            on_copy=on_copy,
        )

    @override
    def pull(
        self, source: str, target: Path, *, files: Sequence[str] | None = None, on_copy: OnCopy | None = None
    ) -> None:
        target.mkdir(parents=True, exist_ok=True)
        rsync.copy(str(self._home / source), str(target.absolute()), host=self._label, files=files, on_copy=on_copy)

    @override
    def peer_address(self) -> PeerAddress | None:
        return None

    @override
    def close(self) -> None:
        """Nothing is held open."""
