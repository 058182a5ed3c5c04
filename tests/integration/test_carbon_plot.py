"""Pictures of histories and forecasts."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.grids import HOUR, NOW, Forecasting, Hourly, chain

from gacli.core.carbon import Quality
from gacli.errors import ConfigError, GaError
from gacli.views.carbon_forecast import read_forecasts
from gacli.views.carbon_history import read_history
from gacli.views.carbon_plot import plot_forecasts, plot_histories, require_picture

ZONES: dict[str, tuple[str, ...]] = {"DE": (), "FR": (), "XX": ()}


@pytest.mark.parametrize(
    ("name", "begins"), [("picture.png", b"\x89PNG\r\n\x1a\n"), ("picture.svg", b"<?xml")], ids=["png", "svg"]
)
def test_files_by_their_suffix(tmp_path: Path, name: str, begins: bytes) -> None:
    path = tmp_path / name
    require_picture(path)
    plot_forecasts(read_forecasts(chain(Forecasting()), ZONES, NOW, 7200.0), path)
    assert path.read_bytes().startswith(begins)


def test_what_a_forecast_says(tmp_path: Path) -> None:
    # Glyphs would be drawn as paths; the words stand beside them as comments.
    path = tmp_path / "forecast.svg"
    plot_forecasts(read_forecasts(chain(Forecasting()), ZONES, NOW, 7200.0), path)
    text = path.read_text()
    for zone in ("DE", "FR"):
        assert f"<!-- {zone}: average, life cycle, from oracle, with the intervals of the built-in model" in text
    assert text.count("<!-- gCO₂eq/kWh -->") == 2
    assert text.count("<!-- 50 % -->") == text.count("<!-- 90 % -->") == 2
    assert "XX" not in text


def test_what_a_history_says(tmp_path: Path) -> None:
    path = tmp_path / "history.svg"
    histories = read_history(chain(Hourly()), ZONES, NOW - 6 * HOUR, NOW)
    plot_histories(histories, path)
    text = path.read_text()
    assert "<!-- DE: average, life cycle, from service -->" in text
    assert "<!-- estimated -->" not in text
    estimated = tuple(replace(reading, quality=Quality.ESTIMATED) for reading in histories[0].readings)
    plot_histories([replace(histories[0], readings=estimated)], path)
    assert "<!-- estimated -->" in path.read_text()


def test_the_same_values_give_the_same_file(tmp_path: Path) -> None:
    histories = read_history(chain(Hourly()), ZONES, NOW - 6 * HOUR, NOW)
    paths = [tmp_path / name for name in ("one.svg", "two.svg")]
    for path in paths:
        plot_histories(histories, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("name", ["picture.pdf", "picture", "picture.PNG.txt"])
def test_other_kinds_of_files_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"\.png or \.svg"):
        require_picture(Path(name))


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match="Matplotlib") as caught:
        require_picture(Path("picture.png"))
    assert "ga-cli[plot]" in caught.value.hint


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    histories = read_history(chain(Hourly()), {"DE": ()}, NOW - 6 * HOUR, NOW)
    with pytest.raises(GaError, match=r"absent.picture\.png"):
        plot_histories(histories, tmp_path / "absent" / "picture.png")
    with pytest.raises(GaError, match="nothing to draw"):
        plot_histories(read_history(chain(Hourly()), {"XX": ()}, NOW - 6 * HOUR, NOW), tmp_path / "picture.png")
