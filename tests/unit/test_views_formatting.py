"""Quantities for people: tests/data/views/formatting.yaml, and what must hold for every number."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gacli.views import formatting

CASES = yaml.safe_load((Path(__file__).parent.parent / "data" / "views" / "formatting.yaml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        pytest.param(function, value, text, id=f"{function}-{value!r}")
        for function, rows in CASES.items()
        for value, text in rows
    ],
)
def test_formatting(function: str, value: Any, text: str) -> None:
    assert getattr(formatting, function)(value) == text


@given(st.floats(min_value=1e-3, max_value=1e11))
def test_a_mass_reads_back_within_a_twentieth(mass_g: float) -> None:
    number, unit = formatting.mass(mass_g).split(" ")
    factor = {"mg": 1e-3, "g": 1.0, "kg": 1e3, "t": 1e6}[unit]
    assert float(number.replace(",", "")) * factor == pytest.approx(mass_g, rel=0.05)


@given(st.floats(min_value=10, max_value=1e9))
def test_a_duration_reads_back_within_a_twentieth(span_s: float) -> None:
    number, unit = formatting.duration(span_s).split(" ")
    seconds = {"s": 1.0, "min": 60.0, "h": 3600.0, "days": 86_400.0}[unit]
    assert float(number) * seconds == pytest.approx(span_s, rel=0.05)


@given(st.text())
def test_plain_text_is_one_line_without_control_codes(text: str) -> None:
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", formatting.plain(text))


@pytest.mark.parametrize(
    ("largest_g", "cell_g", "text"),
    [
        (820, 316.04, "316.0"),
        (820, 0.02, "<0.1"),
        (820, 0, "0.0"),
        (1000, 316.04, "0.32"),
        (1000, 4, "<0.01"),
        (1000, -4, "−<0.01"),
        (2.5e6, 1_234_567, "1.23"),
        (5e9, 4_321e6, "4,321.00"),
    ],
)
def test_cells_of_a_table_share_a_unit(largest_g: float, cell_g: float, text: str) -> None:
    assert formatting.mass_unit(largest_g).cell(cell_g) == text


def test_a_short_time_has_its_day_only_when_it_is_another() -> None:
    now = datetime(2024, 6, 3, 14, 5, tzinfo=UTC)
    assert formatting.clock(now) == "2024-06-03 14:05 UTC"
    assert formatting.short_clock(now, now) == "14:05"
    assert formatting.short_clock(datetime(2024, 6, 2, 23, 59, tzinfo=UTC), now) == "06-02 23:59"


@pytest.mark.parametrize(
    ("step", "total", "text"), [(None, None, "–"), (1240, None, "1,240"), (1240, 4000, "1,240 of 4,000")]
)
def test_steps(step: int | None, total: int | None, text: str) -> None:
    assert formatting.steps(step, total) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 moves"), (1, "1 move"), (1200, "1,200 moves")])
def test_plural(number: int, text: str) -> None:
    assert formatting.plural(number, "move") == text
