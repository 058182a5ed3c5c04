"""A CSV file as numbered records, plain or compressed, with its failures as TraceError."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from gacli.errors import TraceError


def csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The records of a `.csv` or `.csv.gz` file with their line numbers, blank lines left out.

    Raises TraceError when the file cannot be read, is damaged, or is no CSV text in UTF-8.
    """
    line = 0
    try:
        with _open(path) as file:
            reader = csv.reader(file)
            for cells in reader:
                line = reader.line_num
                if any(cell.strip() for cell in cells):
                    yield line, cells
    except OSError as error:  # gzip.BadGzipFile is one, without an errno
        raise TraceError(f"{path}: the trace cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise TraceError(f"{path}:{line + 1}: the compressed file is damaged: {error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"{path}:{line + 1}: expected CSV text in UTF-8: {error}") from error


def _open(path: Path) -> TextIO:
    # utf-8-sig: spreadsheets begin their CSV files with a byte order mark.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
