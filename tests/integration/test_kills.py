"""`ga` killed with SIGKILL and started again, on real machines: a short version of `make prove-kills`."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.kill_checks import check
from support.kill_scenario import JOB, Place, Scenario
from support.kills import Ended, Killing, moments_s

# One worker makes the run that all of them look at.
pytestmark = [pytest.mark.prove, pytest.mark.xdist_group("kills")]

# However slow the computer is, the first generation does not come to its end before it is moved.
SCENARIO = Scenario(steps=160, step_s=0.02, first_step_s=0.25, ballast_mib=8)
MIN_KILLS, MAX_RUNS = 6, 2
MOMENTS, OVER_S = 3, 16.0
AIMS = ("move target_requested", "move stopping", "move copying", "move starting")


@dataclass(frozen=True, kw_only=True, slots=True)
class Killed:
    """A job that was killed time and again, and the digest that it must have come to all the same."""

    place: Place
    ended: Ended
    sha256: str

    def problems(self, *, patience_s: float) -> dict[str, list[str]]:
        """Those there are, by what they violate. patience_s: for processes to end."""
        findings = check(self.place, SCENARIO, self.ended, sha256=self.sha256, patience_s=patience_s)
        return {what: found for what, found in findings.problems.items() if found}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Killed]:
    """One; another one when a busy computer has let the first end before it was killed often enough."""
    folder = tmp_path_factory.mktemp("kills")
    sha256 = SCENARIO.undisturbed_sha256(folder / "undisturbed")
    done: list[Killed] = []
    while len(done) < MAX_RUNS and len(states(done)) < MIN_KILLS:
        place = Place(folder / f"run-{len(done)}")
        SCENARIO.write(place)
        moments = moments_s(len(done), MOMENTS, over_s=OVER_S)
        killing = Killing(place, seed=len(done), moments_s=moments, aims=AIMS, aims_at_placement=len(AIMS))
        done.append(Killed(place=place, ended=killing.run(within_s=300), sha256=sha256))
    return done


@pytest.fixture
def copied(runs: list[Killed], tmp_path: Path) -> Killed:
    """The first of them, to be tampered with."""
    place = Place(tmp_path / "run")
    shutil.copytree(runs[0].place.folder, place.folder)
    return Killed(place=place, ended=runs[0].ended, sha256=runs[0].sha256)


def states(runs: list[Killed]) -> list[str]:
    """Those in which `ga` was killed."""
    return [kill.state for killed in runs for kill in killed.ended.kills]


def test_job_killed_time_and_again_ends_as_if_nothing_had_happened(runs: list[Killed]) -> None:
    hit = states(runs)
    assert [killed.problems(patience_s=60) for killed in runs] == [{} for _ in runs], hit
    assert len(hit) >= MIN_KILLS, hit
    assert any(state.startswith("move ") for state in hit), hit


# ----- the checks themselves: each must see what it is there for --------------------------------------------------


def lives_twice(place: Place) -> None:
    lives = [json.loads(line) for line in place.lives.read_text().splitlines()]
    late = {**lives[0], "pid": 1, "at_s": lives[0]["at_s"] + 1e-3}
    place.lives.write_text("".join(json.dumps(line) + "\n" for line in [*lives, late]))


def shares_the_lock(place: Place) -> None:
    place.lives.write_text(place.lives.read_text().replace('"alone": true', '"alone": false', 1))


def counts_twice(place: Place) -> None:
    with closing(sqlite3.connect(place.folders.database)) as connection, connection:
        connection.execute(
            "UPDATE intervals SET emissions_g = 2 * emissions_g WHERE id ="
            " (SELECT id FROM intervals WHERE phase = 'train' ORDER BY emissions_g DESC LIMIT 1)"
        )


def loses_a_sample(place: Place) -> None:
    path = place.folders.telemetry(JOB, 1)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5] + lines[6:]))


def changes_a_weight(place: Place) -> None:
    weights = place.folders.checkpoints(JOB) / f"step-{SCENARIO.steps:09d}" / "w0.npy"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def forgets_a_machine(place: Place) -> None:
    (place.folders.provider("mock") / "vms" / "kills-1-a-9").mkdir(parents=True)


def leaves_half_a_copy(place: Place) -> None:
    (place.folders.checkpoints(JOB) / ".incoming-step-000000025").mkdir()


def has_a_bug(place: Place) -> None:
    with closing(sqlite3.connect(place.folders.database)) as connection, connection:
        connection.execute(
            "INSERT INTO events (job_id, at, epoch_s, kind, body)"
            """ VALUES (?, '2024-06-01T00:00:00.000000Z', 0, 'error', '{"about":"internal"}')""",
            (JOB,),
        )


@pytest.mark.parametrize(
    ("tamper", "violated"),
    [
        (lives_twice, "overlap"),
        (shares_the_lock, "overlap"),
        (counts_twice, "ledger"),
        (loses_a_sample, "ledger"),
        (changes_a_weight, "weights"),
        (forgets_a_machine, "leftovers"),
        (leaves_half_a_copy, "leftovers"),
        (has_a_bug, "errors"),
    ],
)
def test_checks_see_a_violation(copied: Killed, tamper: Callable[[Place], None], violated: str) -> None:
    tamper(copied.place)
    assert list(copied.problems(patience_s=1)) == [violated]


@pytest.fixture
def straggler(copied: Killed) -> Iterator[None]:
    command = [sys.executable, "-c", "import time; time.sleep(600)", str(copied.place.folder)]
    with subprocess.Popen(command) as process:
        yield
        process.kill()


@pytest.mark.usefixtures("straggler")
def test_checks_see_a_process(copied: Killed) -> None:
    assert list(copied.problems(patience_s=1)) == ["leftovers"]
