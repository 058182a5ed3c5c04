"""Many independent pieces of work on several processes, which end when whoever waits for them does."""

from __future__ import annotations

import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final, Generic, TypeVar, cast

from gacli.errors import GaError

Unit = TypeVar("Unit")
Result = TypeVar("Result")

# Each process has a core to itself: threads of its arithmetic would only wait for each other.
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def spread(units: Sequence[Unit], make: Callable[[], Callable[[Unit], Result]], *, workers: int) -> Iterator[Result]:
    """The result of every unit, in the order in which they are done.

    make: gives what does one unit; called once in each process, so that what it keeps serves the units that follow.
    Neighbours go to the same process as far as possible. With one worker, or one unit, all is done in this process;
    otherwise units, results and `make` must be picklable. An exception of a unit ends all and is raised here. GaError
    when a process is killed.
    """
    if min(workers, len(units)) <= 1:
        work = make()
        yield from map(work, units)
        return
    shares = _shares(units, min(workers, len(units)))
    with _started(make, len(shares)) as started:
        busy = {worker.pipe: worker for worker in started}
        for worker, share in zip(started, shares, strict=True):
            _send(worker, share.popleft())
        owned = dict(zip((worker.pipe for worker in started), shares, strict=True))
        while busy:
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                worker = busy[pipe]
                result = _received(worker)
                if share := owned[pipe]:
                    _send(worker, share.popleft())
                elif longest := max(shares, key=len):
                    _send(worker, longest.pop())
                else:
                    del busy[pipe]
                yield cast(Result, result)


@dataclass(frozen=True, slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection


@dataclass(frozen=True, slots=True)
class _Done(Generic[Result]):
    result: Result


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception
    trace: str


def _shares(units: Sequence[Unit], count: int) -> list[deque[Unit]]:
    """Neighbouring units together, as many to each as to the others."""
    bounds = [len(units) * index // count for index in range(count + 1)]
    return [deque(units[bounds[index] : bounds[index + 1]]) for index in range(count)]


@contextmanager
def _started(make: Callable[[], Callable[[Unit], Result]], count: int) -> Iterator[list[_Worker]]:
    # Started anew rather than forked: a fork copies locks that threads of libraries may hold.
    context = get_context("spawn")
    started: list[_Worker] = []
    try:
        # Started by itself, for it unblocks the signal when it is.
        resource_tracker.ensure_running()
        for _ in range(count):
            ours, theirs = context.Pipe()
            worker = _Worker(context.Process(target=_serve, args=(make, theirs), daemon=True), ours)
            started.append(worker)
            with _environment(dict.fromkeys(_ONE_THREAD, "1")), _interrupts_blocked(), _while_alive(worker):
                worker.process.start()
            theirs.close()
        yield started
    finally:
        for worker in started:
            if worker.process.pid is not None:
                worker.process.terminate()
        for worker in started:
            _join(worker.process)
            worker.pipe.close()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """^C reaches every process of a terminal; those that begin with it blocked leave the end to this one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """For processes that are started meanwhile; what is set already stays."""
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _serve(make: Callable[[], Callable[[Unit], Result]], pipe: Connection) -> None:
    """What a process does: unit after unit, until nobody is there any more."""
    try:
        work = make()
        while True:
            pipe.send(_Done(work(pipe.recv())))
    except EOFError:
        return
    except Exception as error:
        pipe.send(_Failed(error, traceback.format_exc()))


def _join(process: BaseProcess) -> None:
    # One that ended before it had been told what to do was never started for those who ask.
    if process.pid is not None:
        process.join()


def _send(worker: _Worker, unit: object) -> None:
    with _while_alive(worker):
        worker.pipe.send(unit)


def _received(worker: _Worker) -> object:
    with _while_alive(worker):
        answer = worker.pipe.recv()
    if isinstance(answer, _Failed):
        answer.error.add_note(f"in a worker process:\n{answer.trace}")
        raise answer.error
    return answer.result


@contextmanager
def _while_alive(worker: _Worker) -> Iterator[None]:
    """GaError when the other end of a pipe is gone."""
    try:
        yield
    except (EOFError, ConnectionError):
        _join(worker.process)
        raise GaError(
            f"a worker process ended with exit code {worker.process.exitcode} in the middle of its work",
            hint="if memory was short, try again with fewer --workers",
        ) from None
