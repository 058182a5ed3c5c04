"""Arrows and blocks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.viewed_job import START

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.views.trend import Trend, hourly, sparkline, trend_of


def _readings(values: Sequence[float]) -> list[Reading]:
    return [
        Reading(
            zone="DE", at=START + timedelta(hours=hour), period_s=3600, intensity_g_per_kwh=value,
            signal=Signal.AVERAGE, scope=Scope.LIFECYCLE, quality=Quality.MEASURED, source="test",
        )
        for hour, value in enumerate(values)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "trend"),
    [
        ([100, 0, 0, 100], Trend.STEADY),
        ([100, 0, 0, 105], Trend.STEADY),
        ([100, 0, 0, 106], Trend.RISING),
        ([100, 0, 0, 94], Trend.FALLING),
        ([20, 0, 0, 24], Trend.STEADY),  # a fifth more, but of nearly nothing
        ([100, 100], Trend.UNKNOWN),
        ([], Trend.UNKNOWN),
    ],
)
def test_trend_compares_with_three_hours_ago(values: Sequence[float], trend: Trend) -> None:
    assert trend_of(_readings(values), START + timedelta(hours=3 if len(values) > 2 else 1)) is trend


def test_hourly_values_end_now_and_leave_holes_before_the_first() -> None:
    assert hourly(_readings([10, 20, 30]), START + timedelta(hours=2.5), 4) == [None, 10, 20, 30]


@pytest.mark.parametrize(
    ("values", "blocks"),
    [
        ([], ""),
        ([None, None], "  "),
        ([0, 50, 100], "▁▅█"),
        ([None, 0, 100], " ▁█"),
        ([400, 401, 400], "▁▁▁"),
        ([0, 0], "▁▁"),
    ],
)
def test_sparkline(values: Sequence[float | None], blocks: str) -> None:
    assert sparkline(values) == blocks


@given(st.lists(st.none() | st.floats(min_value=0, max_value=2000), max_size=30))
def test_a_sparkline_has_one_block_a_value_and_keeps_their_order(values: list[float | None]) -> None:
    blocks = sparkline(values)
    assert len(blocks) == len(values)
    known = sorted((value, block) for value, block in zip(values, blocks, strict=True) if value is not None)
    assert [block for _, block in known] == sorted(block for _, block in known)
