"""SQLite: opening, migrating, transactions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from gacli.errors import DiskFull, GaError


def to_text(instant: datetime) -> str:
    """ISO 8601 with microseconds and Z: sorts as text in the order of time."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def to_time(text: str) -> datetime:
    """The aware UTC datetime that `to_text` wrote."""
    return datetime.fromisoformat(text)


def to_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Database:
    """One connection. Writers wait for each other; readers never wait (WAL). Committed means on the disk.

    path: the file, or None for a database in memory (the fake). guard: called inside every transaction before anything
    is written; it raises when this connection may not write any more.
    """

    guard: Callable[[sqlite3.Connection], None] | None = None

    def __init__(self, path: Path | None) -> None:
        self._path = path
        try:
            self.connection = sqlite3.connect(
                ":memory:" if path is None else path, timeout=30.0, isolation_level=None, check_same_thread=False
            )
            self.connection.row_factory = sqlite3.Row
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")
            self.connection.execute("PRAGMA foreign_keys = ON")
            self._migrate()
        except sqlite3.Error as error:
            raise GaError(
                f"{path}: cannot be used as ga's store: {error}",
                hint="check that the folder is writable and has free space, or set GA_STATE_DIR to another folder",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; joins the transaction that is open already. DiskFull or GaError when it cannot be written."""
        if self._is_open():
            yield self.connection
            return
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            if self.guard is not None:
                self.guard(self.connection)
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException as error:
            # A commit that failed leaves its transaction open; on a full disk SQLite may have rolled back by itself.
            if self._is_open():
                self.connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                self._refuse(error)
            raise

    def _is_open(self) -> bool:
        return self.connection.in_transaction

    def _refuse(self, error: sqlite3.OperationalError) -> None:
        """Raise what the system's fault means to people; return when it is a fault of ours."""
        message = f"{self._path}: cannot be written: {error}; what was recorded before is safe"
        match error.sqlite_errorcode & 0xFF:
            case sqlite3.SQLITE_FULL:
                raise DiskFull(message, hint="free some space there and try again") from error
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_BUSY:
                raise GaError(message, hint="check that disk and folder are in order, and try again") from error
            case _:
                return

    def close(self) -> None:
        self.connection.close()

    def _migrate(self) -> None:
        """Apply the numbered files that this database has not seen; files are only ever added."""
        files = sorted(
            (entry for entry in resources.files("gacli.store").joinpath("migrations").iterdir()), key=lambda e: e.name
        )
        scripts = [entry for entry in files if entry.name.endswith(".sql")]
        version = int(self.connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(scripts):
            raise GaError(
                f"the store has schema {version}, this ga knows up to {len(scripts)}",
                hint="a newer ga has used this state folder: upgrade ga, or set GA_STATE_DIR to another folder",
            )
        for number, script in enumerate(scripts[version:], start=version + 1):
            # A script and its number are one transaction: a kill in between leaves the schema as it was. Another
            # process may have migrated meanwhile, so the version is read again under the write lock.
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                if int(self.connection.execute("PRAGMA user_version").fetchone()[0]) < number:
                    for statement in _statements(script.read_text(encoding="utf-8")):
                        self.connection.execute(statement)
                    self.connection.execute(f"PRAGMA user_version = {number}")
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")


def _statements(script: str) -> Iterator[str]:
    """The script's statements one by one (`executescript` would commit the open transaction)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
