"""`ga forecast backtest`: how far off the built-in forecast was, beside what anybody could have said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

from gacli.carbon.trace import Trace
from gacli.errors import CarbonUnavailable
from gacli.forecast.backtest import BUILT_IN, HORIZONS_H, METHODS, BacktestResult, backtest
from gacli.forecast.series import hourly
from gacli.store.database import to_text
from gacli.views import formatting as fmt

_YEAR = timedelta(days=366)
_WORDS, _NUMBER = 16, 8
_COVERAGES = ("within 50 %", "within 90 %")


@dataclass(frozen=True, kw_only=True, slots=True)
class Backtested:
    """One trace. unavailable: why it could not be tested; then there is no result."""

    zone: str
    source: str
    result: BacktestResult | None
    unavailable: str


def each_tested(traces: Iterable[Trace], test_from: datetime | None) -> Iterator[Backtested]:
    """Each trace as soon as it is tested, which takes seconds.

    test_from: the first day that is forecast from; None for the second half of the trace, its last year at most.
    """
    for trace in traces:
        result, unavailable = None, ""
        try:
            result = _test(trace, test_from)
        except CarbonUnavailable as error:
            unavailable = error.message
        yield Backtested(zone=trace.zone, source=trace.name, result=result, unavailable=unavailable)


def _test(trace: Trace, test_from: datetime | None) -> BacktestResult:
    hours = hourly(trace.readings, now=trace.end, reach=trace.end - trace.start)
    if hours is None:
        raise CarbonUnavailable("it has no measured or estimated values")
    first = test_from or trace.end - min(_YEAR, (trace.end - trace.start) / 2)
    return backtest(hours.intensity_g_per_kwh, hours.start, test_from=first, test_to=trace.end)


def zone_header() -> str:
    """Above the lines of `zone_line`."""
    horizons = "".join(f"{f'{hours} h':>{_NUMBER}}" for hours in HORIZONS_H)
    return f"{'zone':<{_WORDS}}{horizons}{'in 90 %':>{_NUMBER}}{'days':>{_NUMBER}}"


def zone_line(tested: Backtested) -> str:
    """The built-in model's mean errors in percent at each horizon, its coverage over all hours, days forecast from."""
    result = tested.result
    if result is None:
        return f"{tested.zone}: {fmt.plain(tested.unavailable)}"
    coverage = f"{result.coverage90_percent[-1]:>{_NUMBER}.1f}"
    return f"{tested.zone:<{_WORDS}}{_numbers(result.mape_percent[BUILT_IN])}{coverage}{result.origins:>{_NUMBER}}"


def summary_lines(tested: Sequence[Backtested]) -> list[str]:
    """Means over the zones, of every method and of the intervals, at each horizon."""
    results = [one.result for one in tested if one.result is not None]
    if not results:
        return []
    first, last = min(result.first for result in results), max(result.last for result in results)
    several = len(results) > 1
    whose = f"mean of {len(results)} zones" if several else next(one.zone for one in tested if one.result)
    most = fmt.plural(max(result.origins for result in results), "day")
    days = f"{most} from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    header = "".join(f"{f'{hours} h':>{_NUMBER}}" for hours in HORIZONS_H)
    means = summary(results)
    return [
        *([""] if several else []),
        f"{whose}: a forecast at 00 UTC on {days}",
        f"{'error, %':<{_WORDS}}{header}",
        *(f"{method:<{_WORDS}}{_numbers(means[method])}" for method in METHODS),
        *(f"{name:<{_WORDS}}{_numbers(means[name])}" for name in _COVERAGES),
    ]


def summary(results: Sequence[BacktestResult]) -> Mapping[str, tuple[float, ...]]:
    """Method, or interval → means over the zones at each horizon, in percent; NaN where no zone has a value."""
    tables = {method: [result.mape_percent[method] for result in results] for method in METHODS}
    within50, within90 = _COVERAGES
    tables[within50] = [result.coverage50_percent for result in results]
    tables[within90] = [result.coverage90_percent for result in results]
    return {name: tuple(map(_mean, zip(*rows, strict=True))) for name, rows in tables.items()}


def backtest_json(tested: Sequence[Backtested]) -> dict[str, object]:
    """Lists are by horizon; `mean` is over the zones that could be tested."""
    results = [one.result for one in tested if one.result is not None]
    within50, within90 = _COVERAGES
    means = dict(summary(results)) if results else {}
    return {
        "horizons_h": HORIZONS_H,
        "zones": [_zone_json(one) for one in tested],
        "mean": {
            "mape_percent": {method: means[method] for method in METHODS},
            "coverage50_percent": means[within50],
            "coverage90_percent": means[within90],
        }
        if results
        else None,
    }


def _zone_json(tested: Backtested) -> dict[str, object]:
    result = tested.result
    if result is None:
        return {"zone": tested.zone, "source": tested.source, "unavailable": tested.unavailable}
    return {
        "zone": tested.zone,
        "source": tested.source,
        "days": result.origins,
        "first": to_text(result.first),
        "last": to_text(result.last),
        "mape_percent": dict(result.mape_percent),
        "coverage50_percent": result.coverage50_percent,
        "coverage90_percent": result.coverage90_percent,
    }


def _numbers(values: Iterable[float]) -> str:
    return "".join(f"{fmt.UNKNOWN if math.isnan(value) else f'{value:.1f}':>{_NUMBER}}" for value in values)


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan
