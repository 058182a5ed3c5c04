"""Charts of a job as files."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from support.viewed_job import JOB, SITES, Run, at, finished, moving, started

from gacli.core.site import Site
from gacli.engine.accounted import read_accounted
from gacli.errors import GaError
from gacli.views.charts.catalogue import charts_of, inline_svg, write_charts
from gacli.views.charts.data import ChartData, read_chart_data
from gacli.views.report_data import read_report

NAMES = ["timeline", "emissions", "power", "phases", "decisions"]


def _data(run: Run, sites: tuple[Site, ...] = SITES) -> ChartData:
    report = read_report(run.store, JOB, sites, at(40))
    accounted = read_accounted(run.store, JOB)
    data = read_chart_data(run.store, report, sites, accounted)
    assert data is not None
    return data


@pytest.fixture
def data() -> ChartData:
    run = Run()
    finished(run)
    return _data(run)


@pytest.mark.parametrize(("kind", "begins"), [("png", b"\x89PNG\r\n\x1a\n"), ("svg", b"<?xml")])
def test_a_file_a_chart(tmp_path: Path, data: ChartData, kind: str, begins: bytes) -> None:
    paths = write_charts(data, tmp_path / "new" / "charts", kind)
    assert [path.name for path in paths] == [f"{name}.{kind}" for name in NAMES]
    assert all(path.read_bytes().startswith(begins) for path in paths)


def test_a_file_names_all_that_its_saving_rests_on(tmp_path: Path, data: ChartData) -> None:
    # Glyphs are drawn as paths; the words stand beside them as comments, a line each.
    text = {path.stem: path.read_text() for path in write_charts(data, tmp_path, "svg")}
    said = " ".join(line.strip(" <!->") for line in text["emissions"].splitlines() if "<!--" in line)
    for words in ("baseline: stay at frankfurt", "average", "from typical", "readings estimated 100 %", "modelled"):
        assert words in text["emissions"] or words in said, words


def test_the_same_values_give_the_same_files(tmp_path: Path, data: ChartData) -> None:
    first, second = (write_charts(data, tmp_path / name, "svg") for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_on_a_page_they_use_its_ink_and_nothing_from_elsewhere(data: ChartData) -> None:
    for chart in charts_of(data):
        element = inline_svg(chart, data)
        assert element.startswith("<svg ")
        assert element.endswith("</svg>")
        assert "currentColor" in element
        assert "://" not in element
        assert "#010203" not in element
        assert f'aria-label="{chart.title}"' in element


@pytest.mark.parametrize("until", [started, moving])
def test_a_job_that_is_not_over(tmp_path: Path, until: object) -> None:
    run = Run()
    assert callable(until)
    until(run)
    assert len(write_charts(_data(run), tmp_path, "svg")) == len(NAMES)


def test_names_are_drawn_as_they_are(tmp_path: Path, data: ChartData) -> None:
    # As mathematics this would be an error; of the last letters the font knows nothing.
    odd = replace(data, job_id="$x_{$ 東京")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_charts(odd, tmp_path, "svg")


def test_more_sites_than_colours(tmp_path: Path) -> None:
    run = Run()
    finished(run)
    more = tuple(replace(SITES[2], name=f"more-{number}") for number in range(20))
    assert len(write_charts(_data(run, (*SITES, *more)), tmp_path, "svg")) == len(NAMES)


def test_a_folder_that_cannot_be_made(tmp_path: Path, data: ChartData) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(GaError, match="cannot be written"):
        write_charts(data, tmp_path / "file", "svg")
