"""Proof that a job survives whatever happens to `ga`: real runs on mock machines, killed at random and chosen moments.

    make prove-kills

Prints a table, and ends with 1 when anything is not as it must be; the folder of such a run is kept and named.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from support.kill_checks import Findings, check
from support.kill_scenario import Place, Scenario
from support.kills import Ended, Killing, NeverEnds, moments_s

SCENARIO = Scenario(steps=350, step_s=0.08, ballast_mib=16)
SEEDS = (1, 2, 3, 4)
MOMENTS = 4
EVERY_RUN = ("move target_requested", "move stopping", "move copying", "move starting", "running fetching")
# Dealt to the runs in turn; most last for one tick only.
IN_TURN = (
    "start planned",
    "move planned",
    "finish stopped",
    "start target_requested",
    "start starting",
    "move target_ready",
    "move releasing_source",
    "finish copying",
    "start confirmed",
    "move stopped",
    "move verified",
    "finish releasing_source",
    "move confirmed",
    "finishing",
)
MIN_MOVES = 2
MIN_KILLS = 30
WITHIN_S = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    name: str
    ended: Ended
    findings: Findings

    @property
    def problems(self) -> list[str]:
        few = (
            [] if self.findings.moves >= MIN_MOVES else [f"moves: {self.findings.moves}, expected {MIN_MOVES} or more"]
        )
        return [*self.findings.all, *few]

    def cells(self) -> list[str]:
        findings = self.findings

        def word(what: str, good: str) -> str:
            return f"**{len(findings.problems[what])} PROBLEMS**" if findings.problems[what] else good

        off_percent = findings.ledger_off_percent
        return [
            self.name,
            str(len(self.ended.kills)),
            _listed([kill.state for kill in self.ended.kills]),
            str(findings.generations),
            str(findings.moves),
            word("weights", "identical"),
            word("overlap", "none"),
            word("leftovers", "none"),
            "not comparable" if off_percent is None else f"{off_percent:.4f} %",
        ]


def _listed(states: list[str]) -> str:
    """`start: planned; move: copying ×2; running`."""
    counted = Counter(states)
    by_purpose: dict[str, list[str]] = {}
    for state, count in counted.items():
        purpose, _, name = state.rpartition(" ")
        by_purpose.setdefault(purpose, []).append(name + (f" ×{count}" if count > 1 else ""))
    return "; ".join((f"{purpose}: " if purpose else "") + ", ".join(names) for purpose, names in by_purpose.items())


HEADER = ["run", "kills", "states hit", "generations", "moves", "weights", "overlap", "leftovers", "ledger off by"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="a run each; the same seed tries the same")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ga-kills-"))
    sha256 = SCENARIO.undisturbed_sha256(folder / "undisturbed")
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}", flush=True)
    rows = [_run(folder / "calm", "no kills", 0, sha256, [], [])]
    lived_s = rows[0].ended.lived_s
    for number, seed in enumerate(arguments.seeds):
        rows.append(
            _run(
                folder / f"seed-{seed}",
                f"seed {seed}",
                seed,
                sha256,
                moments_s(seed, MOMENTS, over_s=lived_s),
                [*EVERY_RUN, *IN_TURN[number % len(SEEDS) :: len(SEEDS)]],
            )
        )
    problems = [f"{row.name}: {problem}" for row in rows for problem in row.problems]
    kills = [kill for row in rows for kill in row.ended.kills]
    missed = {*EVERY_RUN, *IN_TURN, "running"} - {kill.state for kill in kills}
    print(f"\n{len(kills)} kills in {len(arguments.seeds)} runs; not hit: {', '.join(sorted(missed)) or 'no state'}")
    if len(arguments.seeds) >= len(SEEDS):
        problems += [f"no kill hit the state {state}" for state in EVERY_RUN if state in missed]
        problems += [] if len(kills) >= MIN_KILLS else [f"{len(kills)} kills, expected {MIN_KILLS} or more"]
    if problems:
        print("\n".join(["", *problems, f"all is kept in {folder}"]), file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def _run(folder: Path, name: str, seed: int, sha256: str, moments: list[float], aims: list[str]) -> Row:
    place = Place(folder)
    SCENARIO.write(place)
    try:
        killing = Killing(place, seed=seed, moments_s=moments, aims=aims, aims_at_placement=3)
        ended = killing.run(within_s=WITHIN_S)
    except NeverEnds as error:
        raise SystemExit(f"{name}: {error}; all is kept in {folder}") from error
    row = Row(name=name, ended=ended, findings=check(place, SCENARIO, ended, sha256=sha256))
    print(f"| {' | '.join(row.cells())} |", flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
