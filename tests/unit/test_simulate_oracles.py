"""What simulated policies are told of the time to come: the truth, or what could have been known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine import START, site
from support.simulated import readings

from gacli.core.carbon import Reading, reading_at
from gacli.core.decision import Action, Decision, Foresight
from gacli.core.forecast import Forecast
from gacli.core.snapshot import Snapshot
from gacli.forecast.builtin import forecast
from gacli.simulate.run import simulate
from gacli.simulate.scenario import Scenario, SimulatedJob
from gacli.simulate.truth import ForecastOracle, PerfectOracle

HOUR = timedelta(hours=1)
MONTH = readings("A", [300 + 100 * math.sin(hour / 12 * math.pi) + hour % 7 for hour in range(30 * 24)])
NOW = START + 20 * 24 * HOUR + timedelta(minutes=20)


def every_five_minutes(hourly: Sequence[Reading]) -> list[Reading]:
    """Twelve readings an hour, around the hour's value."""
    return [
        replace(
            one, at=one.at + part * HOUR / 12, period_s=300.0, intensity_g_per_kwh=one.intensity_g_per_kwh + part - 5.5
        )
        for one in hourly
        for part in range(12)
    ]


@given(st.integers(0, 29 * 24 * 60), st.integers(0, 14 * 24 * 60))
def test_the_truth_is_what_will_be_in_force(now_min: int, ahead_min: int) -> None:
    now = START + timedelta(minutes=now_min)
    instant = now + timedelta(minutes=ahead_min)
    told = PerfectOracle({"A": MONTH}).forecast("A", now)
    assert told is not None
    assert told.points[0].at <= now < told.points[0].at + HOUR
    point = told.point_at(instant)
    if instant >= MONTH[-1].at + HOUR:
        assert point is None
    else:
        true = reading_at(MONTH, instant)
        assert point is not None
        assert true is not None
        assert point.low90_g_per_kwh == point.intensity_g_per_kwh == point.high90_g_per_kwh == true.intensity_g_per_kwh


def test_the_truth_reaches_as_far_as_is_asked_for() -> None:
    told = PerfectOracle({"A": MONTH}, horizon_s=6 * 3600.0).forecast("A", NOW)
    assert told is not None
    assert [point.at for point in told.points] == [NOW - timedelta(minutes=20) + hour * HOUR for hour in range(7)]


def test_nobody_tells_of_what_no_reading_covers() -> None:
    oracle = PerfectOracle({"A": MONTH})
    assert oracle.forecast("A", START - HOUR) is None
    assert oracle.forecast("A", START + 31 * 24 * HOUR) is None
    assert oracle.forecast("B", NOW) is None
    assert ForecastOracle({"A": MONTH}).forecast("B", NOW) is None


def test_the_truth_holds_the_last_value_in_a_gap() -> None:
    told = PerfectOracle({"A": [*MONTH[:2], *MONTH[4:8]]}).forecast("A", START)
    assert told is not None
    values = [point.intensity_g_per_kwh for point in told.points]
    assert values == [MONTH[index].intensity_g_per_kwh for index in (0, 1, 1, 1, 4, 5, 6, 7)]


@settings(max_examples=20)
@given(st.booleans(), st.floats(0, 2000), st.integers(0, 59))
def test_a_forecast_knows_nothing_of_what_comes_later(fine: bool, value: float, minute: int) -> None:
    now = NOW.replace(minute=minute)
    known = every_five_minutes(MONTH) if fine else MONTH
    told = ForecastOracle({"A": known}).forecast("A", now)
    changed = [one if one.at <= now else replace(one, intensity_g_per_kwh=value) for one in known]
    assert told is not None
    assert told.issued_at == now.replace(minute=0)
    assert ForecastOracle({"A": changed}).forecast("A", now) == told


def test_a_forecast_is_that_of_the_built_in_model_and_made_once_an_hour() -> None:
    oracle = ForecastOracle({"A": MONTH}, horizon_s=24 * 3600.0)
    told = oracle.forecast("A", NOW)
    just_after = NOW.replace(minute=0) + timedelta(microseconds=1)
    assert told == replace(forecast(MONTH, just_after, 24 * 3600.0), issued_at=NOW.replace(minute=0))
    assert oracle.forecast("A", NOW.replace(minute=0)) is told
    assert oracle.forecast("A", NOW.replace(minute=59, second=59)) is told
    assert oracle.forecast("A", NOW + HOUR) != told


def test_fine_readings_give_the_forecast_that_they_would_give_one_by_one() -> None:
    fine = every_five_minutes(MONTH)
    told = ForecastOracle({"A": fine}).forecast("A", NOW)
    assert told is not None
    expected = forecast(fine, NOW.replace(minute=0), 96 * 3600.0)
    assert [point.at for point in told.points][:96] == [point.at for point in expected.points]
    for point, like in zip(told.points, expected.points, strict=False):
        assert point.intensity_g_per_kwh == pytest.approx(like.intensity_g_per_kwh, rel=1e-9)
        assert point.high90_g_per_kwh == pytest.approx(like.high90_g_per_kwh, rel=1e-9)


def test_too_short_a_past_gives_no_forecast_unless_typical_days_stand_in() -> None:
    typical = {"A": [[300.0] * 24] * 12}
    after_six_hours = START + 6 * HOUR
    assert ForecastOracle({"A": MONTH}).forecast("A", after_six_hours) is None
    assert ForecastOracle({"A": MONTH}, typical=typical).forecast("A", after_six_hours) is not None


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Stays, and keeps what it was told."""

    told: list[tuple[datetime, Forecast | None]] = field(default_factory=list)
    name: str = "listening"

    def decide(self, snapshot: Snapshot) -> Decision:
        self.told.append((snapshot.now, snapshot.sites[0].forecast))
        return Decision(at=snapshot.now, policy=self.name, action=Action.STAY, reason="it listens")


class Foreseeing(Listening):
    foresight: ClassVar[Foresight] = Foresight.FORECAST


class Knowing(Listening):
    foresight: ClassVar[Foresight] = Foresight.PERFECT


def scenario() -> Scenario:
    return Scenario(
        job=SimulatedJob(name="job", work_s=7000.0),
        sites=(site("a", "A"),),
        readings_by_zone={"A": MONTH},
        start=NOW,
        poll_s=1800.0,
    )


def test_a_policy_is_told_what_it_asks_for() -> None:
    plain, foreseeing, knowing = Listening(), Foreseeing(), Knowing()
    for policy in (plain, foreseeing, knowing):
        simulate(scenario(), policy)
    instants = [NOW + part * HOUR / 2 for part in range(4)]
    assert plain.told == [(instant, None) for instant in instants]
    forecasts, truth = ForecastOracle({"A": MONTH}), PerfectOracle({"A": MONTH})
    assert foreseeing.told == [(instant, forecasts.forecast("A", instant)) for instant in instants]
    assert knowing.told == [(instant, truth.forecast("A", instant)) for instant in instants]


def test_an_oracle_of_ones_own_is_asked_for_forecasts_but_never_for_the_truth() -> None:
    class Silent:
        def forecast(self, zone: str, now: datetime) -> Forecast | None:
            return None

    foreseeing, knowing = Foreseeing(), Knowing()
    for policy in (foreseeing, knowing):
        simulate(scenario(), policy, Silent())
    assert {told for _, told in foreseeing.told} == {None}
    assert None not in {told for _, told in knowing.told}
