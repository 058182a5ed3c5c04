"""What an answer of Energy-Charts says, apart from how it was fetched."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.carbon.energy_charts import Step, steps_of
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH
from gacli.errors import CarbonUnavailable

BEGIN_S = int(datetime(2026, 10, 24, 22, 0, tzinfo=UTC).timestamp())  # the local day with 25 hours
VALUES = st.floats(0, MAX_INTENSITY_G_PER_KWH) | st.none()


def _answer(
    measured: list[object], forecast: list[object] | None = None, *, step_s: int = 900, **more: object
) -> dict[str, object]:
    times = [BEGIN_S + number * step_s for number in range(len(measured))]
    return {
        "unix_seconds": times,
        "co2eq": measured,
        "co2eq_forecast": [None] * len(times) if forecast is None else forecast,
        "deprecated": False,
        **more,
    }


def test_rows_with_and_without_values() -> None:
    at = [datetime(2026, 10, 24, 22, minute, tzinfo=UTC) for minute in (0, 15, 30)]

    assert steps_of(_answer([491.5, None, 0], [None, 505.0, None])) == [
        Step(at=at[0], period_s=900.0, measured=491.5, forecast=None),
        Step(at=at[1], period_s=900.0, measured=None, forecast=505.0),
        Step(at=at[2], period_s=900.0, measured=0.0, forecast=None),
    ]


@pytest.mark.parametrize(
    ("times", "period_s"),
    [
        ([0, 900, 1800], 900.0),
        ([0, 3600, 7200], 3600.0),
        ([0, 900, 4500], 900.0),  # with a hole
        ([0, 10800, 14400], 3600.0),
        ([0], 900.0),
        ([], None),
    ],
)
def test_period_is_the_answers_own_step(times: list[int], period_s: float | None) -> None:
    body = {"unix_seconds": times, "co2eq": [1.0] * len(times), "co2eq_forecast": [None] * len(times)}

    assert {step.period_s for step in steps_of(body)} == ({period_s} if period_s else set())


def test_a_day_of_25_hours_has_100_quarters() -> None:
    steps = steps_of(_answer([1.0] * 100))

    assert steps[-1].at == datetime(2026, 10, 25, 22, 45, tzinfo=UTC)
    assert len({step.at for step in steps}) == 100


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (_answer([1.0], deprecated=True), "marked as deprecated"),
        (_answer([1.0, 2.0], [None]), "columns of one length, found 2 of `unix_seconds`, 2 of `co2eq`, 1 of"),
        (_answer([1.0], unix_seconds=[]), "columns of one length"),
        (_answer([1.0, 2.0], unix_seconds=[900, 0]), "expected ascending steps of 900 or 3600 s, found steps of -900"),
        (_answer([1.0, 2.0], unix_seconds=[900, 900]), "expected ascending steps"),
        (_answer([1.0, 2.0], unix_seconds=[0, 1800]), "expected ascending steps"),
        (_answer([1.0, 2.0, 3.0], unix_seconds=[0, 900, 2000]), "expected ascending steps"),
        (_answer([1.0], unix_seconds=["0"]), "expected seconds since 1970 in `unix_seconds`, found '0'"),
        (_answer([1.0], unix_seconds=[0.5]), "expected seconds since 1970"),
        (_answer([1.0], unix_seconds=[True]), "expected seconds since 1970"),
        (_answer([1.0], unix_seconds=[10**30]), "expected seconds since 1970"),
        (_answer([-0.1]), r"absurd value at 2026-10-24T22:00Z: expected 0 to 2000 g/kWh, found -0.1"),
        (_answer([None], [2000.1]), "absurd value"),
        (_answer([10**400]), "absurd value"),
        (_answer(["491.5"]), "expected a number or null at 2026-10-24T22:00Z, found '491.5'"),
        (_answer([False]), "expected a number or null"),
        ({"unix_seconds": [0], "co2eq": [1.0]}, "expected lists `unix_seconds`, `co2eq` and `co2eq_forecast`"),
        ({"unix_seconds": 0, "co2eq": [1.0], "co2eq_forecast": [1.0]}, "expected lists"),
        ([], "expected lists"),
        (None, "expected lists"),
    ],
)
def test_what_cannot_be_trusted_is_refused(body: object, told: str) -> None:
    with pytest.raises(CarbonUnavailable, match=told):
        steps_of(body)


@given(st.lists(st.tuples(VALUES, VALUES), max_size=100))
def test_every_value_stays_where_it_is(pairs: list[tuple[float | None, float | None]]) -> None:
    steps = steps_of(_answer([pair[0] for pair in pairs], [pair[1] for pair in pairs]))

    assert [(step.measured, step.forecast) for step in steps] == pairs
    assert [int(step.at.timestamp()) for step in steps] == [BEGIN_S + 900 * number for number in range(len(pairs))]
