"""What a killed job has used and emitted, summed by other means than the ledger's.

From the agents' raw telemetry, the made-up trace and the events of the instances: an instance draws its idle power from
the moment it is asked for until it is gone, except while samples say what it drew.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from support.kill_scenario import JOB, SITES, START, KillSite, Place, intensity_g_per_kwh

_J_PER_KWH = 3.6e6
# Samples are written with microseconds, which the job's clock makes larger.
_ROUNDING_S = 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class Sum:
    """energy_j: without PUE; emissions_g: with it."""

    energy_j: float
    emissions_g: float

    def off_percent(self, other: Sum) -> float:
        """The larger of the two relative differences."""
        pairs = ((self.energy_j, other.energy_j), (self.emissions_g, other.emissions_g))
        return max(100.0 * abs(one - another) / another for one, another in pairs)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Span:
    """Seconds of the job's clock since START."""

    start_s: float
    end_s: float
    energy_j: float


def of_ledger(place: Place) -> Sum:
    """What `ga` has written down."""
    with closing(sqlite3.connect(place.folders.database)) as connection:
        row = connection.execute("SELECT SUM(energy_j), SUM(emissions_g) FROM intervals WHERE job_id = ?", (JOB,))
        energy_j, emissions_g = row.fetchone()
    return Sum(energy_j=energy_j, emissions_g=emissions_g)


def independent(place: Place, scale: float) -> Sum:
    """AssertionError when samples overlap, or belong to no instance."""
    samples = {site.name: sorted(_samples(place, site, scale), key=lambda s: s.start_s) for site in SITES}
    energy_j = emissions_g = 0.0
    for site, start_s, end_s in _instances(place):
        own = [span for span in samples[site.name] if start_s <= span.start_s < end_s]
        samples[site.name] = [span for span in samples[site.name] if span not in own]
        for span in _with_idle(own, site, start_s, end_s, scale):
            energy_j += span.energy_j
            emissions_g += span.energy_j / _J_PER_KWH * site.pue * _mean_intensity(site.zone, span)
    assert not any(samples.values()), f"samples of no instance: {samples}"
    return Sum(energy_j=energy_j, emissions_g=emissions_g)


def telemetry_problems(place: Place) -> list[str]:
    """The agents' records must have arrived whole: every number once, in order, up to the exit."""
    problems = []
    for path in sorted((place.folders.job(JOB) / "telemetry").iterdir()):
        try:
            records = [json.loads(line) for line in path.read_text().splitlines()]
        except ValueError as error:
            problems.append(f"{path.name}: {error}")
            continue
        if [record["seq"] for record in records] != list(range(1, len(records) + 1)):
            problems.append(f"{path.name}: numbers are {[record['seq'] for record in records]}")
        if records[-1]["kind"] != "exit":
            problems.append(f"{path.name}: ends with {records[-1]}")
    return problems


def _instances(place: Place) -> Iterator[tuple[KillSite, float, float]]:
    """Site, and the times at which an instance was asked for and was gone."""
    asked: dict[str, float] = {}
    sites = {site.name: site for site in SITES}
    with closing(sqlite3.connect(place.folders.database)) as connection:
        rows = connection.execute(
            "SELECT at, body FROM events WHERE job_id = ? AND kind = 'instance' ORDER BY id", (JOB,)
        )
        for at, text in rows:
            body, at_s = json.loads(text), (datetime.fromisoformat(at) - START).total_seconds()
            if body["state"] == "requested":
                assert body["instance"] not in asked, f"{body['instance']} was asked for twice"
                asked[body["instance"]] = at_s
            elif body["state"] == "gone":
                yield sites[body["site"]], asked.pop(body["instance"]), at_s
    assert not asked, f"never gone: {asked}"


def _samples(place: Place, site: KillSite, scale: float) -> Iterator[_Span]:
    with closing(sqlite3.connect(place.folders.database)) as connection:
        (epoch_s,) = connection.execute("SELECT clock_epoch_s FROM jobs WHERE id = ?", (JOB,)).fetchone()
    for path in (place.folders.job(JOB) / "telemetry").iterdir():
        records = [json.loads(line) for line in path.read_text().splitlines()]
        if records[0]["site"] != site.name:
            continue
        for record in records:
            if record["kind"] == "power":
                yield _Span(
                    start_s=(record["t0"] - epoch_s) * scale,
                    end_s=(record["t1"] - epoch_s) * scale,
                    energy_j=record["energy_j"] * scale,
                )


def _with_idle(samples: list[_Span], site: KillSite, start_s: float, end_s: float, scale: float) -> Iterator[_Span]:
    at_s = start_s
    for sample in samples:
        assert sample.start_s >= at_s - _ROUNDING_S * scale, f"{site.name}: samples overlap at {at_s}"
        yield _Span(start_s=at_s, end_s=sample.start_s, energy_j=site.idle_w * max(0.0, sample.start_s - at_s))
        yield sample
        at_s = sample.end_s
    yield _Span(start_s=at_s, end_s=end_s, energy_j=site.idle_w * max(0.0, end_s - at_s))


def _mean_intensity(zone: str, span: _Span) -> float:
    if span.end_s <= span.start_s:
        return intensity_g_per_kwh(zone, math.floor(span.start_s / 3600))
    weighted = 0.0
    for hour in range(math.floor(span.start_s / 3600), math.ceil(span.end_s / 3600)):
        inside_s = min(span.end_s, (hour + 1) * 3600) - max(span.start_s, hour * 3600)
        weighted += intensity_g_per_kwh(zone, hour) * inside_s
    return weighted / (span.end_s - span.start_s)
