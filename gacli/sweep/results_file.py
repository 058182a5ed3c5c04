"""The one file of a sweep's results. It grows chunk by chunk, so that a sweep that was cut off goes on where it was.

An SQLite database: `about` (what the sweep is), `cases` (job, site, start, thresholds), `chunks` (the results of the
policies of a case that resume at thresholds `first` to `last`, by threshold to pause, then to resume). Numbers of
thresholds and results are 64-bit little-endian floats; `about` has the results' columns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from gacli.errors import GaError
from gacli.sweep.columns import COLUMNS
from gacli.sweep.grid import Chunk, Plan

# `PRAGMA application_id`: what tells these files from other databases; "gasw" in ASCII.
_APPLICATION: Final = 0x67617377
_FLOATS: Final = np.dtype("<f8")
_SCHEMA: Final = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE cases (
    number INTEGER PRIMARY KEY, job TEXT NOT NULL, site TEXT NOT NULL, zone TEXT NOT NULL, start TEXT NOT NULL,
    thresholds_g_per_kwh BLOB NOT NULL
);
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY, case_number INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    results BLOB NOT NULL
);
"""


class ResultsFile:
    """Opened once per sweep. Raises GaError for a file that is none of these, of another sweep, or that fails."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self._plan = plan
        with _told(path):
            self._database = sqlite3.connect(path, isolation_level=None)

    @classmethod
    def begin(cls, path: Path, plan: Plan) -> Self:
        """A new one, in the place of a finished one. GaError in the place of one that is not finished."""
        if path.exists():
            if not _is_finished(path):
                raise GaError(
                    f"{path}: expected no file, or the results of a finished sweep; found a sweep that was cut off",
                    hint="go on with --resume, or remove the file",
                )
            with _told(path):
                path.unlink()
        file = cls(path, plan)
        with _told(path):
            file._make()
        return file

    @classmethod
    def resume(cls, path: Path, plan: Plan) -> Self:
        """The one that is there, else a new one. GaError when it is of another sweep."""
        if not path.exists() or _is_empty(path):
            return cls.begin(path, plan)
        found = _about(path)
        if found.get("digest") != plan.digest:
            raise GaError(
                f"{path}: expected results of this sweep, found those of `{found.get('name', '')}` as it was then: the "
                "file or its traces have changed",
                hint="remove the file, or begin anew in another one with --out",
            )
        return cls(path, plan)

    def missing(self) -> list[Chunk]:
        """The chunks that are still to be done, in the plan's order."""
        with _told(self.path):
            done = {int(number) for (number,) in self._database.execute("SELECT number FROM chunks")}
        return [chunk for chunk in self._plan.chunks if chunk.number not in done]

    def add(self, chunk: Chunk, results: NDArray[np.float64]) -> None:
        """Committed when it returns. Whoever had the same chunk done before has the same results."""
        row = (chunk.number, chunk.key.number, chunk.first, chunk.last, results.astype(_FLOATS).tobytes())
        with _told(self.path):
            self._database.execute("INSERT OR IGNORE INTO chunks VALUES (?, ?, ?, ?, ?)", row)

    def results(self, chunk: Chunk) -> NDArray[np.float64]:
        """Those of a chunk that is done: a row a policy, a column each of COLUMNS."""
        with _told(self.path):
            found = self._database.execute("SELECT results FROM chunks WHERE number = ?", (chunk.number,)).fetchone()
        return np.frombuffer(found[0], dtype=_FLOATS).reshape(-1, len(COLUMNS))

    def finish(self) -> None:
        """Say that nothing is missing any more."""
        with _told(self.path):
            self._database.execute("INSERT OR REPLACE INTO about VALUES ('finished', 'yes')")

    def close(self) -> None:
        self._database.close()

    def _make(self) -> None:
        plan = self._plan
        about = {
            "name": plan.sweep.name,
            "digest": plan.digest,
            "config": plan.sweep.document.text,
            "columns": " ".join(COLUMNS),
        }
        cases = (
            (
                key.number,
                key.job.name,
                key.site.name,
                key.site.site.zone,
                key.start.isoformat(),
                plan.thresholds(key.site).astype(_FLOATS).tobytes(),
            )
            for key in plan.keys
        )
        # In one transaction: what was cut off while it began is an empty file, and begins anew.
        self._database.execute("BEGIN")
        for statement in _SCHEMA.split(";"):
            self._database.execute(statement)
        self._database.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        self._database.executemany("INSERT INTO cases VALUES (?, ?, ?, ?, ?, ?)", cases)
        self._database.execute(f"PRAGMA application_id = {_APPLICATION}")
        self._database.execute("COMMIT")


def _is_finished(path: Path) -> bool:
    return _is_empty(path) or _about(path).get("finished") == "yes"


def _is_empty(path: Path) -> bool:
    """As left by whoever was killed before the file was made."""
    with _told(path), closing(sqlite3.connect(path)) as database:
        return bool(database.execute("PRAGMA page_count").fetchone() == (0,))


def _about(path: Path) -> dict[str, str]:
    with _told(path), closing(sqlite3.connect(path)) as database:
        (application,) = database.execute("PRAGMA application_id").fetchone()
        if application != _APPLICATION:
            raise GaError(f"{path}: expected the results of a sweep, found another file", hint="choose another --out")
        return {str(key): str(value) for key, value in database.execute("SELECT key, value FROM about")}


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise GaError(f"{path}: the results cannot be kept: {error}", hint="choose another file with --out") from error
