"""From readings to energy: nothing negative, nothing twice, nothing lost, whatever is read and taken when."""

from __future__ import annotations

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_playbooks.agent.tally import COUNTER, INTEGRATED, MODEL, Reading, Tally

STALE_S = 30.0
WATTS = st.floats(0, 1000)
SPANS = st.floats(0.001, 60)
EACH = st.tuples(
    SPANS, st.none() | st.floats(0, 1e6), st.none() | WATTS, st.lists(st.floats(0, 1, exclude_min=True), max_size=3)
)


def taken(tally: Tally, now_s: float) -> tuple[object, str]:
    return tally.take(now_s)


def reading(at_s: float, counter_j: float | None = None, power_w: float | None = None) -> Reading:
    return Reading(at_s, counter_j, power_w, None)


@pytest.mark.parametrize(
    ("readings", "energy_j", "uncertainty"),
    [
        ([(0, 500.0, 100.0), (2, 750.0, 900.0)], 250.0, COUNTER),
        ([(0, 500.0, None), (2, 750.0, None)], 250.0, COUNTER),
        ([(0, None, 100.0), (2, None, 200.0)], 300.0, INTEGRATED),
        ([(0, 500.0, 100.0), (2, 3.0, 200.0)], 300.0, INTEGRATED),
        ([(0, 500.0, 100.0), (2, 3.0, 200.0), (3, 103.0, 100.0)], 400.0, INTEGRATED),
        ([(0, 500.0, None), (2, 700.0, None), (4, 3.0, None)], 400.0, MODEL),
        ([(0, 500.0, 100.0), (2, None, 100.0), (3, 999.0, 100.0), (4, 1099.0, 0.0)], 400.0, INTEGRATED),
        ([(0, 500.0, 100.0), (2, None, None), (9, 900.0, 50.0)], 400.0, COUNTER),
        ([(0, None, 100.0), (2, None, None), (4, None, 100.0)], 400.0, INTEGRATED),
        ([(0, None, 100.0), (100, None, 100.0)], 10_000.0, MODEL),
        ([(0, 0.0, 100.0), (100, 9000.0, 100.0)], 9000.0, COUNTER),
    ],
    ids=[
        "the counter counts, whatever the power is",
        "a counter alone",
        "power is integrated by trapezoids",
        "a counter that was set back is stood in for by power",
        "and counts again from there",
        "or by the power before where none is told",
        "a counter that was away begins anew",
        "a silence that the counter bridges",
        "a short silence without a counter",
        "a long silence without a counter",
        "a long silence that the counter bridges",
    ],
)
def test_what_readings_say(
    readings: list[tuple[float, float | None, float | None]], energy_j: float, uncertainty: str
) -> None:
    tally = Tally(STALE_S)
    for at_s, counter_j, power_w in readings:
        tally.read(reading(at_s, counter_j, power_w))
    assert taken(tally, readings[-1][0]) == (pytest.approx(energy_j), uncertainty)
    assert tally.take(readings[-1][0])[0] == 0.0


def test_the_least_sure_of_a_samples_readings_names_it() -> None:
    tally = Tally(STALE_S)
    tally.read(reading(0, 500.0, 100.0))
    tally.take(0)
    tally.read(reading(1, 3.0, 100.0))
    tally.read(reading(2, 103.0, 100.0))
    assert taken(tally, 2) == (pytest.approx(200.0), INTEGRATED)
    tally.read(reading(3, 203.0, 100.0))
    assert taken(tally, 3) == (pytest.approx(100.0), COUNTER)


def test_between_readings_the_last_power_holds_and_the_next_reading_puts_it_right() -> None:
    tally = Tally(STALE_S)
    tally.read(reading(0, 0.0, 700.0))
    assert taken(tally, 2) == (pytest.approx(1400.0), COUNTER)
    tally.read(reading(3, 1000.0, 100.0))  # 400 J too many were handed out
    assert taken(tally, 5) == (0.0, COUNTER)
    assert taken(tally, 9) == (pytest.approx(1000.0 + 6 * 100.0 - 1400.0), COUNTER)


def test_a_device_that_fell_silent_is_modelled_at_once_and_a_late_one_when_it_is_stale() -> None:
    tally = Tally(STALE_S)
    tally.read(reading(0, None, 200.0))
    assert taken(tally, 10) == (pytest.approx(2000.0), INTEGRATED)
    assert taken(tally, 31) == (pytest.approx(4200.0), MODEL)
    tally.read(reading(32, None, 200.0))
    tally.take(32)
    assert not tally.read(reading(33))
    assert taken(tally, 34) == (pytest.approx(400.0), MODEL)


@given(st.lists(EACH, max_size=20), st.floats(0, 100))
def test_whatever_is_read_no_energy_is_negative_and_all_that_is_read_is_handed_out(
    each: list[tuple[float, float | None, float | None, list[float]]], after_s: float
) -> None:
    """Counters here are any numbers: half of them are set back."""
    tally, now_s, energies_j = Tally(STALE_S), 0.0, [0.0]
    for span_s, counter_j, power_w, takes in each:
        energies_j += [tally.take(now_s + share * span_s)[0] for share in sorted(takes)]
        now_s += span_s
        tally.read(reading(now_s, counter_j, power_w))
    energies_j.append(tally.take(now_s + after_s)[0])
    assert min(energies_j) >= 0
    assert sum(energies_j) >= tally.known_j * (1 - 1e-9)
    assert math.isclose(sum(energies_j), tally.handed_j, rel_tol=1e-9, abs_tol=1e-6)


@given(
    st.lists(st.tuples(SPANS, WATTS), min_size=1, max_size=10), st.lists(st.floats(0, 1), max_size=20), st.booleans()
)
def test_taking_oftener_changes_nothing(
    stretches: list[tuple[float, float]], cuts: list[float], has_counter: bool
) -> None:
    """Each stretch is drawn at one power; readings come at its ends. Once all is read, only that counts."""
    ends_s = list(accumulate(span_s for span_s, _ in stretches))
    # A last, long one pays back what was handed out too early.
    stretches, ends_s = [*stretches, (1e5, 1000.0)], [*ends_s, ends_s[-1] + 1e5]
    counters_j = list(accumulate(span_s * power_w for span_s, power_w in stretches))
    totals = []
    for instants in ([], [share * ends_s[-2] for share in cuts]):
        tally, total_j, pending = Tally(STALE_S), 0.0, sorted(instants)
        tally.read(reading(0.0, 0.0 if has_counter else None, stretches[0][1]))
        for end_s, counter_j, (_, power_w) in zip(ends_s, counters_j, stretches, strict=True):
            while pending and pending[0] < end_s:
                total_j += tally.take(pending.pop(0))[0]
            tally.read(reading(end_s, counter_j if has_counter else None, power_w))
        totals.append(total_j + tally.take(ends_s[-1])[0])
    assert totals[0] == pytest.approx(totals[1])
    if has_counter:
        assert totals[0] == pytest.approx(counters_j[-1])
