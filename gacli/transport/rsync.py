"""Copies by rsync: resumable, with progress, and with its exit codes turned into our errors."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Final

from gacli.errors import AuthenticationFailed, CommandFailed, DiskFull, GaError, HostKeyChanged, HostUnreachable
from gacli.ports.host import Completed, OnCopy
from gacli.transport.process import run
from gacli.transport.rsync_progress import ProgressParser

PARTIAL_FOLDER: Final = ".ga-partial"
"""Where a cut copy leaves what it has, in the target folder; the next copy goes on from there."""

_IO_TIMEOUT_S = 120

_OPTIONS = (
    "--archive",
    # The other side's users and groups are not ours; files belong to the login that receives them.
    "--no-owner",
    "--no-group",
    f"--partial-dir={PARTIAL_FOLDER}",
    "--info=progress2",
    "--no-human-readable",
    # The whole list first: only then is the percentage one of the whole copy.
    "--no-inc-recursive",
    "--outbuf=N",
    # Paths reach the other side by the protocol, never through its shell.
    "--protect-args",
    f"--timeout={_IO_TIMEOUT_S}",
)

# https://download.samba.org/pub/rsync/rsync.1#EXIT_VALUES: of files; and errors of the connection, not of the files.
_FILE_IO_CODE = 11
_REPEATS = 2
_CONNECTION_CODES = frozenset({5, 10, 12, 30, 35, 255})
_MISSING = re.compile(r"rsync: (?:command )?not found|rsync: No such file or directory|code 127")
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")
_BAD_HOST_KEY = re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed")
_REFUSED = re.compile(r"Permission denied \(|Too many authentication failures")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/=]+")


def copy(
    source: str,
    target: str,
    *,
    host: str,
    remote_shell: Sequence[str] = (),
    files: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    mirror: bool = False,
    on_copy: OnCopy | None = None,
) -> None:
    """Copy the contents of folder `source` into folder `target`, which must exist; one of the two may be `HOST:PATH`.

    host: for messages. remote_shell: the ssh command that reaches the remote one. files, exclude, mirror, on_copy: as
    in Host.push. Raises CommandFailed, DiskFull, HostUnreachable, HostKeyChanged, AuthenticationFailed.
    """
    argv = ["rsync", *_OPTIONS, *(f"--exclude={pattern}" for pattern in exclude)]
    if mirror:
        argv.append("--delete")
    if remote_shell:
        argv += ["--rsh", _for_rsh(remote_shell)]
    names = b""
    if files is not None:
        argv += ["--files-from=-", "--from0"]
        # `./` keeps a name that begins with `#` or `;` from being read as a comment.
        names = b"".join(b"./" + os.fsencode(name) + b"\0" for name in files)
    parser = ProgressParser()

    def report(chunk: bytes) -> None:
        if on_copy is not None:
            for progress in parser.feed(chunk):
                on_copy(progress)

    completed = _run([*argv, "--", _folder(source), _folder(target)], names, report)
    if on_copy is not None:
        for progress in parser.end():
            on_copy(progress)
    if completed.exit_code != 0:
        raise _error(completed, command=f"rsync {shlex.quote(source)} {shlex.quote(target)}", host=host)


def _folder(path: str) -> str:
    """rsync copies what is in a folder, rather than the folder, when its name ends with a slash."""
    return path if path.endswith("/") else path + "/"


def _for_rsh(argv: Sequence[str]) -> str:
    """One string as rsync's own splitting of `--rsh` wants it: no shell; a quote inside quotes is doubled."""
    return " ".join("'" + word.replace("'", "''") + "'" for word in argv)


def _run(argv: Sequence[str], names: bytes, on_stdout: Callable[[bytes], None]) -> Completed:
    """Again, where the other side's words were lost with its connection: it goes on where it was, or says them."""

    def attempt() -> Completed:
        return run(argv, stdin=names, timeout_s=None, env={**os.environ, "LC_ALL": "C"}, on_stdout=on_stdout)

    completed = attempt()
    for _ in range(_REPEATS):
        if completed.exit_code != _FILE_IO_CODE or completed.stderr.strip():
            break
        completed = attempt()
    return completed


def _error(completed: Completed, *, command: str, host: str) -> GaError:
    stderr = completed.stderr.decode(errors="replace")
    code = completed.exit_code
    if _BAD_HOST_KEY.search(stderr):
        offered = _FINGERPRINT.search(stderr)
        return HostKeyChanged(
            f"{host}: the host key is not the pinned one" + (f"; the host offers {offered[0]}" if offered else ""),
            hint="find out why before you go on: this may be another machine",
        )
    if _MISSING.search(stderr):
        return CommandFailed(
            command=command,
            host=host,
            exit_code=code,
            stderr=stderr,
            hint="rsync is missing on that host; install it there (sudo apt-get install rsync, sudo dnf install rsync)",
        )
    if _NO_SPACE.search(stderr):
        return DiskFull(
            f"{host}: no space left for `{command}`:\n{stderr.strip()}",
            hint="free space where the files go, or choose a larger disk; the copy goes on from where it stopped",
        )
    if _REFUSED.search(stderr):
        return AuthenticationFailed(f"{host}: the login was refused for `{command}`:\n{stderr.strip()}")
    if code in _CONNECTION_CODES:
        return HostUnreachable(
            f"{host}: the connection was lost during `{command}` (exit code {code}):\n{stderr.strip()}"
        )
    return CommandFailed(command=command, host=host, exit_code=code, stderr=stderr)
