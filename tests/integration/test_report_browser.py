"""The page of `ga report --html`, opened in a browser: what is seen, and that nothing is asked of any network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import NAMES, Page, chromium, opened
from support.viewed_job import JOB, SITES, Run, at, finished

from gacli.engine.accounted import read_accounted
from gacli.views.charts.data import read_chart_data
from gacli.views.report_data import read_report
from gacli.views.report_html import report_page

pytestmark = pytest.mark.skipif(chromium() is None, reason=f"no browser found, looked for: {', '.join(NAMES)}")

HOSTILE = "<script>document.title = 'taken'</script><img src=http://127.0.0.1:9/x> $title & \"quotes\""
# Each chart's box, and how much of it is drawn.
CHARTS = """[...document.querySelectorAll('figure svg')].map(svg => {
  const box = svg.getBoundingClientRect();
  const paths = [...svg.querySelectorAll('path, use')].map(one => one.getBoundingClientRect());
  return {name: svg.closest('figure').id, width: box.width, height: box.height,
          drawn: paths.filter(one => one.width + one.height > 0).length,
          words: [...svg.querySelectorAll('text')].map(one => one.textContent)};
})"""
# Words that lie upon each other, or leave their chart.
CLASHES = """[...document.querySelectorAll('figure svg')].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map(one => [one.textContent, one.getBoundingClientRect()]);
  const found = texts.filter(([_, a]) => a.left < frame.left - 1 || a.right > frame.right + 1
                                      || a.top < frame.top - 1 || a.bottom > frame.bottom + 1).map(([t, _]) => [t]);
  texts.forEach(([t, a], i) => texts.slice(i + 1).forEach(([u, b]) => {
    if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3) found.push([t, u]);
  }));
  return found;
})"""
COLOURS = """['body', 'h1', 'td', 'figcaption', '.saving', 'svg text'].map(name => {
  const style = getComputedStyle(document.querySelector(name));
  return [name, name == 'svg text' ? style.fill : style.color, getComputedStyle(document.body).backgroundColor];
})"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("browser")
    path = folder / "report.html"
    path.write_text(_html(), encoding="utf-8")
    with opened(path.as_uri(), folder / "profile") as page:
        yield page


def _html() -> str:
    run = Run()
    finished(run)
    run.event(at(9), "warning", about="steps", message=HOSTILE)
    report = read_report(run.store, JOB, SITES, at(40))
    accounted = read_accounted(run.store, JOB)
    charts = read_chart_data(run.store, report, SITES, accounted)
    assert charts is not None
    return report_page(report, run.store.jobs.get(JOB), charts, at(40))


def test_every_chart_is_drawn(page: Page) -> None:
    charts: list[dict[str, Any]] = page.evaluate(CHARTS)
    assert [chart["name"] for chart in charts] == [
        "chart-timeline", "chart-emissions", "chart-power", "chart-phases", "chart-decisions",
    ]  # fmt: skip
    for chart in charts:
        assert chart["width"] > 600, chart
        assert chart["height"] > 100, chart
        assert chart["drawn"] > 10, chart
    assert "stay at frankfurt: 3.89 kg" in charts[1]["words"]


@pytest.mark.parametrize("width", [1280, 400])
def test_no_words_lie_upon_each_other(page: Page, width: int) -> None:
    page.width(width)
    assert page.evaluate(CLASHES) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_can_be_read(page: Page, dark: bool, tmp_path: Path) -> None:
    page.dark(dark)
    for name, ink, paper in page.evaluate(COLOURS):
        assert _contrast(ink, paper) > 4.5, (name, ink, paper)
        assert (_luminance(paper) < 0.2) is dark
    page.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 50_000


def test_nothing_leaves_the_file_and_nothing_is_complained_of(page: Page) -> None:
    assert [request.partition(":")[0] for request in page.requests] == ["file"]
    assert page.complaints == []


def test_words_of_others_stay_words(page: Page) -> None:
    assert page.evaluate("document.title") == "digits-1: energy and emissions"
    assert page.evaluate("document.querySelectorAll('script, img, link, iframe').length") == 0
    assert HOSTILE in page.evaluate("document.body.innerText").replace("\xa0", " ")


def test_no_id_is_there_twice(page: Page) -> None:
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    used = page.evaluate("[...document.querySelectorAll('use')].map(one => one.getAttribute('href').slice(1))")
    assert set(used) <= set(ids)


def _contrast(ink: str, paper: str) -> float:
    """Of two colours as a browser tells them, 1..21 (WCAG 2)."""
    high, low = sorted((_luminance(ink), _luminance(paper)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [float(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
