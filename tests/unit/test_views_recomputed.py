"""What is accounted again under other assumptions, and that it is never taken for the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support.rendering import text_of
from support.viewed_job import JOB, SITES, Run, at, finished

from gacli.core.carbon import Scope
from gacli.engine.recompute import recompute
from gacli.folders import Folders
from gacli.views.recomputed import Recomputation, assumption_words, recomputed_json, recomputed_rows
from gacli.views.report import report_tables
from gacli.views.report_data import Report, read_report, report_json
from gacli.views.report_html import report_page


def _recomputed(run: Run, folder: Path, pue: Mapping[str, float] | float) -> Recomputation:
    result = recompute(run.store, Folders(folder), JOB, pue=pue, readings=None)
    return Recomputation(result=result, pue=pue, source=None, scope=None)


def _shown(run: Run, folder: Path) -> Report:
    report = read_report(run.store, JOB, SITES, at(40))
    return replace(report, recomputed=_recomputed(run, folder, {"frankfurt": 2.5}))


def test_rows(tmp_path: Path) -> None:
    run = Run()
    finished(run)
    recomputed = _recomputed(run, tmp_path, {"frankfurt": 2.5})
    # Frankfurt's own PUE is 1.25.
    assert recomputed_rows(recomputed) == [
        ("frankfurt", "1.1 kg", "2.2 kg", "1.1 kg (100 %)"),
        ("oregon", "859 g", "859 g", "0 g (0 %)"),
        ("all sites", "1.96 kg", "3.06 kg", "1.1 kg (56.2 %)"),
    ]
    record = recomputed_json(recomputed)
    assert record["pue"] == {"frankfurt": 2.5}
    assert record["raw_percent"] == 0


def test_it_stands_beside_a_record_that_stays_as_it_is(tmp_path: Path) -> None:
    run = Run()
    finished(run)
    plain, shown = read_report(run.store, JOB, SITES, at(40)), _shown(run, tmp_path)
    assert report_json(shown) | {"recomputed": None} == report_json(plain)
    before, after = (text_of(report_tables(report, 80), 80).splitlines() for report in (plain, shown))
    assert [line for line in after if line and line in before] == [line for line in before if line]
    assert any("recomputed: PUE 2.5 at frankfurt" in line for line in after)
    assert max(map(len, after)) <= 80
    page = report_page(shown, run.store.jobs.get(JOB), None, at(40))
    assert "Recomputed under other assumptions" in page
    assert "Recomputed" not in report_page(plain, run.store.jobs.get(JOB), None, at(40))


@pytest.mark.parametrize(
    ("pue", "source", "scope", "words"),
    [
        (1.5, None, None, "PUE 1.5"),
        ({"a": 1.5, "b": 1.25}, None, None, "PUE 1.5 at a; PUE 1.25 at b"),
        (None, "typical", Scope.DIRECT, "readings from typical; direct emissions"),
        (1.1, None, Scope.LIFECYCLE, "PUE 1.1; life cycle emissions"),
    ],
)
def test_the_assumptions_in_words(
    tmp_path: Path, pue: Mapping[str, float] | float | None, source: str | None, scope: Scope | None, words: str
) -> None:
    result = recompute(Run().store, Folders(tmp_path), JOB, pue=None, readings=None)
    assert assumption_words(Recomputation(result=result, pue=pue, source=source, scope=scope)) == words
