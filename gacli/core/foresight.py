"""The schedule that emits least when everything is known: dynamic programming on arrays.

NumPy is needed here: a week in steps of five minutes at ten sites takes tens of millions of additions, a second instead
of minutes. Only `hindsight.clairvoyant_bound` imports this module, when it is called.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One site on the work's time axis, in seconds from its first instant.

    changes_s: ascending instants at which the emission rate changes. rate_g_per_j: from each of them on, in gCO2eq per
    J of IT energy, PUE included; the first one holds before, too. idle_w, boot_s: what a move draws here.
    """

    changes_s: Floats
    rate_g_per_j: Floats
    idle_w: float
    boot_s: float


def place_of(changes: Sequence[tuple[float, float]], *, idle_w: float, boot_s: float) -> Place:
    """changes: ascending (instant in s, rate in gCO2eq per J from then on), at least one; see `Place`."""
    instants, rates = zip(*changes, strict=True)
    return Place(changes_s=np.array(instants, float), rate_g_per_j=np.array(rates, float), idle_w=idle_w, boot_s=boot_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """The job is at `place` (an index) from `start_s` seconds of work on."""

    place: int
    start_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """emissions_g: all of it, in gCO2eq, moves included."""

    emissions_g: float
    route: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layer:
    """How each site and instant was reached with so many moves: where the last one came from, and when it was made."""

    source: Indices
    made: Indices


class _Work:
    """Energy over seconds of work, at a constant power within each interval."""

    def __init__(self, lengths_s: Sequence[float], energies_j: Sequence[float], grid: Floats) -> None:
        lengths, energies = np.asarray(lengths_s, float), np.asarray(energies_j, float)
        long = lengths > 0
        self.grid = grid
        self._at = np.concatenate([[0.0], np.cumsum(lengths[long])])
        self._at[-1] = grid[-1]
        self._energy_j = np.concatenate([[0.0], np.cumsum(energies[long])])
        # Energy at a single instant belongs to the step that begins there, at the very end to the last one.
        self._instants = np.minimum(np.cumsum(lengths)[~long], grid[-1])
        self._instants_j = energies[~long]
        self._instants_step = np.clip(np.searchsorted(grid, self._instants, "right") - 1, 0, len(grid) - 2)

    def emitted_g(self, place: Place, delay_s: float) -> Floats:
        """Emissions of the work up to each instant of the grid, done at `place` and `delay_s` late."""
        cuts = np.clip(place.changes_s - delay_s, 0.0, self.grid[-1])
        instants = np.sort(np.concatenate([self.grid, self._at, cuts]), kind="stable")
        middles = (instants[1:] + instants[:-1]) / 2
        parts_g = np.diff(np.interp(instants, self._at, self._energy_j)) * _rate(place, middles + delay_s)
        sums_g = np.concatenate([[0.0], np.cumsum(parts_g)])
        emitted_g: Floats = sums_g[np.searchsorted(instants, self.grid)]
        if len(self._instants):
            by_step = np.zeros(len(self.grid) - 1)
            np.add.at(by_step, self._instants_step, self._instants_j * _rate(place, self._instants + delay_s))
            emitted_g[1:] += np.cumsum(by_step)
        return emitted_g


def least_schedule(
    lengths_s: Sequence[float],
    energies_j: Sequence[float],
    places: Sequence[Place],
    *,
    downtime_s: float,
    steps: int,
    most_moves: int,
    first: int | None,
) -> Schedule:
    """The least emissions of the work, and a schedule that has them.

    lengths_s, energies_j: the work's intervals in order, together longer than 0 s. steps: the work is cut into so many
    of equal length; a move is made between two of them, at least one step after the one before, most_moves in all.
    Each move puts off the rest of the work by downtime_s, in which source and target idle; the target idles for its
    boot before that, too. first: where the job begins; None: wherever is best.

    One layer of the programme is the number of moves, and with it the delay; within it `g[site, instant]` is the least
    emission with so many moves of having come so far at that site. A layer follows from the one before it, by a running
    minimum over the instant of the move.
    """
    grid = np.linspace(0.0, math.fsum(lengths_s), steps + 1)
    work = _Work(lengths_s, energies_j, grid)
    least_g = np.stack([work.emitted_g(place, 0.0) for place in places])
    if first is not None:
        least_g[np.arange(len(places)) != first] = np.inf
    best_g, best_place, best_moves = float(least_g[:, -1].min()), int(least_g[:, -1].argmin()), 0
    layers: list[_Layer] = []
    for moves in range(1, min(most_moves, steps - 1) + 1 if len(places) > 1 else 1):
        entered_g, source = _entered(least_g, places, grid + (moves - 1) * downtime_s, downtime_s)
        emitted_g = np.stack([work.emitted_g(place, moves * downtime_s) for place in places])
        ahead_g = entered_g - emitted_g
        running_g = np.minimum.accumulate(ahead_g, axis=1)
        better = np.ones_like(ahead_g, dtype=bool)
        better[:, 1:] = ahead_g[:, 1:] < running_g[:, :-1]
        made = np.maximum.accumulate(np.where(better, np.arange(steps + 1), 0), axis=1)
        layers.append(_Layer(source=source, made=made.astype(np.int32)))
        total_g = emitted_g[:, -1] + running_g[:, -1]
        if float(total_g.min()) < best_g:
            best_g, best_place, best_moves = float(total_g.min()), int(total_g.argmin()), moves
        # A move needs a step of work after the one before it.
        least_g = np.full_like(emitted_g, np.inf)
        least_g[:, 1:] = emitted_g[:, 1:] + running_g[:, :-1]
    return Schedule(emissions_g=best_g, route=_route(layers[:best_moves], best_place, grid))


def _entered(
    least_g: Floats, places: Sequence[Place], departures_s: Floats, downtime_s: float
) -> tuple[Floats, Indices]:
    """Least emissions right after a move to each site, by the work's instant at which it is made, and from where."""
    left_g = np.stack(
        [
            least + place.idle_w * (_integral(place, departures_s + downtime_s) - _integral(place, departures_s))
            for least, place in zip(least_g, places, strict=True)
        ]
    )
    entered_g = np.full_like(left_g, np.inf)
    source = np.zeros(left_g.shape, dtype=np.int32)
    inner = slice(1, -1)
    for index, place in enumerate(places):
        others = left_g[:, inner].copy()
        others[index] = np.inf
        source[index, inner] = others.argmin(axis=0)
        ready = _integral(place, departures_s + downtime_s) - _integral(place, departures_s - place.boot_s)
        entered_g[index, inner] = others.min(axis=0) + place.idle_w * ready[inner]
    return entered_g, source


def _route(layers: Sequence[_Layer], place: int, grid: Floats) -> tuple[Step, ...]:
    """Back from the last site to the first."""
    route: list[Step] = []
    instant = len(grid) - 1
    for number, layer in enumerate(reversed(layers)):
        # But for the last site, work was done there up to the move that left it: that one came a step later at least.
        made = int(layer.made[place, instant if number == 0 else instant - 1])
        route.append(Step(place=place, start_s=float(grid[made])))
        place, instant = int(layer.source[place, made]), made
    route.append(Step(place=place, start_s=0.0))
    return tuple(reversed(route))


def _rate(place: Place, instants_s: Floats) -> Floats:
    index = np.searchsorted(place.changes_s, instants_s, "right") - 1
    rate: Floats = place.rate_g_per_j[np.maximum(index, 0)]
    return rate


def _integral(place: Place, instants_s: Floats) -> Floats:
    """Grams per W from the first change to each instant; negative before it."""
    sums = np.concatenate([[0.0], np.cumsum(np.diff(place.changes_s) * place.rate_g_per_j[:-1])])
    index = np.maximum(np.searchsorted(place.changes_s, instants_s, "right") - 1, 0)
    integral: Floats = sums[index] + place.rate_g_per_j[index] * (instants_s - place.changes_s[index])
    return integral
