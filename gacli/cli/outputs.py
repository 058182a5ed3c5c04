"""Files that commands write at their end, asked about before time is spent on what goes into them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gacli.errors import ConfigError

_MOST_WORKERS = 1024


def require_outputs(*, files: Mapping[str, Path | None], parquet: Path | None, charts: Path | None) -> None:
    """files: by option. ConfigError for what cannot be written there, GaError for a package that is missing."""
    if charts is not None:
        from gacli.views.charts.catalogue import require_matplotlib

        require_matplotlib("--charts")
    if parquet is not None:
        from gacli.views.simulation_data import require_pyarrow

        require_pyarrow()
    for option, path in {**files, "--parquet": parquet}.items():
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise ConfigError(f"{option}: expected a file in a folder that exists, found {path}")
    if charts is not None and charts.exists() and not charts.is_dir():
        raise ConfigError(f"--charts: expected a folder, found the file {charts}")


def require_workers(workers: int | None) -> None:
    if workers is not None and not 1 <= workers <= _MOST_WORKERS:
        raise ConfigError(f"--workers: expected 1 to {_MOST_WORKERS}, found {workers}")
