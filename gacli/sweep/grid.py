"""A sweep as a list of cases, and those as chunks of work, each of which can be done by itself and in any order."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gacli.config.problems import Problem
from gacli.config.sweep import Series, Sweep, SweepJob, SweepSite, year_s
from gacli.errors import ConfigError
from gacli.sweep.threshold import ThresholdCase, never_pausing_s, policies

# A chunk has at most so many policies, and tables of at most so many entries: about a second's work in 32 MB.
_MOST_POLICIES: Final = 65_536
_MOST_ENTRIES: Final = 8_000_000
# Four years of polls a minute: what is known at each of them takes 36 bytes.
_MOST_POLLS: Final = 2_200_000
# What one file of results is meant for.
_MOST_TOTAL: Final = 50_000_000
# Part of what results are recognised by: another number, other results from the same file.
_RULES: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseKey:
    """Which job, where, from when. number: its place in the plan."""

    number: int
    job: SweepJob
    site: SweepSite
    start: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """The policies of one case that resume at thresholds `first` to `last`, the latter not included."""

    number: int
    key: CaseKey
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """Everything that a sweep tries. ConfigError for traces that do not cover it, far too many policies, or polls."""

    sweep: Sweep

    def __post_init__(self) -> None:
        longest_s = max(self._limit_s(job, site) for job in self.sweep.jobs for site in self.sweep.sites)
        if longest_s > self.sweep.poll_s * _MOST_POLLS:
            text = (
                f"a run of up to {longest_s / 86_400:,.0f} days would be polled over {_MOST_POLLS:,} times; expected "
                "rarer polls, or a lower `limit`"
            )
            raise self.sweep.error(Problem(loc=("poll",), text=text))
        for zone, index in {site.site.zone: index for index, site in reversed([*enumerate(self.sweep.sites)])}.items():
            self._require_cover(zone, index)
        if self.policies > _MOST_TOTAL:
            text = f"these are {self.policies:,} policies in all, expected at most {_MOST_TOTAL:,}"
            raise self.sweep.error(Problem(loc=("thresholds",), text=text))

    @cached_property
    def keys(self) -> tuple[CaseKey, ...]:
        """By job, then site, then start."""
        sweep = self.sweep
        found = [(job, site, start) for job in sweep.jobs for site in sweep.sites for start in sweep.starts]
        return tuple(
            CaseKey(number=number, job=job, site=site, start=start) for number, (job, site, start) in enumerate(found)
        )

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """By case, then threshold."""
        found: list[Chunk] = []
        for key in self.keys:
            thresholds = len(self.thresholds(key.site))
            width = self._width(key, thresholds)
            for first in range(0, thresholds, width):
                last = min(first + width, thresholds)
                found.append(Chunk(number=len(found), key=key, first=first, last=last))
        return tuple(found)

    @cached_property
    def policies(self) -> int:
        """How many are tried in all cases together."""
        by_site = [len(self.thresholds(site)) for site in self.sweep.sites]
        return len(self.sweep.jobs) * len(self.sweep.starts) * sum(n * (n + 1) // 2 for n in by_site)

    @cached_property
    def digest(self) -> str:
        """Tells whether results are of this very sweep: its file and the numbers of its traces."""
        told = hashlib.sha256(f"{_RULES} {self.sweep.document.sha256}".encode())
        for zone, series in sorted(self.sweep.series.items()):
            told.update(f"{zone} {series.start.isoformat()} {series.step_s}".encode())
            told.update(series.intensity_g_per_kwh.tobytes())
        return told.hexdigest()

    def thresholds(self, site: SweepSite) -> NDArray[np.float64]:
        """What is tried there, in g/kWh, ascending."""
        return self._thresholds[site.site.zone]

    @cached_property
    def _thresholds(self) -> dict[str, NDArray[np.float64]]:
        asked = self.sweep.thresholds
        if asked.count is None:
            assert asked.first is not None
            assert asked.last is not None
            assert asked.step is not None
            # A last one that only rounding puts above the end is meant to be among them.
            steps = math.floor((asked.last - asked.first) / asked.step + 1e-9)
            same = asked.first + asked.step * np.arange(steps + 1, dtype=np.float64)
            return dict.fromkeys(self.sweep.series, same)
        return {zone: self._spread(series, asked.count) for zone, series in self.sweep.series.items()}

    def case(self, key: CaseKey) -> ThresholdCase:
        """The numbers of one case."""
        sweep, site = self.sweep, key.site.site
        limit_s = self._limit_s(key.job, key.site)
        series = self.sweep.series[site.zone]
        intensity, offset_s = (self._repeated if sweep.repeat_year else _cut)(series, key.start, limit_s)
        return ThresholdCase(
            job=key.job.job,
            boot_s=key.site.boot_s,
            poll_s=sweep.poll_s,
            hold_paused=sweep.hold_paused,
            limit_s=limit_s,
            busy_w=site.power.busy_w * key.job.gpus,
            idle_w=site.power.idle_w * key.job.gpus,
            pue=site.pue,
            budget_percent=sweep.budget_percent,
            intensity_g_per_kwh=intensity,
            step_s=series.step_s,
            offset_s=offset_s,
        )

    def chunk_policies(self, chunk: Chunk) -> NDArray[np.int32]:
        """The indices of the thresholds to pause and to resume at, in the order of the chunk's results."""
        return policies(len(self.thresholds(chunk.key.site)), chunk.first, chunk.last)

    def _width(self, key: CaseKey, thresholds: int) -> int:
        limit_s = self._limit_s(key.job, key.site)
        stretches = limit_s / max(self.sweep.poll_s, self.sweep.series[key.site.site.zone].step_s) + 2
        return max(1, min(thresholds, _MOST_POLICIES // thresholds, int(_MOST_ENTRIES / stretches)))

    def _limit_s(self, job: SweepJob, site: SweepSite) -> float:
        return never_pausing_s(job.job, site.boot_s) * (1 + self.sweep.limit_percent / 100)

    def _spread(self, series: Series, count: int) -> NDArray[np.float64]:
        """From the lowest to the highest intensity that a run may see."""
        if self.sweep.repeat_year:
            seen = np.concatenate([_year(series, year) for year in sorted({s.year for s in self.sweep.starts})])
        else:
            seen, _ = _cut(series, self.sweep.starts[0], self._last_end_s(series))
        return np.unique(np.linspace(seen.min(), seen.max(), count))

    def _last_end_s(self, series: Series) -> float:
        """From the first start until the last run of the series' zone is given up at the latest."""
        sweep = self.sweep
        longest_s = max(
            self._limit_s(job, site)
            for job in sweep.jobs
            for site in sweep.sites
            if sweep.series[site.site.zone] is series
        )
        return (sweep.starts[-1] - sweep.starts[0]).total_seconds() + longest_s

    def _repeated(self, series: Series, start: datetime, length_s: float) -> tuple[NDArray[np.float64], float]:
        """As `_cut`, from the year of the start, again and again."""
        year = _year(series, start.year)
        since_s = (start - datetime(start.year, 1, 1, tzinfo=UTC)).total_seconds()
        first = int(since_s // series.step_s)
        offset_s = since_s - first * series.step_s
        count = math.ceil((offset_s + length_s) / series.step_s)
        return np.take(year, np.arange(first, first + count), mode="wrap"), offset_s

    def _require_cover(self, zone: str, index: int) -> None:
        sweep, series = self.sweep, self.sweep.series[zone]
        span = f"trace {series.source} covers {series.start:%Y-%m-%d %H:%M} to {series.end:%Y-%m-%d %H:%M} UTC"
        if sweep.repeat_year:
            for year in sorted({start.year for start in sweep.starts}):
                first, last = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
                whole = ((first - series.start).total_seconds() / series.step_s).is_integer() and (
                    year_s(year) / series.step_s
                ).is_integer()
                if series.start > first or series.end < last or not whole:
                    raise self._uncovered(index, f"{span}, expected the whole of {year}, which is to be repeated")
            return
        if sweep.starts[0] < series.start:
            raise self._uncovered(index, f"{span}, but the first run starts at {sweep.starts[0]:%Y-%m-%d %H:%M}")
        end = sweep.starts[0] + timedelta(seconds=self._last_end_s(series))
        if end > series.end:
            raise self._uncovered(
                index,
                f"{span}, but the last run may last until {end:%Y-%m-%d %H:%M} (its start and `limit`): expected "
                "earlier starts, a lower limit, a longer trace, or `repeat_year: true` in `carbon`",
            )

    def _uncovered(self, index: int, text: str) -> ConfigError:
        return self.sweep.error(Problem(loc=("sites", index, "zone"), text=text))


def _cut(series: Series, start: datetime, length_s: float) -> tuple[NDArray[np.float64], float]:
    """What is in force from the start on for so long, and how long before the start its first reading began."""
    since_s = (start - series.start).total_seconds()
    first = int(since_s // series.step_s)
    offset_s = since_s - first * series.step_s
    count = math.ceil((offset_s + length_s) / series.step_s)
    return np.array(series.intensity_g_per_kwh[first : first + count]), offset_s


def _year(series: Series, year: int) -> NDArray[np.float64]:
    intensity, _ = _cut(series, datetime(year, 1, 1, tzinfo=UTC), year_s(year))
    return intensity
