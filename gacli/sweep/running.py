"""Does the chunks of a sweep, on all cores or wherever joblib's backend has them done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gacli.errors import GaError
from gacli.sweep.grid import Chunk, Plan
from gacli.sweep.results_file import ResultsFile
from gacli.sweep.threshold import ThresholdCase, evaluate

# Chunks that are handed over together where they come back together: some for each core of a small cluster.
_AT_A_TIME: Final = 256


def require_backend(name: str) -> None:
    """GaError when what the sweep needs is not installed; asked before anything is done."""
    for module in ("numba", "joblib"):
        _require(module, "ga sweep", "pip install 'ga-cli[sweep]'")
    if name == "ray":
        _require("ray", "`backend: ray`", "pip install ray")
    elif name == "dask":
        _require("distributed", "`backend: dask`", "pip install 'dask[distributed]'")


def run(plan: Plan, file: ResultsFile, chunks: Sequence[Chunk], *, workers: int | None) -> Iterator[Chunk]:
    """Each of the chunks as soon as its results are in the file. workers: None: one a core, or all of the cluster."""
    with _backend(plan.sweep.backend):
        for number, results in _each(plan, chunks, workers or _workers(plan.sweep.backend)):
            chunk = plan.chunks[number]
            file.add(chunk, results)
            yield chunk


def _each(plan: Plan, chunks: Sequence[Chunk], workers: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Each chunk's number and results as soon as they are there, in any order."""
    import joblib

    backend, _ = joblib.parallel.get_active_backend()
    if getattr(backend, "supports_return_generator", False):
        yield from joblib.Parallel(n_jobs=workers, return_as="generator_unordered")(_tasks(plan, chunks))
        return
    # Ray gives back a list when all of it is done: a part of the chunks at a time, so that there is something to keep.
    for first in range(0, len(chunks), _AT_A_TIME):
        yield from joblib.Parallel(n_jobs=workers)(_tasks(plan, chunks[first : first + _AT_A_TIME]))


def _tasks(plan: Plan, chunks: Sequence[Chunk]) -> Iterator[object]:
    import joblib

    for chunk in chunks:
        # Made when it is its turn: the numbers of all cases together may be more than the memory holds.
        case = plan.case(chunk.key)
        yield joblib.delayed(_done)(chunk.number, case, plan.thresholds(chunk.key.site), chunk.first, chunk.last)


def _done(
    number: int, case: ThresholdCase, thresholds_g_per_kwh: NDArray[np.float64], first: int, last: int
) -> tuple[int, NDArray[np.float64]]:
    """A chunk's number and its results; this is what travels to whoever computes."""
    return number, evaluate(case, thresholds_g_per_kwh, first, last)


def _workers(backend: str) -> int:
    return len(os.sched_getaffinity(0)) if backend in ("threading", "loky") else -1


@contextmanager
def _backend(name: str) -> Iterator[None]:
    import joblib

    if name == "ray":
        import_module("ray.util.joblib").register_ray()
    with _client(name), joblib.parallel_config(backend=name):
        yield


@contextmanager
def _client(name: str) -> Iterator[None]:
    """Dask wants to be connected first: to the scheduler that DASK_SCHEDULER_ADDRESS names, else to one of its own."""
    if name != "dask":
        yield
        return
    client: AbstractContextManager[object] = import_module("distributed").Client(
        os.environ.get("DASK_SCHEDULER_ADDRESS")
    )
    with client:
        yield


def _require(module: str, what: str, hint: str) -> None:
    try:
        import_module(module)
    except ImportError:
        raise GaError(f"{what} needs {module}, which is not installed", hint=hint) from None
