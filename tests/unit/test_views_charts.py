"""What charts show, before anything is drawn."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.viewed_job import JOB, SITES, Run, at, finished, moving, started

from gacli.core.energy import Phase
from gacli.core.site import Site
from gacli.engine.accounted import read_accounted
from gacli.errors import ConfigError
from gacli.views.charts.catalogue import charts_of, require_matplotlib
from gacli.views.charts.data import ChartData, cumulative, levels, read_chart_data
from gacli.views.charts.style import OTHERS, site_colours
from gacli.views.report_data import read_report

HOURS = st.integers(min_value=0, max_value=50)
PERIODS = st.lists(
    st.tuples(HOURS, HOURS, st.floats(min_value=0, max_value=1e4)).map(
        lambda one: (at(min(one[:2])), at(max(one[:2])), one[2])
    ),
    max_size=12,
)


def _data(run: Run) -> ChartData | None:
    report = read_report(run.store, JOB, SITES, at(40))
    accounted = read_accounted(run.store, JOB)
    return read_chart_data(run.store, report, SITES, accounted)


def _known(run: Run) -> ChartData:
    data = _data(run)
    assert data is not None
    return data


@given(PERIODS)
def test_levels_keep_what_is_under_them(periods: list[tuple[datetime, datetime, float]]) -> None:
    summed = levels(periods)
    under = sum((end - start).total_seconds() * value for start, end, value in periods)
    assert sum((one.end - one.start).total_seconds() * one.value for one in summed) == pytest.approx(under, abs=1e-3)
    for before, after in pairwise(summed):
        assert before.start < before.end <= after.start


def test_levels_add_up_where_periods_overlap_and_are_absent_where_none_is() -> None:
    summed = levels([(at(0), at(2), 10.0), (at(1), at(3), 5.0), (at(4), at(5), 7.0), (at(9), at(9), 1.0)])
    assert [(one.start, one.end, one.value) for one in summed] == [
        (at(0), at(1), 10.0), (at(1), at(2), 15.0), (at(2), at(3), 5.0), (at(4), at(5), 7.0),
    ]  # fmt: skip


def test_curves_end_at_what_the_report_states() -> None:
    run = Run()
    finished(run)
    data = _known(run)
    report = read_report(run.store, JOB, SITES, at(40))
    account = report.emissions.account
    baseline, best = data.baselines
    assert data.actual.end == at(28)
    assert data.actual.total_g == pytest.approx(account.emissions_g)
    assert account.baseline is not None
    assert baseline.label == "stay at frankfurt"
    assert baseline.end == account.baseline.end
    assert baseline.total_g == pytest.approx(account.baseline.emissions_g)
    assert best.label == "best-site at oregon"
    assert best.total_g == pytest.approx(report.baselines.savings[1].baseline.emissions_g)
    for points in (data.actual.points, baseline.points, best.points):
        assert points[0] == (at(0), 0.0)
        assert list(points) == sorted(points)


def test_one_line_stands_for_two_baselines_that_are_the_same() -> None:
    run = Run()
    finished(run)
    report = read_report(run.store, JOB, SITES[:1], at(40))
    data = read_chart_data(run.store, report, SITES[:1], read_accounted(run.store, JOB))
    assert data is not None
    assert [curve.label for curve in data.baselines] == ["stay at frankfurt"]


def test_energy_at_one_instant_is_a_jump() -> None:
    run = Run()
    started(run)
    entries = _known(run).entries
    before, last = cumulative(entries), entries[-1]
    instant = replace(last, energy=replace(last.energy, start=at(8), end=at(8), energy_j=3.6e6), emissions_g=100.0)
    points = cumulative([*entries, instant])
    assert points[-2] == (at(8), before[-1][1])
    assert points[-1] == (at(8), before[-1][1] + 100.0)


def test_what_is_known_of_a_job_that_has_moved() -> None:
    run = Run()
    finished(run)
    data = _known(run)
    assert data.used == ("frankfurt", "oregon")
    assert [site.name for site in data.sites] == ["frankfurt", "oregon", "milan"]
    assert list(data.readings) == ["DE", "US-NW-PACW", "IT-NO"]
    assert all(readings[0].at <= data.start and readings[-1].at <= data.end for readings in data.readings.values())
    assert data.moves == (at(8.6),)
    assert (data.start, data.end) == (at(0), at(28))
    assert len(data.decisions) == 9


def test_there_is_nothing_to_draw_before_the_first_energy() -> None:
    assert _data(Run()) is None


def test_there_is_no_chart_of_decisions_without_any() -> None:
    run = Run()
    instance = run.request("frankfurt", at(0))
    run.hold(instance, at(0.1))
    run.use("frankfurt", instance, Phase.BOOT, at(0), at(1), 60)
    data = _known(run)
    assert [chart.name for chart in charts_of(data)] == ["timeline", "emissions", "power", "phases"]
    assert (data.baseline, data.baselines) == (None, ())


def test_a_move_that_is_under_way_has_its_stop() -> None:
    run = Run()
    moving(run)
    assert _known(run).moves == (at(8.6),)


def test_colours_are_those_of_the_first_sites() -> None:
    more = [Site(name=f"s{n}", provider="mock", zone="FR", pue=1.1, power=SITES[0].power) for n in range(20)]
    many = [*SITES, *more]
    colours = site_colours(many)
    assert len(colours) == 23
    assert len({colours[site.name] for site in many[:8]}) == 8
    assert {colours[site.name] for site in many[8:]} == {OTHERS}


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match="--html needs Matplotlib") as caught:
        require_matplotlib("--html")
    assert "ga-cli[plot]" in caught.value.hint
