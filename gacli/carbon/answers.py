"""Answers of web services kept in memory: for as long as one process lives."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from gacli.ports.answers import Answer


class MemoryAnswers:
    """Kept in this object, for all threads that share it. Implements AnswerCache."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}
        self._paused_until: dict[str, float] = {}
        self._guard = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def get(self, key: str) -> Answer | None:
        return self._answers.get(key)

    def put(self, key: str, answer: Answer) -> None:
        self._answers[key] = answer

    def paused_until(self, service: str) -> float:
        return self._paused_until.get(service, 0.0)

    def pause(self, service: str, until_epoch_s: float) -> None:
        self._paused_until[service] = until_epoch_s

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        with self._guard:
            lock = self._locks[key]
        with lock:
            yield
