"""Long calls beside the loop: started once, looked at on every tick."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from gacli.ports.machine import OnStep, StepProgress

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A finished task: its value, or the exception that it raised."""

    value: T | None
    error: Exception | None

    def unwrap(self) -> T:
        """The value; raises the task's exception."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # without an error there is a value, None if T allows it


class Tasks(Protocol):
    """Runs calls that block. All methods are called from the loop's thread."""

    def once(self, key: str, work: Callable[[OnStep], T]) -> Done[T] | None:
        """Start `work` unless a task of this key exists; None until it has ended, then its result, once."""
        ...

    def busy(self, key: str) -> bool:
        """True while a task of this key runs, or has ended without its result being taken."""
        ...

    def progress(self) -> dict[str, StepProgress]:
        """The newest word of every running task that has said something."""
        ...

    def close(self) -> None:
        """Wait for nothing: running calls are abandoned (each can be repeated)."""
        ...


class ThreadTasks:
    """Worker threads; the loop never blocks."""

    def __init__(self, workers: int = 8) -> None:
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="ga-task")
        self._futures: dict[str, Future[object]] = {}
        self._progress: dict[str, StepProgress] = {}

    def once(self, key: str, work: Callable[[OnStep], T]) -> Done[T] | None:
        future = self._futures.get(key)
        if future is None:
            self._futures[key] = self._pool.submit(work, lambda step: self._progress.__setitem__(key, step))
            return None
        if not future.done():
            return None
        del self._futures[key]
        self._progress.pop(key, None)
        error = future.exception()
        if error is None:
            return Done(value=future.result(), error=None)  # type: ignore[arg-type]  # stored as object above
        if not isinstance(error, Exception):
            raise error
        return Done(value=None, error=error)

    def busy(self, key: str) -> bool:
        return key in self._futures

    def progress(self) -> dict[str, StepProgress]:
        return dict(self._progress)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class InlineTasks:
    """The fake: runs the call at once, in the loop's thread; its result is there immediately."""

    def once(self, key: str, work: Callable[[OnStep], T]) -> Done[T] | None:
        del key
        try:
            return Done(value=work(lambda _step: None), error=None)
        except Exception as error:
            return Done(value=None, error=error)

    def busy(self, key: str) -> bool:
        del key
        return False

    def progress(self) -> dict[str, StepProgress]:
        return {}

    def close(self) -> None:
        """Nothing runs."""
