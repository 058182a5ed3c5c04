"""Work that outlives the connection it was asked for on."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Callable

from .failures import trace
from .files import Json


def daemonise(log_path: str, work: Callable[[Callable[[Json], None]], None]) -> Json:
    """Run `work` in a process that outlives the connection; returns what it reports through its argument."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        return json.loads(answer) if answer else {"ok": False, "error": "agent_failed", "detail": "see " + log_path}
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.close(reading)
        for descriptor, path, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, os.devnull, os.O_WRONLY),
            (2, log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
        ):
            opened = os.open(path, flags, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
        os.chdir("/")

        def report(answer: Json) -> None:
            with contextlib.suppress(BrokenPipeError):  # whoever asked may be gone: the work goes on
                os.write(writing, json.dumps(answer).encode())
            os.close(writing)

        work(report)
    except BaseException as problem:
        os.write(2, trace(problem).encode())
    finally:
        os._exit(0)
