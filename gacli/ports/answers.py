"""What web services have answered, kept where every job and command of this user finds it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The body of one successful GET, with what is needed to ask whether it has changed.

    etag, last_modified: as the server sent them, else empty. fetched_epoch_s: real time of the newest confirmation.
    """

    body: str
    etag: str
    last_modified: str
    fetched_epoch_s: float


class AnswerCache(Protocol):
    """Answers by key, and services that asked for a pause, by name. Keys and bodies hold no secrets."""

    def get(self, key: str) -> Answer | None: ...

    def put(self, key: str, answer: Answer) -> None: ...

    def paused_until(self, service: str) -> float:
        """Real time until which the service is not to be asked; 0 when it may be."""
        ...

    def pause(self, service: str, until_epoch_s: float) -> None: ...

    def alone(self, key: str) -> AbstractContextManager[None]:
        """Held while the key is fetched: whoever wants the same at that time waits, and then finds the answer."""
        ...
