"""Which source is believed, and when a better one is taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.failover import Rules, Standing, choose, fault, level_factor, levelled, without_spikes

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
RULES = Rules(max_age_s=7200.0, hold_off_s=1800.0)


def hourly(*values: float, end: datetime = NOON, source: str = "a") -> list[Reading]:
    """Readings whose last one begins at `end`."""
    return [
        Reading(
            zone="DE",
            at=end - timedelta(hours=len(values) - 1 - index),
            period_s=3600.0,
            intensity_g_per_kwh=value,
            signal=Signal.AVERAGE,
            scope=Scope.LIFECYCLE,
            quality=Quality.MEASURED,
            source=source,
        )
        for index, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("readings", "wrong"),
    [
        (hourly(300, 310), ""),
        ([], "no reading is in force"),
        (hourly(300, 310, end=NOON + timedelta(hours=3)), "no reading is in force"),
        (hourly(300, 310, end=NOON - timedelta(hours=3)), ""),
        (hourly(300, 310, end=NOON - timedelta(hours=3, seconds=1)), "ended 2.0 h ago"),
        (hourly(300, 2100), "2100 g/kWh is no carbon intensity"),
        (hourly(300, 620), "from 300 to 620 g/kWh within 1.0 h"),
        (hourly(620, 300), "from 620 to 300 g/kWh within 1.0 h"),
        (hourly(300, 549), ""),  # a large step, below 250 g/kWh
        (hourly(600, 900), ""),  # above it, below a factor of two
        (hourly(5, 20), ""),  # a large factor, a small step
        (hourly(*[300.0] * 49), ""),
        (hourly(*[300.0] * 50), "exactly 300.0 g/kWh for 49.0 h"),
        (hourly(*[300.0] * 49, 300.1), ""),
        ([replace(hourly(300)[0], quality=Quality.FORECAST)], "only a forecast"),
    ],
)
def test_what_is_not_believed(readings: list[Reading], wrong: str) -> None:
    found = fault(readings, NOON, RULES)
    assert wrong in found
    assert bool(wrong) == bool(found)


def test_marginal_intensity_may_step_as_it_likes() -> None:
    steps = [replace(reading, signal=Signal.MARGINAL) for reading in hourly(450, 0, 450)]
    assert fault(steps, NOON, RULES) == ""
    assert without_spikes(steps) == steps


def test_no_step_over_a_hole() -> None:
    before, after = hourly(300, 620)
    earlier = replace(before, at=before.at - timedelta(hours=5))
    assert fault([earlier, after], NOON, RULES) == ""


def test_what_jumped_is_not_believed_before_six_hours_have_passed() -> None:
    trusted = hourly(400)[0]
    for hours, believed in ((2, False), (6, False), (7, True)):
        readings = hourly(3, 3, 3, end=NOON + timedelta(hours=hours))
        assert (fault(readings, readings[-1].at, RULES, trusted) == "") is believed
    assert fault(hourly(390, 395), NOON, RULES, trusted) == ""


def test_single_spikes_are_left_out_and_steps_that_stay_are_not() -> None:
    assert [r.intensity_g_per_kwh for r in without_spikes(hourly(300, 20, 310, 305))] == [300, 310, 305]
    assert len(without_spikes(hourly(300, 900, 910, 905))) == 4
    assert without_spikes([]) == []


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_chain_of_events() -> None:
    standing = choose(None, {0: ""}, at(0), 1800)
    assert standing == Standing(source=0, since=at(0))
    standing = choose(standing, {0: "HTTP 500", 1: "late", 2: ""}, at(5), 1800)
    assert standing is not None
    assert (standing.source, standing.since, dict(standing.faults)) == (2, at(5), {0: "HTTP 500", 1: "late"})
    # The better ones are well again, each waits from its own time on.
    for minutes, heard in (
        (10, {0: "HTTP 500", 1: "", 2: ""}),
        (20, {0: "", 1: "", 2: ""}),
        (39, {0: "", 1: "", 2: ""}),
    ):
        standing = choose(standing, heard, at(minutes), 1800)
        assert standing is not None
        assert standing.source == 2, minutes
    standing = choose(standing, {0: "", 1: "", 2: ""}, at(40), 1800)
    assert standing is not None
    assert (standing.source, standing.since) == (1, at(40))


def test_one_that_fails_while_it_waits_begins_again() -> None:
    standing = Standing(source=1, since=at(0))
    for minutes, first in ((0, ""), (20, "late"), (25, ""), (50, "")):
        found = choose(standing, {0: first, 1: ""}, at(minutes), 1800)
        assert found is not None
        standing = found
        assert standing.source == 1, minutes
    back = choose(standing, {0: "", 1: ""}, at(55), 1800)
    assert back is not None
    assert back.source == 0


def test_nothing_waits_while_there_is_nothing_else() -> None:
    standing = Standing(source=1, since=at(0))
    found = choose(standing, {0: "", 1: "HTTP 500"}, at(1), 1800)
    assert found is not None
    assert found.source == 0
    kept = choose(standing, {0: "late", 1: "late"}, at(1), 1800)
    assert kept is not None
    assert kept.source == 1
    assert choose(None, {0: "late"}, at(0), 1800) is None


@given(
    first=st.one_of(st.none(), st.integers(0, 3)),
    polls=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), max_size=30),
)
def test_what_is_in_use_is_sound_whenever_anything_is(first: int | None, polls: list[list[bool]]) -> None:
    standing = None if first is None else Standing(source=first, since=NOON)
    for number, sound in enumerate(polls):
        heard = {position: "" if well else "broken" for position, well in enumerate(sound)}
        now = at(5 * number)
        before, standing = standing, choose(standing, heard, now, 1800)
        if standing is None:
            assert before is None
            assert not any(sound)
            continue
        assert sound[standing.source] or not any(sound)
        if before is not None and sound[before.source] and standing.source < before.source:
            # Never earlier than the hold-off, which all polls of the last half hour have seen well.
            assert all(poll[standing.source] for poll in polls[number - 6 : number + 1])


def test_level_of_another_source() -> None:
    day = [300.0 + 10 * (hour % 12) for hour in range(24)]
    factor = level_factor(hourly(*day), hourly(*(0.8 * value for value in day), source="b"), NOON)
    assert factor == pytest.approx(1.25)
    moved = levelled(hourly(240, source="b")[0], 1.25, "a")
    assert (moved.intensity_g_per_kwh, moved.source) == (300.0, "b at the level of a")


def test_no_level_without_a_common_day_or_a_common_grid() -> None:
    day = [300.0 + 10 * (hour % 12) for hour in range(24)]
    assert level_factor(hourly(*day[:5]), hourly(*day, source="b"), NOON) is None
    assert level_factor([], hourly(*day), NOON) is None
    assert level_factor(hourly(*day), hourly(*[0.0] * 24), NOON) is None
    opposite = [600.0 - 25 * (hour % 12) for hour in range(24)]
    assert level_factor(hourly(*day), hourly(*opposite, source="b"), NOON) is None
    stand_ins = [replace(reading, stand_in="b stands in") for reading in hourly(*day)]
    assert level_factor(stand_ins, hourly(*day), NOON) is None
