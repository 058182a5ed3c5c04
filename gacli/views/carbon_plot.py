"""Pictures of histories and forecasts, with Matplotlib, which only they need."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gacli.core.carbon import Quality
from gacli.core.forecast import Forecast
from gacli.errors import ConfigError, GaError
from gacli.views.carbon_forecast import Expected
from gacli.views.carbon_history import History
from gacli.views.carbon_output import kind_words, pedigree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SUFFIXES = (".png", ".svg")
_WIDTH_IN, _PANEL_IN = 9.0, 2.8
_TITLE_COLUMNS = 110
_UNIT = "gCO₂eq/kWh"


def require_picture(path: Path) -> None:
    """ConfigError when no picture can be made in such a file."""
    if path.suffix not in _SUFFIXES:
        raise ConfigError(f"--plot: expected a file that ends in {' or '.join(_SUFFIXES)}, found {path}")
    try:
        import matplotlib.figure  # noqa: F401 asked for before anything is fetched
    except ImportError:
        raise ConfigError(
            "--plot needs Matplotlib, which is not installed", hint="pip install 'ga-cli[plot]'"
        ) from None


def plot_histories(histories: Sequence[History], path: Path) -> None:
    """One panel a zone; estimated values have a dot. GaError when the file cannot be written."""
    known = [one for one in histories if one.readings]
    titles = [f"{one.zone}: {pedigree(one.readings[-1])}" for one in known]
    _save(titles, lambda number, axes: _draw_history(known[number], axes), path)


def plot_forecasts(forecasts: Sequence[Expected], path: Path) -> None:
    """One panel a zone, the intervals shaded. GaError when the file cannot be written."""
    known = [one.forecast for one in forecasts if one.forecast is not None]
    titles = [f"{one.zone}: {kind_words(one.signal, one.scope)}, from {one.source}" for one in known]
    _save(titles, lambda number, axes: _draw_forecast(known[number], axes), path)


def _draw_history(history: History, axes: Axes) -> None:
    readings = history.readings
    values = [reading.intensity_g_per_kwh for reading in readings]
    end = readings[-1].at + timedelta(seconds=readings[-1].period_s)
    axes.step(_dates([*(reading.at for reading in readings), end]), [*values, values[-1]], where="post", linewidth=1.2)
    estimated = [reading for reading in readings if reading.quality is Quality.ESTIMATED]
    if estimated:
        middles = _dates([reading.at + timedelta(seconds=reading.period_s / 2) for reading in estimated])
        axes.plot(middles, [r.intensity_g_per_kwh for r in estimated], ".", color="tab:orange", label="estimated")
        axes.legend(loc="upper right", fontsize=8)


def _draw_forecast(forecast: Forecast, axes: Axes) -> None:
    # Drawn to the end of the last hour.
    points = (*forecast.points, forecast.points[-1])
    at = _dates([*(point.at for point in forecast.points), forecast.end])
    for label, alpha, low, high in (
        ("90 %", 0.15, [p.low90_g_per_kwh for p in points], [p.high90_g_per_kwh for p in points]),
        ("50 %", 0.3, [p.low50_g_per_kwh for p in points], [p.high50_g_per_kwh for p in points]),
    ):
        axes.fill_between(at, low, high, step="post", alpha=alpha, color="tab:blue", linewidth=0, label=label)
    axes.step(at, [p.intensity_g_per_kwh for p in points], where="post", linewidth=1.2, label="expected")
    axes.legend(loc="upper right", fontsize=8)


def _save(titles: Sequence[str], draw: Callable[[int, Axes], None], path: Path) -> None:
    """A figure of its own, without the state of a display; the file's name tells its kind."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    if not titles:
        raise GaError(f"{path} was not written: there is nothing to draw")
    # With this salt and without a date the same values give the same file.
    with rc_context({"date.converter": "concise", "svg.hashsalt": "ga"}):
        figure = Figure(figsize=(_WIDTH_IN, _PANEL_IN * len(titles)), layout="constrained")
        panels = figure.subplots(len(titles), 1, sharex=True, squeeze=False)
        for number, title in enumerate(titles):
            axes: Axes = panels[number][0]
            draw(number, axes)
            axes.set_title(textwrap.fill(title, _TITLE_COLUMNS), fontsize=9, loc="left")
            axes.set_ylabel(_UNIT)
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
        panels[-1][0].set_xlabel("UTC")
        try:
            figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
        except OSError as error:
            raise GaError(f"{path}: the picture cannot be written: {error.strerror}") from error


def _dates(instants: Sequence[datetime]) -> NDArray[np.datetime64]:
    return np.array([instant.astimezone(UTC).replace(tzinfo=None) for instant in instants], dtype="datetime64[s]")
