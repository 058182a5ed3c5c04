"""How good policies are: savings and overhead against never pausing, and one score of both.

After TheGreenEpoch (S. Wittmann, J. Kraus, B. Wiesner: Carbon-Aware LLM Training via Hysteresis Policy Optimization):
S = 100 · (E_b − E_p) / E_b, O = 100 · (T_p − T_b) / T_b, Q = (α · S / 100 + 1 − (1 − α) · O / B) / 2, where E are
emissions, T times, b never pauses, p is the policy, and B is the limit of the overhead; only defined for O ≤ B.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH
from gacli.sweep.columns import DURATION_S, EMISSIONS_G, ENERGY_J, FINISHED, PAUSED_S, PAUSES
from gacli.sweep.grid import CaseKey, Chunk, Plan
from gacli.sweep.results_file import ResultsFile
from gacli.sweep.threshold import evaluate, never_pausing, never_pausing_s, policies

# A finer grid has so many thresholds to either side of the best one, as far as the coarser one's next.
_FINER: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class NeverPausing:
    """What policies of a case are compared with."""

    emissions_g: float
    energy_j: float
    duration_s: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scored:
    """The policies of a chunk: an item each. NaN in the figures of comparison of runs that were given up.

    thresholds in g/kWh; results: a column each of `columns.COLUMNS`; saved_percent, overhead_percent, score: as above.
    """

    key: CaseKey
    baseline: NeverPausing
    pause_above_g_per_kwh: NDArray[np.float64]
    resume_below_g_per_kwh: NDArray[np.float64]
    results: NDArray[np.float64]
    saved_percent: NDArray[np.float64]
    overhead_percent: NDArray[np.float64]
    score: NDArray[np.float64]

    def best(self) -> Point | None:
        """The highest score, of equals the first one; None when all were given up."""
        if np.isnan(self.score).all():
            return None
        index = int(np.nanargmax(self.score))
        row = self.results[index]
        return Point(
            key=self.key,
            baseline=self.baseline,
            pause_above_g_per_kwh=float(self.pause_above_g_per_kwh[index]),
            resume_below_g_per_kwh=float(self.resume_below_g_per_kwh[index]),
            emissions_g=float(row[EMISSIONS_G]),
            energy_j=float(row[ENERGY_J]),
            duration_s=float(row[DURATION_S]),
            pauses=int(row[PAUSES]),
            paused_s=float(row[PAUSED_S]),
            saved_percent=float(self.saved_percent[index]),
            overhead_percent=float(self.overhead_percent[index]),
            score=float(self.score[index]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One policy with what became of it."""

    key: CaseKey
    baseline: NeverPausing
    pause_above_g_per_kwh: float
    resume_below_g_per_kwh: float
    emissions_g: float
    energy_j: float
    duration_s: float
    pauses: int
    paused_s: float
    saved_percent: float
    overhead_percent: float
    score: float


class Scoring:
    """Scores what is in a file of results; baselines are worked out once a case."""

    def __init__(self, plan: Plan, file: ResultsFile) -> None:
        self._plan, self._file = plan, file
        self._baselines: dict[int, NeverPausing] = {}

    def scored(self, chunks: Iterable[Chunk] | None = None) -> Iterator[Scored]:
        """chunks: None: all of the plan, in its order."""
        for chunk in self._plan.chunks if chunks is None else chunks:
            yield self._scored(chunk)

    def baseline(self, key: CaseKey) -> NeverPausing:
        """The case's job, never paused."""
        if key.number not in self._baselines:
            case = self._plan.case(key)
            row = never_pausing(replace(case, limit_s=min(case.limit_s, never_pausing_s(case.job, case.boot_s))))
            self._baselines[key.number] = NeverPausing(
                emissions_g=float(row[EMISSIONS_G]), energy_j=float(row[ENERGY_J]), duration_s=float(row[DURATION_S])
            )
        return self._baselines[key.number]

    def best(self) -> list[Point]:
        """Of each job at each site the policy with the highest score over all starts, of equals the first one, from the
        grid and then from the finer grids around it that the sweep asks for.

        A job at a site where every policy is given up is left out.
        """
        found: dict[tuple[str, str], Point] = {}
        for scored in self.scored():
            point = scored.best()
            of = (scored.key.job.name, scored.key.site.name)
            if point is not None and (of not in found or point.score > found[of].score):
                found[of] = point
        return [self._refined(found[of]) for of in sorted(found, key=lambda of: found[of].key.number)]

    def _scored(self, chunk: Chunk) -> Scored:
        thresholds = self._plan.thresholds(chunk.key.site)
        return self._compared(chunk.key, thresholds[self._plan.chunk_policies(chunk)], self._file.results(chunk))

    def _refined(self, point: Point) -> Point:
        """The best one of finer and finer grids from the start of `point`, which is in each of them."""
        rounds = self._plan.sweep.thresholds.refine
        if rounds == 0:
            return point
        case, grid = self._plan.case(point.key), self._plan.thresholds(point.key.site)
        reach = float(np.diff(grid).max()) if len(grid) > 1 else 0.0
        for _ in range(rounds):
            around = np.linspace(-reach, reach, 2 * _FINER + 1)
            middles = np.array([[point.pause_above_g_per_kwh], [point.resume_below_g_per_kwh]])
            finer = np.unique(np.clip(middles + around, 0.0, MAX_INTENSITY_G_PER_KWH))
            results = evaluate(case, finer, 0, len(finer))
            found = self._compared(point.key, finer[policies(len(finer), 0, len(finer))], results).best()
            if found is not None and found.score > point.score:
                point = found
            reach /= _FINER
        return point

    def _compared(self, key: CaseKey, thresholds: NDArray[np.float64], results: NDArray[np.float64]) -> Scored:
        """thresholds: of each policy, to pause and to resume at."""
        baseline, sweep = self.baseline(key), self._plan.sweep
        finished = results[:, FINISHED] == 1
        saved = np.where(finished, _percent_less(results[:, EMISSIONS_G], baseline.emissions_g), np.nan)
        overhead = np.where(finished, -_percent_less(results[:, DURATION_S], baseline.duration_s), np.nan)
        return Scored(
            key=key,
            baseline=baseline,
            pause_above_g_per_kwh=thresholds[:, 0],
            resume_below_g_per_kwh=thresholds[:, 1],
            results=results,
            saved_percent=saved,
            overhead_percent=overhead,
            score=(sweep.alpha * saved / 100 + 1 - (1 - sweep.alpha) * overhead / sweep.limit_percent) / 2,
        )


def _percent_less(values: NDArray[np.float64], than: float) -> NDArray[np.float64]:
    """By how much they are less, in percent; of nothing nothing can be saved."""
    less: NDArray[np.float64] = 100.0 * (than - values) / than if than > 0 else np.zeros_like(values)
    return less
