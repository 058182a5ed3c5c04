"""The page of a report: what it says, and that it needs nothing beside it. How it looks: test_report_browser.py."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from support.viewed_job import JOB, SITES, Run, at, finished, started
from typing_extensions import override

from gacli.views.report_data import read_report
from gacli.views.report_html import report_page


class _Read(HTMLParser):
    """Words and tags; fails on a tag that is closed out of turn."""

    _VOID = ("meta", "br", "link", "img")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self._VOID:
            self._open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.words += data if "style" not in self._open else ""


def _page(run: Run) -> str:
    report = read_report(run.store, JOB, SITES, at(40))
    return report_page(report, run.store.jobs.get(JOB), None, at(40))


def test_the_saving_comes_with_all_that_it_rests_on() -> None:
    run = Run()
    finished(run)
    words = _Read(_page(run)).words
    assert "Staying at frankfurt would have emitted 3.89 kg: 1.93 kg saved (49.6 %)" in words
    assert "Baseline: stay, the same work at frankfurt" in words
    assert (
        "average intensity (life cycle) from typical; readings estimated 100 % (typical days); energy modelled" in words
    )
    # 04:12, but for what floating point leaves of it.
    assert re.search(r"2024-06-03 00:00 UTC to 2024-06-04 04:1[12] UTC, replay ×900", words)


def test_its_tables() -> None:
    run = Run()
    finished(run)
    run.event(at(9), "warning", about="steps", message="40 steps are trained again\n\x1b[31mreally")
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", _page(run).partition("</style>")[2]))
    for row in (
        "oregon US-NW-PACW train 18.8 h 5.45 kWh 0 %",
        "all sites all phases",
        "best-site all at the best single site, known afterwards oregon 1.18 kg −777 g (−65.6 %)",
        "71.3 % of what could have been saved against staying was saved",
        "Network: 24.8 mg to 1.49 g, likely 0.17 g",
        "Embodied emissions: not stated: no hardware is configured for frankfurt, oregon.",
        "step 2.41 Wh 0.49 g – 0.49 g",
        "2024-06-03 08:00 UTC move frankfurt oregon 36 min 40 MB finished",
        "2 oregon 2024-06-03 09:00 UTC 19 h 1,200 – 4,000 40 complete",
        "And 7 decisions to stay.",
        "warning 40 steps are trained again | really",
    ):
        assert row in words, row


def test_it_needs_nothing_beside_it() -> None:
    run = Run()
    finished(run)
    page = _page(run)
    assert "://" not in page
    assert "\x1b" not in page
    assert not {"script", "link", "img", "iframe"} & set(_Read(page).tags)
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    "hostile", ["<b>bold</b>", "</td></table><script>x</script>", '"><svg onload=x>', "$title ${body}"]
)
def test_words_of_others_stay_words(hostile: str) -> None:
    run = Run()
    started(run)
    run.event(at(9), "error", about="x", message=hostile)
    read = _Read(_page(run))
    assert hostile in read.words
    assert not {"b", "script", "svg"} & set(read.tags)


def test_a_job_that_has_done_nothing() -> None:
    words = _Read(_page(Run())).words
    assert "nothing to compare with before the first step" in words
    assert "No energy has been used yet" in words
    for heading in ("Placements", "Generations", "Sites and phases", "Warnings"):
        assert heading not in words
