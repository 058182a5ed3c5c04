"""The table of cloud regions: every row is sound, and what is known of some is what it says."""

from __future__ import annotations

import csv
import re
from itertools import pairwise
from pathlib import Path

import pytest

from gacli.carbon.places import PueOf, place, places, zones_of_watttime
from gacli.carbon.typical import typical_zones

SHARED = Path(__file__).parents[3] / "shared" / "traces"
YEARLY = SHARED / "carbon_all" / "zones_yearly_2021_2025.csv"
FLEET_PUE = {"aws": 1.15, "azure": 1.18, "gcp": 1.10}
ZONE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,5}){0,2}")
SOURCES = {"GSF", "GSF corrected", "provider"}
# Corners of a box around what a zone's name begins with, in degrees: south, north, west, east.
BOXES = {
    "AE": (22, 27, 51, 57),
    "AT": (46, 50, 9, 18),
    "AU": (-44, -10, 112, 154),
    "BE": (49, 52, 2, 7),
    "BH": (25, 27, 50, 51),
    "BR": (-34, -14, -54, -38),
    "CA": (42, 60, -125, -52),
    "CH": (45, 48, 5, 11),
    "CL": (-56, -17, -76, -66),
    "CN": (18, 54, 73, 135),
    "DE": (47, 56, 5, 16),
    "DK": (54, 58, 8, 16),
    "ES": (36, 44, -10, 4),
    "FI": (59, 71, 20, 32),
    "FR": (42, 52, -5, 9),
    "GB": (49, 61, -9, 2),
    "GR": (34, 42, 19, 30),
    "HK": (22, 23, 113, 115),
    "ID": (-11, 6, 95, 141),
    "IE": (51, 56, -11, -5),
    "IL": (29, 34, 34, 36),
    "IN": (6, 36, 68, 98),
    "IT": (36, 48, 6, 19),
    "JP": (24, 46, 122, 146),
    "KR": (33, 39, 124, 132),
    "MX": (14, 33, -119, -86),
    "MY": (1, 8, 99, 120),
    "NL": (50, 54, 3, 8),
    "NO": (57, 72, 4, 32),
    "NZ": (-48, -34, 166, 179),
    "PL": (49, 55, 14, 25),
    "QA": (24, 27, 50, 52),
    "SA": (16, 33, 34, 56),
    "SE": (55, 70, 10, 25),
    "SG": (1, 2, 103, 105),
    "TH": (5, 21, 97, 106),
    "TW": (21, 26, 119, 123),
    "ZA": (-35, -22, 16, 33),
    "US-CAL": (32, 42, -125, -114),
    "US-CAR": (32, 37, -85, -75),
    "US-MIDA": (36, 43, -91, -74),
    "US-MIDW": (29, 49, -104, -82),
    "US-NW": (34, 49, -125, -102),
    "US-SE": (30, 35, -89, -80),
    "US-SW": (31, 37, -115, -103),
    "US-TEX": (25, 37, -107, -93),
}


def test_every_row_is_sound() -> None:
    for one in places():
        assert one.provider in FLEET_PUE, one
        assert re.fullmatch(r"[a-z0-9-]+", one.region), one
        assert ZONE.fullmatch(one.zone), one
        assert re.fullmatch(r"([A-Z][A-Z_]*)?", one.watttime_region), one
        assert 1.0 <= one.pue <= 1.6, one
        assert one.pue_of is PueOf.REGION or one.pue == FLEET_PUE[one.provider], one
        assert one.source in SOURCES, one
        assert 2023 <= one.year <= 2026, one
        assert one.location, one
        assert one.note or one.source != "GSF corrected", one


def test_every_row_lies_in_its_zone() -> None:
    for one in places():
        parts = one.zone.split("-")
        south, north, west, east = BOXES["-".join(parts[:2]) if parts[0] == "US" else parts[0]]
        assert south <= one.latitude <= north, one
        assert west <= one.longitude <= east, one


def test_rows_are_unique_and_in_order() -> None:
    names = [(one.provider, one.region) for one in places()]

    assert all(before < after for before, after in pairwise(names))
    assert {provider for provider, _ in names} == set(FLEET_PUE)


@pytest.mark.skipif(not YEARLY.is_file(), reason=f"needs the list of zones in {YEARLY}")
def test_zones_exist() -> None:
    with YEARLY.open(encoding="utf-8") as file:
        known = {row["zone"] for row in csv.DictReader(file)} | set(typical_zones())

    assert {one.zone for one in places()} <= known


@pytest.mark.parametrize(
    ("provider", "region", "zone", "watttime", "pue", "pue_of"),
    [
        ("aws", "us-east-1", "US-MIDA-PJM", "PJM_DC", 1.15, "region"),
        ("aws", "eu-central-1", "DE", "DE", 1.35, "region"),
        ("aws", "eu-west-3", "FR", "FR", 1.15, "fleet"),
        ("aws", "us-west-2", "US-NW-BPAT", "BPA", 1.12, "region"),
        ("aws", "eu-north-1", "SE-SE3", "SE", 1.10, "region"),
        ("gcp", "us-central1", "US-MIDW-MISO", "MISO_MASON_CITY", 1.10, "region"),
        ("gcp", "europe-west10", "DE", "DE", 1.10, "fleet"),
        ("gcp", "me-central1", "QA", "QAT", 1.10, "fleet"),
        ("azure", "northeurope", "IE", "IE", 1.18, "fleet"),
        ("azure", "westus", "US-CAL-CISO", "CAISO_NORTH", 1.18, "fleet"),
        ("azure", "westus3", "US-SW-AZPS", "AZPS", 1.18, "region"),
        ("azure", "uksouth", "GB", "UK", 1.18, "fleet"),
    ],
)
def test_samples(provider: str, region: str, zone: str, watttime: str, pue: float, pue_of: str) -> None:
    found = place(provider, region)

    assert found is not None
    assert (found.zone, found.watttime_region, found.pue, found.pue_of.value) == (zone, watttime, pue, pue_of)


def test_disagreements_are_told() -> None:
    for provider, region, other in (("gcp", "us-central1", "US-CENT-SWPP"), ("aws", "us-west-2", "US-NW-PACW")):
        found = place(provider, region)
        assert found is not None
        assert other in found.note


@pytest.mark.parametrize(("provider", "region"), [("aws", "us-central1"), ("ibm", "us-east"), ("", ""), ("aws", "")])
def test_what_is_not_in_the_table_is_not_guessed(provider: str, region: str) -> None:
    assert place(provider, region) is None


def test_watttime_regions_of_zones_that_are_not_divided() -> None:
    found = zones_of_watttime()

    assert (found["DE"], found["US-CAL-CISO"], found["GB"]) == ("DE", "CAISO_NORTH", "UK")
    assert {"US-MIDA-PJM", "US-TEX-ERCO", "NO-NO1"}.isdisjoint(found)
    for one in places():
        if one.zone in found:
            assert one.watttime_region in ("", found[one.zone]), one
