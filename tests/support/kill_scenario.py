"""The job that is killed: real training on three mock sites, and a made-up trace that drives it between them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from ga_trainer import verify
from gacli.folders import Folders

JOB = "kills-1"
START = datetime(2024, 6, 1, tzinfo=UTC)
_TRACE_HOURS = 1000
_TESTS = Path(__file__).parents[1]
_SCRIPTS = (_TESTS.parent / "sample-configs" / "digits" / "train.py", *(_TESTS / "data" / "kills").glob("*.py"))


@dataclass(frozen=True, kw_only=True, slots=True)
class KillSite:
    """A mock site; all differ in everything that the ledger multiplies."""

    name: str
    zone: str
    pue: float
    idle_w: float
    busy_w: float


SITES = (
    KillSite(name="a", zone="FR", pue=1.1, idle_w=60, busy_w=500),
    KillSite(name="b", zone="DE", pue=1.2, idle_w=80, busy_w=450),
    KillSite(name="c", zone="GB", pue=1.3, idle_w=70, busy_w=480),
)


def intensity_g_per_kwh(zone: str, hour: int) -> float:
    """The made-up trace, `hour` hours after START: every hour another zone is by far the cleanest."""
    place = [site.zone for site in SITES].index(zone)
    return (60.0, 420.0, 560.0)[(place - hour) % len(SITES)] + hour % 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """steps, step_s, ballast_mib: the training, and what its checkpoints weigh. first_step_s: instead of step_s until
    the first move. scale: how much faster the job's clock runs. boot_s: real seconds.
    """

    steps: int
    step_s: float
    ballast_mib: int
    first_step_s: float | None = None
    scale: float = 600.0
    boot_s: float = 0.4

    def write(self, place: Place) -> None:
        """Configuration, work folder and traces."""
        place.work.mkdir(parents=True)
        place.home.mkdir()
        place.temporary.mkdir()
        for script in _SCRIPTS:
            shutil.copy(script, place.work)
        traces = place.folder / "traces"
        traces.mkdir()
        for site in SITES:
            lines = [
                f"{START + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ},{intensity_g_per_kwh(site.zone, hour)}"
                for hour in range(-25, _TRACE_HOURS)
            ]
            header = "datetime_utc,carbon_intensity_gco2_per_kwh"
            (traces / f"{site.zone}.csv").write_text("\n".join([header, *lines, ""]))
        place.config.write_text(
            yaml.safe_dump(
                {
                    "name": JOB.removesuffix("-1"),
                    "work": "work",
                    "run": self._run(place.lives),
                    "checkpoint": {"grace": "30s", "fetch": "20m"},
                    "start_at": SITES[0].name,
                    "policy": {
                        "name": "hysteresis",
                        "margin": "10%",
                        "hold_readings": 1,
                        "dwell": "0s",
                        "max_downtime": "12h",
                    },
                    "carbon": {"source": "trace", "folder": "traces", "poll": "3m"},
                    "replay": {"start": START.isoformat(), "scale": self.scale},
                    "sample": "200ms",
                    "sites": [
                        {
                            "name": site.name,
                            "provider": "mock",
                            "zone": site.zone,
                            "pue": site.pue,
                            "power": {"idle": f"{site.idle_w:g}W", "busy": f"{site.busy_w:g}W"},
                            "options": {"boot_delay_s": self.boot_s},
                        }
                        for site in SITES
                    ],
                },
                sort_keys=False,
            )
        )

    def undisturbed_sha256(self, folder: Path) -> str:
        """The digest of the final checkpoint when the script trains by itself, without `ga` and without a stop."""
        folder.mkdir()
        for script in _SCRIPTS:
            shutil.copy(script, folder)
        # As bare as on a machine: settings of the numerical libraries would change the last digits.
        environment = {"PATH": os.environ["PATH"], "GA_CHECKPOINT_DIR": str(folder)}
        command = [sys.executable, *self._train(), "--step-seconds", "0"]
        subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
        return verify(folder / f"step-{self.steps:09d}").sha256

    def _run(self, lives: Path) -> str:
        first_step_s = self.step_s if self.first_step_s is None else self.first_step_s
        pace = f'pace={self.step_s:g}; [ "$GA_GENERATION" = 1 ] && pace={first_step_s:g}'
        # SIGTERM goes to everybody when nobody catches the signal that asks to stop, as no script does that has just
        # come to its end. The witness has to see that end.
        witness = ["exec", "env", "--ignore-signal=TERM", "python3", "recorded.py", str(lives)]
        trainer = ["env", "--default-signal=TERM", "python3", *self._train()]
        return f'{pace}; {shlex.join([*witness, *trainer])} --step-seconds "$pace"'

    def _train(self) -> list[str]:
        return ["train_large.py", str(self.ballast_mib), "--steps", str(self.steps), "--checkpoint-every", "25"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run has everything: below `folder`, nothing of it in the user's home or in /tmp."""

    folder: Path

    @property
    def folders(self) -> Folders:
        return Folders(self.folder / "state")

    @property
    def config(self) -> Path:
        return self.folder / "job.yaml"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def lives(self) -> Path:
        """What `recorded.py` wrote."""
        return self.folder / "lives.jsonl"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if key not in ("SSH_AUTH_SOCK", "SSH_AGENT_PID")}
        return {
            **inherited,
            "GA_STATE_DIR": str(self.folders.root),
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
        }
