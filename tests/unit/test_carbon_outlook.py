"""Whose forecast is given for a zone, how far it reaches, and what its intervals are."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.grids import HOUR, NOW, THIS_HOUR, Forecasting, Hourly, chain

from gacli.carbon.chain import Chain
from gacli.carbon.outlook import MAX_HORIZON_S, outlook
from gacli.carbon.static import StaticSource
from gacli.carbon.typical import TypicalSource
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Quality, Scope, Signal
from gacli.core.forecast import Forecast
from gacli.errors import CarbonUnavailable
from gacli.forecast import builtin

DAY_S = 86400.0


def assert_sound(found: Forecast, horizon_s: float) -> None:
    for point in found.points:
        bounds = (
            point.low90_g_per_kwh,
            point.low50_g_per_kwh,
            point.intensity_g_per_kwh,
            point.high50_g_per_kwh,
            point.high90_g_per_kwh,
        )
        assert [*bounds] == sorted(bounds)
        assert bounds[0] >= 0
        assert bounds[-1] <= MAX_INTENSITY_G_PER_KWH
    assert all(later.at - point.at == HOUR for point, later in pairwise(found.points))
    assert found.points[0].at in (THIS_HOUR, THIS_HOUR + HOUR)
    assert found.end >= NOW + timedelta(seconds=horizon_s)
    assert (found.issued_at, found.step_s) == (NOW, 3600.0)


@pytest.mark.parametrize("live", [True, False])
def test_without_a_forecast_of_its_own_the_model_is_asked(live: bool) -> None:
    source = Hourly(live=live)
    found = outlook(chain(source), "DE", NOW, DAY_S)
    assert_sound(found, DAY_S)
    assert found.source == "built-in model on service"
    # The reading of this hour is known; the wave goes on.
    assert found.points[0].at == THIS_HOUR + HOUR
    for point in found.points:
        assert point.intensity_g_per_kwh == pytest.approx(source.reading("DE", point.at).intensity_g_per_kwh, rel=0.05)


@pytest.mark.parametrize(("reach_days", "used_days"), [(1000, 90), (30, 28), (8, 7), (1.5, 1)])
def test_a_service_is_asked_for_less_when_it_refuses_so_much(reach_days: float, used_days: int) -> None:
    source = Hourly(reach_days=reach_days)
    assert_sound(outlook(chain(source), "DE", NOW, DAY_S), DAY_S)
    assert source.spans_asked[-1] == timedelta(days=used_days)


def test_a_file_is_asked_once_for_all_that_counts() -> None:
    source = Hourly(live=False)
    outlook(chain(source), "DE", NOW, DAY_S)
    assert [span.days for span in source.spans_asked] == [1, 400]


@pytest.mark.parametrize("parts", [1, 2, 12])
def test_a_forecast_of_its_own_is_believed_and_the_model_gives_the_widths(parts: int) -> None:
    source = Forecasting(parts=parts)
    found = outlook(chain(source), "DE", NOW, DAY_S)
    assert_sound(found, DAY_S)
    assert found.source == "oracle, with the intervals of the built-in model on oracle"
    model = builtin.forecast(source.readings("DE", NOW - timedelta(days=90), NOW), NOW, DAY_S)
    for point in found.points[1:]:
        assert point.intensity_g_per_kwh == pytest.approx(1.5 * source.reading("DE", point.at).intensity_g_per_kwh)
        beside = model.point_at(point.at)
        assert beside is not None
        relative = point.high90_g_per_kwh / point.intensity_g_per_kwh
        assert relative == pytest.approx(beside.high90_g_per_kwh / beside.intensity_g_per_kwh, rel=0.05)


def test_beyond_its_reach_the_model_goes_on() -> None:
    source = Forecasting(ahead_h=48)
    found = outlook(chain(source), "DE", NOW, MAX_HORIZON_S)
    assert_sound(found, MAX_HORIZON_S)
    assert found.source == ("oracle until 2024-06-07 14:00 UTC, then, and for all intervals, built-in model on oracle")
    until = THIS_HOUR + 48 * HOUR
    for point in found.points:
        level = point.intensity_g_per_kwh / source.reading("DE", point.at).intensity_g_per_kwh
        assert level == pytest.approx(1.5 if point.at < until else 1.0, rel=0.1)


def test_a_service_whose_forecast_is_not_in_the_plan() -> None:
    source = Forecasting()
    source.has_forecast = False
    assert outlook(chain(source), "DE", NOW, DAY_S).source == "built-in model on oracle"


def test_a_forecast_without_a_past_has_wide_intervals() -> None:
    source = Forecasting()
    # Marginal values have no typical days, and one reading is no past.
    source.signal = Signal.MARGINAL
    source.readings = lambda zone, start, end: [source.reading(zone, THIS_HOUR)]  # type: ignore[method-assign]
    found = outlook(chain(source), "DE", NOW, DAY_S)
    assert_sound(found, DAY_S)
    assert found.source == "oracle, with the intervals of typical days"
    point = found.points[5]
    assert point.low90_g_per_kwh <= 0.5 * point.intensity_g_per_kwh
    source.has_forecast = False
    with pytest.raises(CarbonUnavailable, match="24 hours"):
        outlook(chain(source), "DE", NOW, DAY_S)


@pytest.mark.parametrize(
    ("source", "quality"), [(TypicalSource(), Quality.TYPICAL), (StaticSource(), Quality.STATIC)], ids=lambda one: ""
)
def test_tables_are_their_own_forecast(source: TypicalSource | StaticSource, quality: Quality) -> None:
    found = outlook(chain(source), "DE", NOW, MAX_HORIZON_S)
    assert_sound(found, MAX_HORIZON_S)
    assert found.source == source.name
    for point in found.points:
        (reading, *_) = source.readings("DE", point.at, point.at)
        assert reading.quality is quality
        assert reading.intensity_g_per_kwh == pytest.approx(point.intensity_g_per_kwh)
        assert point.low90_g_per_kwh <= 0.5 * point.intensity_g_per_kwh
        assert point.high90_g_per_kwh >= 1.4 * point.intensity_g_per_kwh


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (TypicalSource(), "typical (typical stands in for service)"),
        (Hourly("other"), "built-in model on other (other stands in for service)"),
    ],
    ids=["table", "service"],
)
def test_what_only_stands_in_is_named(second: TypicalSource | Hourly, expected: str) -> None:
    first = Hourly()
    first.broken = "service: HTTP 500"
    assert outlook(chain(first, second), "DE", NOW, DAY_S).source == expected


def test_nothing_sound() -> None:
    first = Hourly()
    first.broken = "service: HTTP 500"
    with pytest.raises(CarbonUnavailable, match="HTTP 500"):
        outlook(chain(first), "DE", NOW, DAY_S)


@pytest.mark.parametrize("horizon_s", [0.0, MAX_HORIZON_S + 1])
def test_horizons_that_cannot_be(horizon_s: float) -> None:
    with pytest.raises(ValueError, match="horizon"):
        outlook(chain(Hourly()), "DE", NOW, horizon_s)


@settings(max_examples=20)
@given(
    horizon_s=st.floats(1, MAX_HORIZON_S),
    ahead_h=st.integers(1, 96),
    parts=st.sampled_from([1, 2, 4, 12]),
    late_h=st.integers(0, 2),
)
def test_every_horizon_is_covered_without_a_hole(horizon_s: float, ahead_h: int, parts: int, late_h: int) -> None:
    source = Forecasting(ahead_h=ahead_h, parts=parts)
    source.late_h = late_h
    assert_sound(outlook(chain(source), "DE", NOW, horizon_s), horizon_s)


def test_the_kind_is_that_of_the_source() -> None:
    source = Hourly(signal=Signal.MARGINAL, scope=Scope.DIRECT)
    found = outlook(Chain([source], rules=chain(source).rules), "FR", NOW, DAY_S)
    assert (found.zone, found.signal, found.scope) == ("FR", Signal.MARGINAL, Scope.DIRECT)
