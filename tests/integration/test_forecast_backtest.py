"""The built-in forecast on real grids of different kinds, in a season that it was not fitted on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gacli.carbon.trace import read_trace
from gacli.forecast.backtest import BUILT_IN, HORIZONS_H, backtest
from gacli.forecast.series import hourly

TRACES = Path(__file__).resolve().parents[3] / "shared" / "traces" / "carbon"
DAY_AHEAD = HORIZONS_H.index(24)


@pytest.mark.skipif(not TRACES.is_dir(), reason=f"needs the real traces in {TRACES}")
@pytest.mark.parametrize(
    ("zone", "at_most_percent"),
    [("DE", 20), ("US-CAL-CISO", 15), ("JP-TK", 5), ("PL", 10)],
)
def test_real_grids(zone: str, at_most_percent: float) -> None:
    trace = read_trace(TRACES / f"{zone}.csv.gz", zone=zone)
    hours = hourly(trace.readings, now=trace.end, reach=trace.end - trace.start)
    assert hours is not None

    result = backtest(
        hours.intensity_g_per_kwh,
        hours.start,
        test_from=datetime(2024, 4, 1, tzinfo=UTC),
        test_to=datetime(2024, 6, 1, tzinfo=UTC),
    )

    of_methods = {method: errors[DAY_AHEAD] for method, errors in result.mape_percent.items()}
    assert of_methods[BUILT_IN] < of_methods["seasonal-naive"] < of_methods["persistence"]
    assert of_methods[BUILT_IN] <= at_most_percent
    assert 80 <= result.coverage90_percent[-1] <= 98
    assert 38 <= result.coverage50_percent[-1] <= 65
