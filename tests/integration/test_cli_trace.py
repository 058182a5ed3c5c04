"""The sample that replays a trace: moved twice it ends as one that stayed, and its account is right."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.cli import SAMPLES, Event, Ga, needs, policy_of, sample

KWH = 3.6e6
HOUR = timedelta(hours=1)
SHORT = ("--steps 500", "--steps 250")


@dataclass(frozen=True, kw_only=True)
class Span:
    """Energy that one machine used, spread evenly from `start` to `end`."""

    site: str
    phase: str
    start: datetime
    end: datetime
    energy_j: float


class Files:
    """What a run has left in files, and nothing of the program's own arithmetic.

    Metered: the power records of the agents' telemetry. The rest of the time that a machine was held, from the event
    that asks for it to the one that says that it is gone, it draws the idle power of its site.
    """

    def __init__(self, config: Path, job: Path, events: Sequence[Event]) -> None:
        document = yaml.safe_load(config.read_text())
        self.sites: Mapping[str, Any] = {site["name"]: site for site in document["sites"]}
        self.scale = float(document["replay"]["scale"])
        self.events = events
        self.job = job

    def at(self, epoch_s: float) -> datetime:
        """The job's clock at a real time; any event tells both."""
        event = self.events[0]
        return _time(event["at"]) + timedelta(seconds=(epoch_s - event["epoch_s"]) * self.scale)

    def spans(self) -> Iterator[Span]:
        told = [event for event in self.events if event["event"] == "instance"]
        for instance in dict.fromkeys(event["instance"] for event in told):
            states = {event["state"]: event for event in told if event["instance"] == instance}
            site, asked, gone = states["gone"]["site"], _time(states["requested"]["at"]), _time(states["gone"]["at"])
            booted = _time(states["booted"]["at"])
            yield self._idle(site, "boot", asked, booted)
            metered = sorted(self._metered(site, asked, gone), key=lambda span: span.start)
            yield from metered
            # Samples follow each other without a gap, so only the time before the first and after the last is left.
            assert all(before.end == after.start for before, after in pairwise(metered))
            yield self._idle(site, "other", booted, metered[0].start)
            yield self._idle(site, "other", metered[-1].end, gone)

    def _metered(self, site: str, asked: datetime, gone: datetime) -> Iterator[Span]:
        """Of the trainers at that site while the machine was held: there is one machine a site at a time."""
        for path in sorted((self.job / "telemetry").glob("g*.jsonl")):
            records = [json.loads(line) for line in path.read_text().splitlines()]
            if records[0]["site"] != site or not asked < self.at(records[0]["t"]) < gone:
                continue
            for record in records:
                if record["kind"] == "power":
                    yield Span(
                        site=site,
                        phase=record["phase"],
                        start=self.at(record["t0"]),
                        end=self.at(record["t1"]),
                        energy_j=record["energy_j"] * self.scale,
                    )

    def _idle(self, site: str, phase: str, start: datetime, end: datetime) -> Span:
        idle_w = float(self.sites[site]["power"]["idle"].removesuffix("W"))
        energy_j = idle_w * (end - start).total_seconds()
        return Span(site=site, phase=phase, start=start, end=end, energy_j=energy_j)

    def grams(self, span: Span) -> float:
        """Hour by hour at the trace's value, with the facility's part."""
        site = self.sites[span.site]
        trace = _trace(SAMPLES / "traces" / "made-up" / f"{site['zone']}.csv")
        hours = [hour for hour in trace if span.start < hour < span.end]
        total = 0.0
        for start, end in pairwise([span.start, *hours, span.end]):
            part_j = span.energy_j * ((end - start) / (span.end - span.start))
            total += part_j / KWH * site.get("pue", 1.2) * trace[start.replace(minute=0, second=0, microsecond=0)]
        return total


def _trace(path: Path) -> dict[datetime, float]:
    with path.open() as file:
        rows = csv.DictReader(file)
        return {_time(row["datetime_utc"]): float(row["carbon_intensity_gco2_per_kwh"]) for row in rows}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _account(files: Files) -> dict[tuple[str, str], tuple[float, float]]:
    """(site, phase) → (kWh, g); `other` is what is neither boot nor metered."""
    sums: defaultdict[tuple[str, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for span in files.spans():
        energy_kwh, emissions_g = sums[span.site, span.phase]
        sums[span.site, span.phase] = energy_kwh + span.energy_j / KWH, emissions_g + files.grams(span)
    return dict(sums)


def _told(summary: Event) -> dict[tuple[str, str], tuple[float, float]]:
    """The summary's account in the same shape."""
    sums: defaultdict[tuple[str, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for site in summary["sites"]:
        for phase, told in site["phases"].items():
            key = site["site"], "other" if phase in ("idle", "transfer") else phase
            sums[key] = sums[key][0] + told["energy_kwh"], sums[key][1] + told["emissions_g"]
    return dict(sums)


@pytest.mark.prove
@needs("numpy", "sklearn")
def test_moved_twice_it_ends_like_one_that_stayed_and_accounts_for_every_gram(own_home: Path, tmp_path: Path) -> None:
    # Half the sample's steps.
    config = sample(tmp_path, "trace", SHORT)
    with Ga(own_home, tmp_path) as ga:
        running = ga.start("run", config, "--json")
        running.until_running(2)  # the policy's move
        ga("migrate", "trace", "sooty", "--wait")
        said = running.end()
        summary = said.summary()
        moves = [
            (event["source"], event["target"], event["reason"] == "asked for by ga migrate")
            for event in said.events()
            if event["event"] == "placement" and (event["purpose"], event["state"]) == ("move", "planned")
        ]
        assert moves[:2] == [("windy", "sunny", False), ("sunny", "sooty", True)]
        assert summary["migrations"] >= 2

        files = Files(config, ga.state / "jobs" / "trace-1", said.events())
        expected, told = _account(files), _told(summary)
        assert told.keys() == expected.keys()
        # Events are told a moment after what they tell of, which is a thousand times as long on the job's clock:
        # a hundredth of a small sum, or a thousandth of the whole, and of the whole itself no more.
        for index, total in enumerate(("energy_kwh", "emissions_g")):
            whole = summary[total]
            for key, sums in expected.items():
                assert told[key][index] == pytest.approx(sums[index], rel=0.01, abs=0.001 * whole), (key, total)
            assert sum(sums[index] for sums in expected.values()) == pytest.approx(whole, rel=0.001)

        # As fast as it can, since what a step takes changes nothing of its result.
        stays = sample(tmp_path, "trace", (policy_of(config), "policy: stay\n"), (" --step-seconds 0.06", ""))
        stayed = ga("run", stays, "--json").summary()
        assert (stayed["job"], stayed["migrations"], stayed["status"]) == ("trace-2", 0, "done")
        assert summary["checkpoint"] == stayed["checkpoint"]
        ga.wait_until_nothing_is_left()
