"""`ga carbon rank`: the order, who has no place in it, and what is not compared at all."""

from __future__ import annotations

import json

import pytest
from support.grids import NOW, Hourly, chain
from support.rendering import text_of
from syrupy.assertion import SnapshotAssertion

from gacli.carbon.typical import TypicalSource
from gacli.core.carbon import Scope, Signal
from gacli.errors import ConfigError
from gacli.views.carbon_output import csv_text
from gacli.views.carbon_rank import rank_json, rank_rows, rank_table, read_ranking
from gacli.views.stream import to_line

DAY_S = 86400.0
SOURCES = chain(Hourly(level=300), FR=Hourly(level=60), **{"IT-NO": Hourly(level=299)})
ZONES: dict[str, tuple[str, ...]] = {"DE": ("aws:eu-central-1",), "FR": (), "IT-NO": (), "XX": ()}


@pytest.mark.parametrize("over_s", [0.0, DAY_S])
def test_how_it_looks(over_s: float, snapshot: SnapshotAssertion) -> None:
    shown = text_of(rank_table(read_ranking(SOURCES, ZONES, NOW, over_s), NOW, over_s), 80)
    assert max(map(len, shown.splitlines())) <= 80
    assert shown == snapshot


@pytest.mark.parametrize("over_s", [0.0, 3600.0, 4 * DAY_S])
def test_the_cleanest_is_first(over_s: float) -> None:
    ranking = read_ranking(SOURCES, ZONES, NOW, over_s)
    assert [one.zone for one in ranking] == ["FR", "IT-NO", "DE", "XX"]
    assert ranking[-1].left_out == "service: no zone XX\nin its list"


def test_now_and_the_day_to_come_may_differ() -> None:
    # At 14 UTC the sun shines on `typical` California, in the mean of the day it does not.
    california = chain(TypicalSource(), DE=Hourly(level=160))
    zones: dict[str, tuple[str, ...]] = {"US-CAL-CISO": (), "DE": ()}
    now = NOW.replace(hour=20)
    assert [one.zone for one in read_ranking(california, zones, now, 0.0)] == ["US-CAL-CISO", "DE"]
    assert [one.zone for one in read_ranking(california, zones, NOW, DAY_S)] == ["DE", "US-CAL-CISO"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Hourly(signal=Signal.MARGINAL), r"average \(DE, IT-NO\) and marginal \(FR\)"),
        (Hourly(scope=Scope.DIRECT), r"direct \(FR\) and lifecycle \(DE, IT-NO\)"),
        (Hourly(signal=Signal.MARGINAL, scope=Scope.DIRECT), r"average \(DE, IT-NO\) and marginal \(FR\)"),
    ],
    ids=["signal", "scope", "both"],
)
@pytest.mark.parametrize("over_s", [0.0, 3600.0])
def test_kinds_are_not_mixed(other: Hourly, told: str, over_s: float) -> None:
    with pytest.raises(ConfigError, match=told):
        read_ranking(chain(Hourly(), FR=other), dict.fromkeys(("DE", "FR", "IT-NO"), ()), NOW, over_s)


def test_two_kinds_that_are_not_compared_through_a_third_of_unknown_scope() -> None:
    sources = chain(Hourly(scope=Scope.UNKNOWN), FR=Hourly(scope=Scope.DIRECT), **{"IT-NO": Hourly()})
    assert len(read_ranking(sources, {"DE": (), "FR": ()}, NOW, 0.0)) == 2
    with pytest.raises(ConfigError, match=r"direct \(FR\) and lifecycle \(IT-NO\)"):
        read_ranking(sources, {"DE": (), "FR": (), "IT-NO": ()}, NOW, 0.0)


def test_what_policies_would_not_compare_is_left_out() -> None:
    broken = Hourly("first")
    broken.broken = "first: HTTP 500"
    late = Hourly("late", live=False, late_h=5)
    sources = chain(broken, TypicalSource(), FR=Hourly(), **{"IT-NO": late})
    ranking = read_ranking(sources, dict.fromkeys(("DE", "FR", "IT-NO"), ()), NOW, DAY_S)
    assert [(one.zone, one.left_out) for one in ranking] == [
        ("FR", ""),
        ("DE", "typical stands in for first: first: HTTP 500"),
        ("IT-NO", "its newest reading ended 4.3 h ago"),
    ]


def test_for_machines() -> None:
    ranking = read_ranking(SOURCES, ZONES, NOW, DAY_S)
    record = json.loads(to_line(rank_json(ranking, NOW, DAY_S)))
    assert (record["at"], record["over_s"]) == ("2024-06-05T14:20:00.000000Z", DAY_S)
    assert [(zone["rank"], zone["zone"]) for zone in record["zones"]] == [
        (1, "FR"),
        (2, "IT-NO"),
        (3, "DE"),
        (None, "XX"),
    ]
    french = record["zones"][0]
    assert french["lowest_g_per_kwh"] < french["mean_g_per_kwh"] < french["highest_g_per_kwh"]
    assert french["mean_g_per_kwh"] == pytest.approx(60, rel=0.05)
    lines = csv_text(rank_rows(ranking)).splitlines()
    assert lines[0].startswith("rank,zone,places,mean_g_per_kwh,")
    assert lines[4] == ",XX,,,,,,,,service: no zone XX | in its list"
