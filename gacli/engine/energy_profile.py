"""A job's recorded energy over time, as finely as it is known: from the agents' lines where they are kept.

The ledger joins what lies under one reading, and so spreads its energy evenly; the lines tell when it was used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ga_playbooks.messages import PollAnswer, parse_poll
from gacli.core.energy import Phase
from gacli.engine.metering import Stretch, beyond
from gacli.errors import GaError
from gacli.folders import Folders
from gacli.ports.clock import Clock
from gacli.ports.machine import PowerSample
from gacli.store.ledger import LedgerEntry

# What an agent meters; all else was modelled by the controller and has no telemetry.
_METERED = (Phase.TRAIN, Phase.CHECKPOINT)
_LINES_AT_A_TIME = 5000
_WITHOUT = "Move the file away to go by the ledger alone."
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Profile(NamedTuple):
    """One recorded interval with its energy over time. raw_j: what of it the telemetry told."""

    entry: LedgerEntry
    stretches: list[Stretch]
    raw_j: float


def profiles(recorded: Sequence[LedgerEntry], folders: Folders, job_id: str, clock: Clock) -> Iterator[Profile]:
    """Each recorded interval, in its order, with its energy over time as finely as it is known."""
    telling: dict[int, _Telling] = {}
    for entry in recorded:
        energy = entry.emission.energy
        told: list[Stretch] = []
        if energy.phase in _METERED:
            if energy.generation not in telling:
                samples = _samples(folders.telemetry(job_id, energy.generation))
                telling[energy.generation] = _Telling(_in_turn(samples, clock))
            told = telling[energy.generation].within(energy.start, energy.end)
        raw_j = sum(stretch.energy_j for stretch in told)
        # What no line tells of (a lost machine's end, holes) has the energy that the lines leave of what was recorded.
        gaps = list(_gaps(energy.start, energy.end, told))
        gaps_s = sum((end - start).total_seconds() for start, end in gaps)
        left_j = max(0.0, energy.energy_j - raw_j)
        filled = [
            Stretch(start=start, end=end, energy_j=left_j * ((end - start).total_seconds() / gaps_s))
            for start, end in gaps
        ]
        if not told:
            filled = [Stretch(start=energy.start, end=energy.end, energy_j=energy.energy_j)]
        yield Profile(entry, sorted([*told, *filled], key=lambda stretch: stretch.start), raw_j)


class _Telling:
    """One generation's stretches, read once from the first to the last."""

    def __init__(self, stretches: Iterator[Stretch]) -> None:
        self._stretches = stretches
        self._at = next(stretches, None)

    def within(self, start: datetime, end: datetime) -> list[Stretch]:
        """What lies in [start, end), cut to it; asked in the order of time."""
        told: list[Stretch] = []
        while self._at is not None and self._at.start < end:
            one = self._at
            cut = replace(one, start=max(start, one.start), end=min(end, one.end))
            if cut.start < cut.end:
                share = (cut.end - cut.start) / (one.end - one.start)
                told.append(replace(cut, energy_j=one.energy_j * share))
            if one.end > end:
                break
            self._at = next(self._stretches, None)
        return told


def _in_turn(samples: Iterable[PowerSample], clock: Clock) -> Iterator[Stretch]:
    """Samples as the ledger took them: none before the end of the one before it."""
    mark = _LONG_AGO
    for sample in samples:
        stretch = beyond(mark, sample, clock)
        if stretch is not None:
            mark = stretch.end
            yield stretch


def _gaps(start: datetime, end: datetime, told: Sequence[Stretch]) -> Iterator[tuple[datetime, datetime]]:
    for stretch in told:
        if start < stretch.start:
            yield start, stretch.start
        start = stretch.end
    if start < end:
        yield start, end


def _samples(path: Path) -> Iterator[PowerSample]:
    """The energy samples of a file of an agent's lines; none without a file. A half line at its end is left out."""
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            while lines := list(islice(file, _LINES_AT_A_TIME)):
                yield from _parsed([line for line in lines if line.endswith("\n")], where=str(path))
    except OSError as error:
        raise GaError(f"{path}: cannot be read: {error}", hint=_WITHOUT) from error


def _parsed(lines: list[str], *, where: str) -> tuple[PowerSample, ...]:
    answer = PollAnswer(
        generation=0, agent_alive=False, lock_held=False, exit=None, last_seq=0, clock_s=0.0, records=lines,
        through=0, more=False,
    )  # fmt: skip
    try:
        return parse_poll([answer], where=where).power
    except GaError as error:
        raise GaError(error.message, hint=_WITHOUT) from error
