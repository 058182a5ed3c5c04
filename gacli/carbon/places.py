"""Where the regions of the cloud providers draw their electricity: a curated table, with a source in every row.

Facts from the Green Software Foundation's real-time-cloud and from what the providers publish; where the former is
wrong or other sources disagree, the row's note says so.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType


class PueOf(StrEnum):
    """What a PUE is the figure of: the region itself, or all of its provider's data centres."""

    REGION = "region"
    FLEET = "fleet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One region of a cloud provider.

    provider: `aws`, `azure` or `gcp`. region: as the provider spells it. location: for people. zone: in Electricity
    Maps' naming. watttime_region: empty where it is not known. latitude, longitude: degrees, of the location rather
    than of a data centre. pue: at least 1. source, year: where zone and PUE come from, and of which year. note: what
    was corrected or chosen; empty for a row that is as in its source.
    """

    provider: str
    region: str
    location: str
    zone: str
    watttime_region: str
    latitude: float
    longitude: float
    pue: float
    pue_of: PueOf
    source: str
    year: int
    note: str


def place(provider: str, region: str) -> Place | None:
    """The provider's region of that name; None when the table does not have it."""
    return _by_name().get((provider, region))


@cache
def places() -> tuple[Place, ...]:
    """The whole table, in the order of provider and region."""
    text = resources.files("gacli.carbon").joinpath("data", "places.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        Place(
            provider=row["provider"],
            region=row["region"],
            location=row["location"],
            zone=row["zone"],
            watttime_region=row["watttime_region"],
            latitude=float(row["latitude"]),
            longitude=float(row["longitude"]),
            pue=float(row["pue"]),
            pue_of=PueOf(row["pue_of"]),
            source=row["source"],
            year=int(row["year"]),
            note=row["note"],
        )
        for row in rows
    )


@cache
def zones_of_watttime() -> Mapping[str, str]:
    """Zone → WattTime region, for zones in which the table's regions agree on one.

    WattTime divides some zones. Those of which the table has several parts (PJM, ERCOT) are missing, since the place
    decides; of others it has one part only (MISO's Iowa, northern California), which then stands for the zone.
    """
    found: dict[str, set[str]] = {}
    for one in places():
        if one.watttime_region:
            found.setdefault(one.zone, set()).add(one.watttime_region)
    return MappingProxyType({zone: regions.pop() for zone, regions in sorted(found.items()) if len(regions) == 1})


@cache
def _by_name() -> Mapping[tuple[str, str], Place]:
    return {(one.provider, one.region): one for one in places()}
