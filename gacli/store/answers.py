"""What web services have answered, for every job and command of this state folder."""

from __future__ import annotations

import fcntl
import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gacli.errors import GaError
from gacli.ports.answers import Answer

# Nobody asks for less than the last months; without a bound the file would grow for as long as ga is used.
_KEPT = 5000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, body TEXT NOT NULL, etag TEXT NOT NULL, last_modified TEXT NOT NULL,
    fetched_epoch_s REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_time ON answers (fetched_epoch_s);
CREATE TABLE IF NOT EXISTS pauses (service TEXT PRIMARY KEY, until_epoch_s REAL NOT NULL);
"""


class StoredAnswers:
    """A SQLite file beside the store, which can be removed at any time. Implements AnswerCache; safe to use in threads.

    path: the file, made when it is first needed: who asks no service has none. Its folder must exist; locks are kept in
    a folder beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def get(self, key: str) -> Answer | None:
        row = self._one("SELECT body, etag, last_modified, fetched_epoch_s FROM answers WHERE key = ?", key)
        if row is None:
            return None
        body, etag, last_modified, fetched_epoch_s = row
        return Answer(body=body, etag=etag, last_modified=last_modified, fetched_epoch_s=fetched_epoch_s)

    def put(self, key: str, answer: Answer) -> None:
        self._write(
            "INSERT OR REPLACE INTO answers VALUES (?,?,?,?,?)",
            key, answer.body, answer.etag, answer.last_modified, answer.fetched_epoch_s,
        )  # fmt: skip
        self._write(
            "DELETE FROM answers WHERE key IN"
            " (SELECT key FROM answers ORDER BY fetched_epoch_s DESC LIMIT -1 OFFSET ?)",
            _KEPT,
        )

    def paused_until(self, service: str) -> float:
        row = self._one("SELECT until_epoch_s FROM pauses WHERE service = ?", service)
        return 0.0 if row is None else float(row[0])

    def pause(self, service: str, until_epoch_s: float) -> None:
        self._write("INSERT OR REPLACE INTO pauses VALUES (?,?)", service, until_epoch_s)

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        folder = self._path.with_suffix(".locks")
        folder.mkdir(mode=0o700, exist_ok=True)
        # Some keys share a lock, so that the files stay few; the kernel frees it however its holder ends.
        name = hashlib.sha256(key.encode()).hexdigest()[:2]
        with (folder / name).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def _connection(self) -> sqlite3.Connection:
        """Called under the guard. GaError when the file cannot be used."""
        if self._opened is None:
            try:
                connection = sqlite3.connect(self._path, timeout=30.0, isolation_level=None, check_same_thread=False)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.executescript(_SCHEMA)
            except sqlite3.Error as error:
                raise GaError(
                    f"{self._path}: cannot be used to keep what services answer: {error}",
                    hint="check that the folder is writable and has free space, or remove the file: it is only a cache",
                ) from error
            self._opened = connection
        return self._opened

    def _one(self, statement: str, *values: str) -> tuple[str, str, str, float] | None:
        with self._guard:
            row: tuple[str, str, str, float] | None = self._connection().execute(statement, values).fetchone()
        return row

    def _write(self, statement: str, *values: str | float) -> None:
        with self._guard:
            try:
                self._connection().execute(statement, values)
            except sqlite3.OperationalError:
                # A full disk or a read-only folder costs the cache, not the answer.
                return
