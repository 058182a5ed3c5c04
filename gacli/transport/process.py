"""The one place where `ga` runs other programs on this machine."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from gacli.errors import CommandFailed, GaError
from gacli.ports.host import Completed

_CHUNK_BYTES = 65536
_EXIT_POLL_S = 0.1
_GRACE_S = 2.0

_PACKAGES = {"rsync": "rsync", "ssh": "openssh-client", "ssh-keygen": "openssh-client", "sshd": "openssh-server"}


class CommandTimedOut(CommandFailed):
    """A program on this machine was killed because it took longer than it was given."""


def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    timeout_s: float | None = 60.0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_stdout: Callable[[bytes], None] | None = None,
) -> Completed:
    """Run a program here and wait for it; a non-zero exit is returned (negative: killed by that signal).

    env: the whole environment; None inherits ours. timeout_s: real seconds, None for no limit. on_stdout: sees each
    piece of standard output as it comes. Whatever interrupts the wait, the program and its children are killed first.
    Raises GaError when the program is missing, CommandTimedOut.
    """
    process = _start(argv, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        stdout, stderr, finished = _exchange(process, stdin, timeout_s, on_stdout)
    except BaseException:
        _kill_group(process)
        raise
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            _close(pipe)
    if not finished:
        _kill_group(process)
        raise CommandTimedOut(
            command=shlex.join(argv),
            host="this machine",
            exit_code=process.wait(),
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
            hint=f"it was killed after {timeout_s:g} s",
        )
    return Completed(exit_code=process.wait(), stdout=stdout, stderr=stderr)


def run_checked(
    argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float | None = 60.0, hint: str = ""
) -> Completed:
    """As `run`, but CommandFailed unless the program exits with 0."""
    completed = run(argv, stdin=stdin, timeout_s=timeout_s)
    if completed.exit_code != 0:
        raise CommandFailed(
            command=shlex.join(argv),
            host="this machine",
            exit_code=completed.exit_code,
            stdout=completed.stdout.decode(errors="replace"),
            stderr=completed.stderr.decode(errors="replace"),
            hint=hint,
        )
    return completed


def spawn_detached(argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> int:
    """Start a program in a session of its own that outlives us, from `/`; its pid. Output is appended to `log`."""
    with log.open("ab") as stream:
        process = _start(argv, env=env, cwd=Path("/"), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    # Reaped when it ends before us, so that it never looks alive as a zombie.
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
    return process.pid


def start_with_socket(argv: Sequence[str], fd: int) -> subprocess.Popen[bytes]:
    """Start a program whose standard input and output are both the socket `fd`, such as an SSH proxy command."""
    return _start(argv, env=None, cwd=None, stdin=fd, stdout=fd, stderr=subprocess.DEVNULL)


def _start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    stdin: int,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
) -> subprocess.Popen[bytes]:
    try:
        # A session of its own: a ^C meant for us does not tear a copy apart, and the whole group can be killed.
        return subprocess.Popen(
            list(argv), stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd, start_new_session=True
        )
    except (FileNotFoundError, PermissionError) as error:
        if cwd is not None and not cwd.is_dir():
            raise GaError(f"cannot run `{argv[0]}` in {cwd}: no such folder") from error
        program = Path(argv[0]).name
        package = _PACKAGES.get(program)
        hint = (
            f"install it, for instance: sudo apt-get install {package} (or: sudo dnf install {package})"
            if package
            else f"install {program} or put it on PATH"
        )
        raise GaError(f"`{program}` cannot be run on this machine: {error.strerror}", hint=hint) from error


def _exchange(
    process: subprocess.Popen[bytes],
    stdin: bytes,
    timeout_s: float | None,
    on_stdout: Callable[[bytes], None] | None,
) -> tuple[bytes, bytes, bool]:
    """Feed and drain the pipes until the program has ended (True) or its time is over (False)."""
    assert process.stdin
    assert process.stdout
    assert process.stderr
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    collected: dict[int, bytearray] = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    to_send = memoryview(stdin)
    out, err = collected
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe.fileno(), selectors.EVENT_READ)
        feed = process.stdin.fileno()
        if stdin:
            os.set_blocking(feed, False)
            selector.register(feed, selectors.EVENT_WRITE)
        else:
            process.stdin.close()
        finished = False
        while deadline is None or time.monotonic() < deadline:
            if not any(fd in selector.get_map() for fd in collected):
                finished = _ends(process, deadline)
                break
            # Asked before the pipes are read, so that what an ended program wrote is read before we stop: a child it
            # left behind may hold them open for ever.
            ended = process.poll() is not None
            ready = [key.fd for key, _ in selector.select(0 if ended else _EXIT_POLL_S)]
            for fd in ready:
                if fd not in collected:
                    to_send = to_send[_write(fd, to_send) :]
                    if not to_send:
                        selector.unregister(fd)
                        _close(process.stdin)
                elif chunk := os.read(fd, _CHUNK_BYTES):
                    collected[fd] += chunk
                    if on_stdout is not None and fd == out:
                        on_stdout(chunk)
                else:
                    selector.unregister(fd)
            if ended and not any(fd in collected for fd in ready):
                finished = True
                break
    return bytes(collected[out]), bytes(collected[err]), finished


def _ends(process: subprocess.Popen[bytes], deadline: float | None) -> bool:
    try:
        process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _write(fd: int, data: memoryview) -> int:
    """How much of `data` is dealt with: everything when nobody reads it any more."""
    try:
        return os.write(fd, data[:_CHUNK_BYTES])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(data)


def _close(pipe: IO[bytes] | None) -> None:
    # Broken: it ended without reading all of its input.
    with contextlib.suppress(BrokenPipeError):
        if pipe is not None:
            pipe.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Politely first: rsync then keeps what it has of a file, for the next copy to go on from."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
