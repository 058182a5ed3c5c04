"""What must hold of a job after it was killed and started again, whatever the moments."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from support import kill_ledger
from support.kill_scenario import JOB, Place, Scenario
from support.kills import Ended

from ga_providers.mock_folder import FOLDER_MARK
from ga_trainer import verify

LEDGER_LIMIT_PERCENT = 0.1
# All that a job which is over may leave in the state folder.
_STAYS = re.compile(
    r"ga\.db(-wal|-shm)?|store-id(\.lock)?|keys/(id_ed25519(\.pub)?|lock)|pins/\.lock|providers/mock/lock"
    rf"|jobs/{JOB}/(controller\.(log|lock)|(logs|telemetry)/g\d{{4}}\.(log|jsonl)|checkpoints/step-\d{{9}}/[^/]+)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """Problems by what they violate; every list is empty when all is well. ledger_off_percent: None: not comparable."""

    generations: int
    moves: int
    ledger_off_percent: float | None
    problems: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def all(self) -> list[str]:
        return [f"{what}: {problem}" for what, problems in self.problems.items() for problem in problems]


def check(place: Place, scenario: Scenario, ended: Ended, *, sha256: str, patience_s: float = 15.0) -> Findings:
    """sha256: of the final checkpoint of a training that nobody disturbed. patience_s: for processes to end."""
    summary = _summary(place)
    off_percent, ledger_problems = _ledger(place, scenario)
    return Findings(
        generations=int(str(summary.get("generation", 0))),
        moves=int(str(summary.get("migrations", 0))),
        ledger_off_percent=off_percent,
        problems={
            "end": _end(ended, summary, scenario),
            "weights": _weights(place, summary, scenario, sha256),
            "overlap": overlaps(_lives(place)),
            "leftovers": [
                *leftovers(place, patience_s),
                *(f"authorized key: {key}" for key in sorted(ended.stray_keys)),
            ],
            "ledger": ledger_problems,
            "errors": _errors(place),
        },
    )


def _end(ended: Ended, summary: Mapping[str, object], scenario: Scenario) -> list[str]:
    problems = []
    if ended.exit_code not in (0, None):
        problems.append(f"ga ended with {ended.exit_code}: {ended.said[-2000:]}")
    if (summary.get("status"), summary.get("steps")) != ("done", scenario.steps):
        problems.append(f"the summary is {summary}")
    return problems


def _weights(place: Place, summary: Mapping[str, object], scenario: Scenario, sha256: str) -> list[str]:
    """The controller's copy is read to the last byte."""
    try:
        found = verify(place.folders.checkpoints(JOB) / f"step-{scenario.steps:09d}")
    except (OSError, ValueError) as error:
        return [f"the final checkpoint cannot be used: {error}"]
    told = summary.get("checkpoint")
    expected = {"step": scenario.steps, "sha256": sha256}
    if found.sha256 == sha256 and told == expected:
        return []
    return [f"expected {sha256}, found {found.sha256}, the summary says {told}"]


def overlaps(lives: Iterable[Mapping[str, object]]) -> list[str]:
    """Each trainer begins after the one before it has ended, under a generation that is new and higher."""
    problems = []
    open_life: Mapping[str, object] | None = None
    generation = 0
    for line in sorted(lives, key=lambda line: float(str(line["at_s"]))):
        if line["event"] == "end":
            if open_life is None or open_life["pid"] != line["pid"]:
                problems.append(f"this end belongs to no open life: {line}")
            open_life = None
            continue
        if open_life is not None:
            problems.append(f"began while another had not ended: {line}, {open_life}")
        if line["alone"] is not True:
            problems.append(f"began while another held the lock: {line}")
        if int(str(line["generation"])) <= generation:
            problems.append(f"generation {line['generation']} began after generation {generation}")
        open_life, generation = line, int(str(line["generation"]))
    if generation == 0:
        problems.append("no trainer ever lived")
    if open_life is not None:
        problems.append(f"never ended: {open_life}")
    return problems


def leftovers(place: Place, patience_s: float) -> list[str]:
    """Processes, machines, keys and temporary files that have outlived the job."""
    give_up_at = time.monotonic() + patience_s
    while (processes := _processes(place.folder)) and time.monotonic() < give_up_at:
        time.sleep(0.1)
    root = place.folders.root
    # Folders as such are harmless, except those that are only there for a while.
    files = [str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.name[0] == "."]
    unknown = [f"in the state folder: {name}" for name in sorted(files) if not _STAYS.fullmatch(name)]
    machines = [f"machine: {path.name}" for path in (root / "providers" / "mock" / "vms").glob("*")]
    elsewhere = [f"file: {path}" for folder in (place.home, place.temporary) for path in folder.rglob("*")]
    with closing(sqlite3.connect(place.folders.database)) as connection:
        rows = connection.execute("SELECT id, state FROM instances WHERE job_id = ? AND state != 'gone'", (JOB,))
        listed = [f"instance {name} is {state}" for name, state in rows]
    return [*(f"process: {process}" for process in processes), *machines, *listed, *unknown, *elsewhere]


def _processes(folder: Path) -> list[str]:
    """Of our machines by their mark; anything else by its arguments, its environment or its open files."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == psutil.Process().pid or process.status() == psutil.STATUS_ZOMBIE:
                continue
            environment, arguments = process.environ(), process.cmdline()
            opened = [str(entry.readlink()) for entry in Path(f"/proc/{process.pid}/fd").iterdir()]
            known = (environment.get(FOLDER_MARK, ""), environment.get("GA_STATE_DIR", ""), *arguments, *opened)
            if any(str(folder) in text for text in known):
                found.append(f"{process.pid} {' '.join(arguments)[:200]}")
    return found


def _ledger(place: Place, scenario: Scenario) -> tuple[float | None, list[str]]:
    problems = kill_ledger.telemetry_problems(place)
    if problems:
        return None, problems
    try:
        independent = kill_ledger.independent(place, scenario.scale)
    except AssertionError as error:
        return None, [str(error)]
    ledger = kill_ledger.of_ledger(place)
    off_percent = ledger.off_percent(independent)
    if off_percent > LEDGER_LIMIT_PERCENT:
        problems.append(f"the ledger says {ledger}, the independent sum is {independent}")
    return off_percent, problems


def _errors(place: Place) -> list[str]:
    problems = [str(body) for body in _events(place, "error")]
    log = place.folders.controller_log(JOB).read_text()
    return [*problems, log] if "Traceback" in log else problems


def _summary(place: Place) -> Mapping[str, object]:
    summaries = _events(place, "summary")
    return summaries[-1] if len(summaries) == 1 else {"summaries": summaries}


def _events(place: Place, kind: str) -> list[dict[str, object]]:
    with closing(sqlite3.connect(place.folders.database)) as connection:
        rows = connection.execute("SELECT body FROM events WHERE job_id = ? AND kind = ? ORDER BY id", (JOB, kind))
        return [json.loads(body) for (body,) in rows]


def _lives(place: Place) -> list[dict[str, object]]:
    return [json.loads(line) for line in place.lives.read_text().splitlines()]
