"""`ga carbon zones`."""

from __future__ import annotations

import pytest
from support.rendering import text_of
from syrupy.assertion import SnapshotAssertion

from gacli.carbon.places import places
from gacli.views.carbon_output import csv_text
from gacli.views.carbon_places import matching, name_of, places_json, places_rows, places_table


@pytest.mark.parametrize(
    ("text", "provider", "expected"),
    [
        ("frankfurt", None, {"aws:eu-central-1", "azure:germanywestcentral", "gcp:europe-west3"}),
        ("AWS:eu-central", None, {"aws:eu-central-1", "aws:eu-central-2"}),
        ("FRANKFURT", "gcp", {"gcp:europe-west3"}),
        ("no such place", None, set()),
    ],
)
def test_which_match(text: str, provider: str | None, expected: set[str]) -> None:
    assert {name_of(place) for place in matching(text, provider)} == expected


def test_without_a_text_all() -> None:
    assert matching("", None) == [*places()]
    assert {place.provider for place in matching("", "azure")} == {"azure"}


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits(width: int) -> None:
    shown = text_of(places_table(places(), width), width).splitlines()
    assert max(map(len, shown)) <= width
    for place, line in zip(places(), shown[1:], strict=False):
        assert name_of(place) == line.split()[0]
        assert f" {place.zone} " in line
        assert line.endswith(f"{place.pue:.2f} {place.source} {place.year}")


def test_how_it_looks(snapshot: SnapshotAssertion) -> None:
    assert text_of(places_table(matching("oregon", None), 80), 80) == snapshot


def test_for_machines() -> None:
    found = matching("frankfurt", "aws")
    assert places_json(found) == {"places": places_rows(found)}
    assert places_rows(found) == [
        {
            "place": "aws:eu-central-1",
            "provider": "aws",
            "region": "eu-central-1",
            "location": "Frankfurt",
            "zone": "DE",
            "typical_days": True,
            "watttime_region": "DE",
            "latitude": pytest.approx(50.1, abs=0.1),
            "longitude": pytest.approx(8.7, abs=0.1),
            "pue": 1.35,
            "pue_of": "region",
            "source": "GSF",
            "year": 2024,
            "note": "",
        }
    ]
    assert len(csv_text(places_rows(places())).splitlines()) == 1 + len(places())
