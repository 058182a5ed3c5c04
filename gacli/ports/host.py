"""One machine as a transport reaches it: commands and copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """What a command left behind. stdout and stderr are whole."""

    exit_code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class CopyProgress:
    """How far a copy is. bytes_done <= bytes_total; rate in bytes/s."""

    bytes_done: int
    bytes_total: int
    rate_bytes_per_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerAddress:
    """How another machine reaches one by SSH. host_keys: `ssh-ed25519 AAAA…`, one of which it must show."""

    hostname: str
    port: int
    user: str
    host_keys: tuple[str, ...]


OnCopy = Callable[[CopyProgress], None]


class Host(Protocol):
    """One machine, reached by a transport. All paths are relative to the login's home unless absolute."""

    @property
    def label(self) -> str:
        """For messages: `site (user@host:port)`."""
        ...

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0) -> Completed:
        """Run a command; every argument is quoted for the remote shell. A non-zero exit is returned, not raised.

        Raises HostUnreachable, HostKeyChanged, AuthenticationFailed; HostUnreachable also when timeout_s passes.
        """
        ...

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
        """Copy the contents of folder `source` into folder `target` there (made when missing).

        files: only these paths relative to `source`. exclude: rsync patterns. mirror: remove what the source lacks.
        Resumable: partial files are kept and reused. CommandFailed, DiskFull, HostUnreachable.
        """
        ...

    def pull(
        self, source: str, target: Path, *, files: Sequence[str] | None = None, on_copy: OnCopy | None = None
    ) -> None:
        """The same in the other direction."""
        ...

    def peer_address(self) -> PeerAddress | None:
        """Where other machines may find it, with the host keys that are pinned here; raises as `run` does.

        None when the way there is ours alone: a jump host, a proxy command, no SSH at all.
        """
        ...

    def close(self) -> None: ...
