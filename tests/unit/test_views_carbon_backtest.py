"""`ga forecast backtest`: which days are tested, and what is told of them."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta

import pytest
from support.synthetic_grid import HOUR, START, intensities, readings
from syrupy.assertion import SnapshotAssertion

from gacli.carbon.trace import Trace
from gacli.core.carbon import Quality, Scope, Signal
from gacli.forecast.backtest import METHODS, BacktestResult
from gacli.views.carbon_backtest import (
    Backtested,
    backtest_json,
    each_tested,
    summary_lines,
    zone_header,
    zone_line,
)
from gacli.views.stream import to_line


def trace(days: int, *, zone: str = "DE", quality: Quality = Quality.MEASURED) -> Trace:
    return Trace(
        name=f"{zone}.csv",
        zone=zone,
        layout="ga",
        signal=Signal.AVERAGE,
        scope=Scope.LIFECYCLE,
        step_s=3600.0,
        readings=tuple(readings(intensities(24 * days), quality=quality)),
        filled=0,
        file_estimated=0,
    )


def all_of(*traces: Trace, test_from: datetime | None = None) -> list[Backtested]:
    return [*each_tested(traces, test_from)]


@pytest.mark.parametrize(
    ("days", "test_from", "origins", "first"),
    [
        pytest.param(60, None, 27, START + 30 * 24 * HOUR, id="the second half"),
        pytest.param(60, START + 50 * 24 * HOUR, 7, START + 50 * 24 * HOUR, id="from a day on"),
        pytest.param(60, START, 43, START + 14 * 24 * HOUR, id="as soon as there is a past"),
    ],
)
def test_which_days(days: int, test_from: datetime | None, origins: int, first: datetime) -> None:
    (one,) = all_of(trace(days), test_from=test_from)
    assert one.result is not None
    assert (one.result.origins, one.result.first) == (origins, first)
    assert one.result.last == START + timedelta(days=days - 4)


def test_of_a_long_trace_the_last_year() -> None:
    (one,) = all_of(trace(800), test_from=None)
    assert one.result is not None
    assert one.result.first == START + timedelta(days=800 - 366)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (trace(5), "no back-test"),
        (trace(60, quality=Quality.FORECAST), "no measured or estimated values"),
    ],
)
def test_one_trace_that_cannot_be_tested_hides_no_other(bad: Trace, why: str) -> None:
    first, second = all_of(bad, trace(40))
    assert first.result is None
    assert why in first.unavailable
    assert why in zone_line(first)
    assert second.result is not None
    assert summary_lines([first, second])[0].startswith("DE: a forecast at 00 UTC on ")
    assert summary_lines([first]) == []
    record = json.loads(to_line(backtest_json([first, second])))
    assert set(record["zones"][0]) == {"zone", "source", "unavailable"}
    assert record["mean"]["mape_percent"] == record["zones"][1]["mape_percent"]
    assert backtest_json([first])["mean"] is None


def test_how_it_looks(snapshot: SnapshotAssertion) -> None:
    both = [result("DE", 1.0, 363), result("US-CENT-SWPP", 2.04, 30), UNTESTED]
    lines = [zone_header(), *map(zone_line, both), *summary_lines(both)]
    assert max(map(len, lines)) <= 80
    assert "\n".join(lines) == snapshot


def result(zone: str, factor: float, origins: int) -> Backtested:
    """factor: of all errors. At the longest horizon nothing is known."""
    errors = {method: tuple(factor * (n + 1) * (h + 1) for h in range(4)) for n, method in enumerate(METHODS)}
    found = BacktestResult(
        origins=origins,
        first=START,
        last=START + timedelta(days=origins - 1),
        mape_percent={method: (*values, math.nan) for method, values in errors.items()},
        coverage50_percent=(50.0, 51.0, 49.0, 48.0, 47.0),
        coverage90_percent=(90.0, 91.0, 89.0, 88.0, 87.0),
    )
    return Backtested(zone=zone, source=f"{zone}.csv", result=found, unavailable="")


UNTESTED = Backtested(zone="XX", source="XX.csv", result=None, unavailable="no back-test from then\nto now")


def test_means_are_over_zones() -> None:
    both = all_of(trace(60), trace(40))
    record = json.loads(to_line(backtest_json(both)))
    assert record["horizons_h"] == [1, 6, 24, 48, 96]
    for index in range(5):
        of_zones = [zone["mape_percent"]["built-in"][index] for zone in record["zones"]]
        assert record["mean"]["mape_percent"]["built-in"][index] == pytest.approx(sum(of_zones) / 2)
        covered = [zone["coverage90_percent"][index] for zone in record["zones"]]
        assert record["mean"]["coverage90_percent"][index] == pytest.approx(sum(covered) / 2)
