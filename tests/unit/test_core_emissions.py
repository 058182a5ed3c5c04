"""Emission arithmetic: hand-worked tables in tests/data/core/emissions.yaml, and what must hold always."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.emissions import Total, emissions_of, merge, total_of, totals_by_site_and_phase
from gacli.core.energy import EmissionInterval, EnergyInterval, Phase
from gacli.core.site import PowerModel, Site
from gacli.errors import CarbonUnavailable

START = datetime(2024, 5, 2, tzinfo=UTC)
SITE = Site(name="berlin", provider="mock", zone="DE", pue=1.25, power=PowerModel(idle_w=60, busy_w=300))
CASES = yaml.safe_load((Path(__file__).parent.parent / "data" / "core" / "emissions.yaml").read_text(encoding="utf-8"))


def _at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def _interval(start_h: float, end_h: float, energy_j: float, phase: Phase = Phase.TRAIN) -> EnergyInterval:
    return EnergyInterval(
        site="berlin",
        generation=1,
        phase=phase,
        start=_at(start_h),
        end=_at(end_h),
        energy_j=energy_j,
        meter="nvml",
        modelled=False,
    )


def _reading(start_h: float, period_h: float, value: float) -> Reading:
    return Reading(
        zone="DE",
        at=_at(start_h),
        period_s=period_h * 3600,
        intensity_g_per_kwh=value,
        signal=Signal.AVERAGE,
        scope=Scope.LIFECYCLE,
        quality=Quality.ESTIMATED,
        source="trace:DE.csv",
    )


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_parts(case: dict[str, Any]) -> None:
    parts = emissions_of(_interval(*case["interval"]), SITE, [_reading(*values) for values in case["readings"]])
    assert [(part.energy.start, part.energy.end, part.extrapolated) for part in parts] == [
        (_at(start_h), _at(end_h), extrapolated) for start_h, end_h, *_, extrapolated in case["parts"]
    ]
    for part, (_, _, energy_j, intensity, emissions_g, _) in zip(parts, case["parts"], strict=True):
        assert part.energy.energy_j == pytest.approx(energy_j)
        assert part.intensity_g_per_kwh == intensity
        assert part.emissions_g == pytest.approx(emissions_g)


def test_a_part_keeps_what_it_came_from() -> None:
    interval = _interval(0.5, 1.5, 100.0, Phase.CHECKPOINT)
    (first, second) = emissions_of(interval, SITE, [_reading(0, 1, 100), _reading(1, 1, 400)])
    assert replace(first.energy, end=interval.end, energy_j=100.0) == interval
    assert (second.zone, second.pue, second.quality, second.carbon_source) == (
        "DE",
        1.25,
        Quality.ESTIMATED,
        "trace:DE.csv",
    )


def test_no_readings() -> None:
    with pytest.raises(CarbonUnavailable, match="site berlin: no carbon reading of zone DE for 2024-05-02T00:00:00"):
        emissions_of(_interval(0, 1, 10.0), SITE, [])


@pytest.mark.parametrize(
    "interval",
    [
        pytest.param(replace(_interval(0, 1, 10.0), site="oregon"), id="another site's"),
        pytest.param(_interval(1, 0, 10.0), id="ends before it starts"),
        pytest.param(_interval(0, 1, -10.0), id="negative energy"),
        pytest.param(_interval(0, 1, float("nan")), id="no number"),
    ],
)
def test_impossible_intervals(interval: EnergyInterval) -> None:
    with pytest.raises(ValueError, match="energy interval"):
        emissions_of(interval, SITE, [_reading(0, 1, 100)])


@st.composite
def _readings(draw: st.DrawFn) -> list[Reading]:
    starts_min = sorted(draw(st.sets(st.integers(-300, 600), min_size=1, max_size=12)))
    return [
        _reading(start / 60, draw(st.sampled_from([5, 30, 60])) / 60, draw(st.integers(0, 1500)))
        for start in starts_min
    ]


@st.composite
def _intervals(draw: st.DrawFn) -> EnergyInterval:
    start_s, length_s = draw(st.integers(-20_000, 30_000)), draw(st.integers(1, 20_000))
    energy_j = draw(st.floats(0, 1e9, allow_subnormal=False))
    return _interval(start_s / 3600, (start_s + length_s) / 3600, energy_j)


@given(_intervals(), _readings())
def test_parts_add_up_to_the_whole(interval: EnergyInterval, readings: list[Reading]) -> None:
    parts = emissions_of(interval, SITE, readings)
    assert (parts[0].energy.start, parts[-1].energy.end) == (interval.start, interval.end)
    assert all(first.energy.end == second.energy.start for first, second in pairwise(parts))
    assert all(part.energy.start < part.energy.end and part.energy.energy_j >= 0 for part in parts)
    assert sum(part.energy.energy_j for part in parts) == pytest.approx(interval.energy_j, rel=1e-12)


@given(_intervals(), _readings())
def test_each_part_lies_under_one_reading(interval: EnergyInterval, readings: list[Reading]) -> None:
    for part in emissions_of(interval, SITE, readings):
        started = [reading for reading in readings if reading.at <= part.energy.start]
        reading = started[-1] if started else readings[0]
        covered = bool(started) and (part.energy.start - reading.at).total_seconds() < reading.period_s
        assert part.intensity_g_per_kwh == reading.intensity_g_per_kwh
        assert part.extrapolated is not covered
        assert not any(part.energy.start < other.at < part.energy.end for other in readings)
        assert part.emissions_g == pytest.approx(part.energy.energy_j / 3.6e6 * 1.25 * reading.intensity_g_per_kwh)


@given(_intervals(), _readings(), st.floats(0.01, 0.99))
def test_splitting_an_interval_changes_nothing(interval: EnergyInterval, readings: list[Reading], share: float) -> None:
    middle = interval.start + (interval.end - interval.start) * share
    exact = (middle - interval.start) / (interval.end - interval.start)
    halves = [
        replace(interval, end=middle, energy_j=interval.energy_j * exact),
        replace(interval, start=middle, energy_j=interval.energy_j * (1 - exact)),
    ]
    whole = emissions_of(interval, SITE, readings)
    split = [part for half in halves for part in emissions_of(half, SITE, readings)]
    assert total_of(split).emissions_g == pytest.approx(total_of(whole).emissions_g, rel=1e-9, abs=1e-9)
    rejoined = merge(split)
    assert [(part.energy.start, part.energy.end) for part in rejoined] == [
        (part.energy.start, part.energy.end) for part in merge(whole)
    ]


@st.composite
def _ledgers(draw: st.DrawFn) -> list[EmissionInterval]:
    """What two instances wrote, interleaved: intervals of changing phase and meter, with gaps."""
    parts: list[EmissionInterval] = []
    for name in ("berlin", "oregon"):
        cursor_s = 0
        for _ in range(draw(st.integers(0, 8))):
            cursor_s += draw(st.sampled_from([0, 0, 0, 60]))
            interval = replace(
                _interval(cursor_s / 3600, (cursor_s + 600) / 3600, draw(st.integers(0, 10_000))),
                site=name,
                generation=draw(st.sampled_from([1, 1, 2])),
                phase=draw(st.sampled_from([Phase.TRAIN, Phase.TRAIN, Phase.CHECKPOINT])),
                meter=draw(st.sampled_from(["nvml", "nvml", "model"])),
            )
            parts += emissions_of(interval, replace(SITE, name=name), [_reading(0, 0.5, 200), _reading(0.5, 1, 300)])
            cursor_s += 600
    return sorted(parts, key=lambda part: part.energy.start)


def _described(part: EmissionInterval) -> tuple[object, ...]:
    energy = part.energy
    return (energy.site, energy.generation, energy.phase, energy.meter, part.intensity_g_per_kwh, part.extrapolated)


@given(_ledgers())
def test_merging_keeps_totals_and_kinds(ledger: list[EmissionInterval]) -> None:
    merged = merge(ledger)
    before, after = totals_by_site_and_phase(ledger), totals_by_site_and_phase(merged)
    assert before.keys() == after.keys()
    for site, phases in before.items():
        assert phases.keys() == after[site].keys()
        for phase, total in phases.items():
            other = after[site][phase]
            assert (other.time_s, other.energy_j, other.emissions_g) == pytest.approx(
                (total.time_s, total.energy_j, total.emissions_g)
            )
    assert {_described(part) for part in merged} == {_described(part) for part in ledger}
    assert merge(merged) == merged
    ends = {(*_described(part), part.energy.end) for part in merged}
    assert not any((*_described(part), part.energy.start) in ends for part in merged)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(_interval(1.5, 2, 10.0), id="gap"),
        pytest.param(replace(_interval(1, 2, 10.0), generation=2), id="generation"),
        pytest.param(replace(_interval(1, 2, 10.0), phase=Phase.IDLE), id="phase"),
        pytest.param(replace(_interval(1, 2, 10.0), meter="model"), id="meter"),
        pytest.param(replace(_interval(1, 2, 10.0), modelled=True), id="modelled"),
    ],
)
def test_unlike_intervals_are_not_merged(second: EnergyInterval) -> None:
    readings = [_reading(0, 9, 100)]
    parts = [*emissions_of(_interval(0, 1, 10.0), SITE, readings), *emissions_of(second, SITE, readings)]
    assert merge(parts) == parts


def test_like_intervals_become_one() -> None:
    readings = [_reading(0, 9, 360)]
    parts = [*emissions_of(_interval(0, 1, 1e6), SITE, readings), *emissions_of(_interval(1, 3, 3e6), SITE, readings)]
    (one,) = merge(parts)
    assert one.energy == _interval(0, 3, 4e6)
    assert one.emissions_g == pytest.approx(500)


def test_totals() -> None:
    readings = [_reading(0, 9, 288)]
    parts = [
        *emissions_of(_interval(0, 1, 1e6), SITE, readings),
        *emissions_of(_interval(1, 1.5, 2e6, Phase.CHECKPOINT), SITE, readings),
        *emissions_of(_interval(1.5, 2, 3e6), SITE, readings),
    ]
    totals = totals_by_site_and_phase(parts)
    assert list(totals) == ["berlin"]
    assert totals["berlin"][Phase.TRAIN].time_s == 5400
    assert totals["berlin"][Phase.TRAIN].emissions_g == pytest.approx(400)
    assert totals["berlin"][Phase.CHECKPOINT].energy_j == 2e6
    assert total_of(parts).emissions_g == pytest.approx(600)
    assert total_of([]) == Total(time_s=0, energy_j=0, emissions_g=0)
