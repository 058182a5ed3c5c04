"""What concerns several keys of a sweep at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from gacli.config.named import impossible_powers, same_names
from gacli.config.problems import Problem, near
from gacli.config.sweep_model import MOST_THRESHOLDS, SweepConfig


def problems(config: SweepConfig) -> list[Problem]:
    """Everything wrong with a sweep whose single values are right, but for its traces."""
    return [
        *_names(config),
        *impossible_powers(config.sites),
        *_carbon(config),
        *_starts(config),
        *_thresholds(config),
        *_limit(config),
    ]


def _names(config: SweepConfig) -> Iterator[Problem]:
    yield from same_names("sites", [site.name for site in config.sites])
    yield from same_names("jobs", [job.name for job in config.jobs])


def _carbon(config: SweepConfig) -> Iterator[Problem]:
    carbon = config.carbon
    if carbon.folder is None and carbon.files is None:
        yield Problem(loc=("carbon",), text="expected `folder` or `files`, found neither")
    elif carbon.folder is not None and carbon.files is not None:
        yield Problem(loc=("carbon", "files"), text="found both `folder` and `files`, expected one of them")
    elif carbon.files is not None:
        zones = {site.zone for site in config.sites}
        for zone in sorted(set(carbon.files) - zones):
            text = f"no site is in this zone; {near(zone, sorted(zones))}"
            yield Problem(loc=("carbon", "files", zone), text=text)
        for index, site in enumerate(config.sites):
            if site.zone not in carbon.files:
                text = f'carbon.files has no "{site.zone}"; {near(site.zone, sorted(carbon.files))}'
                yield Problem(loc=("sites", index, "zone"), text=text)


def _starts(config: SweepConfig) -> Iterator[Problem]:
    starts = config.starts
    if starts.at is not None:
        if starts.years is not None or starts.every is not None:
            yield Problem(loc=("starts",), text="found times and years to take them from, expected one of them")
        elif not starts.at:
            yield Problem(loc=("starts",), text="found an empty list, expected at least one time")
        for index, (earlier, later) in enumerate(pairwise(starts.at), start=1):
            if later <= earlier:
                yield Problem(loc=("starts", index), text="found a time that is not after the one before it")
    elif starts.years is None or starts.every is None:
        yield Problem(loc=("starts",), text="expected a list of times, or both `years` and `every`")
    elif not starts.years:
        yield Problem(loc=("starts", "years"), text="found an empty list, expected at least one year")
    else:
        for index, (earlier_year, later_year) in enumerate(pairwise(starts.years), start=1):
            if later_year <= earlier_year:
                yield Problem(loc=("starts", "years", index), text="found a year that is not after the one before it")


def _thresholds(config: SweepConfig) -> Iterator[Problem]:
    thresholds = config.thresholds
    by_step = (thresholds.first, thresholds.last, thresholds.step)
    if thresholds.count is not None:
        if by_step != (None, None, None):
            yield Problem(loc=("thresholds",), text="found `count` and a range, expected one of them")
    elif thresholds.first is None or thresholds.last is None or thresholds.step is None:
        yield Problem(loc=("thresholds",), text="expected `count`, or all of `from`, `to` and `step`")
    elif thresholds.last < thresholds.first:
        text = f"found {thresholds.last:g} below `from`, {thresholds.first:g}"
        yield Problem(loc=("thresholds", "to"), text=text)
    elif (thresholds.last - thresholds.first) / thresholds.step + 1 > MOST_THRESHOLDS:
        text = f"found more than {MOST_THRESHOLDS} thresholds, expected a larger step"
        yield Problem(loc=("thresholds", "step"), text=text)


def _limit(config: SweepConfig) -> Iterator[Problem]:
    if not config.limit > 0:
        yield Problem(loc=("limit",), text="found 0, expected a percentage above 0: no pause would be possible")
