"""What the agent records of real trainers: energy, progress, times, environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ga_playbooks.bundle import agent_zip

SCRIPTS = Path(__file__).parents[1] / "data" / "agent"
IDLE_W, BUSY_W, SAMPLE_S = 100.0, 300.0, 0.2
Json = dict[str, Any]
Train = Callable[..., tuple[Json, list[Json]]]


@pytest.fixture
def train(tmp_path: Path) -> Iterator[Train]:
    """Runs a command to its end under the agent; gives the exit record and all telemetry."""
    folder = tmp_path / "job"
    (folder / "work").mkdir(parents=True)
    agent = folder / "agent.pyz"
    agent.write_bytes(agent_zip())

    def call(verb: str, *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Json:
        argv = [sys.executable, "-I", "-S", str(agent), verb, "--job-dir", str(folder), *arguments]
        done = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, check=True, env=env, timeout=30)
        answer = json.loads(done.stdout)
        assert answer["ok"], answer
        assert isinstance(answer, dict)
        return answer

    def run(command: str, *, env: dict[str, str] | None = None, epoch_s: float = 0.0) -> tuple[Json, list[Json]]:
        spec = {
            "job": "job-1",
            "generation": 1,
            "site": "here",
            "command": command.replace("python3", sys.executable),
            "env": {"MINE": "yes", "PYTHONPATH": "/mine"},
            "work_dir": "work",
            "checkpoint_dir": "work/kept",
            "signal": "SIGUSR2",
            "grace_s": 5,
            "sample_s": SAMPLE_S,
            "power": {"idle_w": IDLE_W, "busy_w": BUSY_W},
            "epoch_s": epoch_s or time.time(),
        }
        environment = {**os.environ, **({"GA_METER": "model"} if env is None else env)}
        call("launch", stdin=json.dumps(spec).encode(), env=environment)
        deadline = time.monotonic() + 30
        while not (answer := call("poll", "--generation", "1"))["exit"]:
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)
        return answer["exit"], [json.loads(record) for record in answer["records"]]

    yield run
    call("end")


def of_kind(records: list[Json], *kinds: str) -> list[Json]:
    return [record for record in records if record["kind"] in kinds]


BURN = "python3 -c 'import time\nwhile time.process_time() < 0.5: pass'"


@pytest.mark.parametrize(
    ("command", "least_cpu_s"),
    [("sleep 0.9", 0.0), (BURN, 0.4), (f"({BURN}); sleep 0.3", 0.4)],
    ids=["idle", "busy", "a child of the shell"],
)
def test_energy_covers_the_whole_run_once_and_follows_the_stated_model(
    train: Train, command: str, least_cpu_s: float
) -> None:
    ended, records = train(command)
    power = of_kind(records, "power")
    assert power[0]["t0"] == pytest.approx(ended["started_s"], abs=1e-5)
    assert power[-1]["t1"] == pytest.approx(ended["ended_s"], abs=1e-5)
    assert all(before["t1"] == after["t0"] for before, after in pairwise(power))
    for sample in power:
        duration_s = sample["t1"] - sample["t0"]
        load = min(sample["cpu_percent"] / 100, 1.0)
        assert sample["energy_j"] == pytest.approx((IDLE_W + (BUSY_W - IDLE_W) * load) * duration_s, rel=2e-3, abs=0.01)
        assert (sample["meter"], sample["modelled"], sample["phase"]) == ("model", True, "train")
    total_j = sum(sample["energy_j"] for sample in power)
    cpu_s = sum(sample["cpu_percent"] / 100 * (sample["t1"] - sample["t0"]) for sample in power)
    duration_s = ended["ended_s"] - ended["started_s"]
    assert total_j <= IDLE_W * duration_s + (BUSY_W - IDLE_W) * cpu_s + 0.5
    assert total_j >= IDLE_W * duration_s * 0.999
    assert cpu_s >= least_cpu_s  # what the script used is seen, wherever it ran


def test_records_are_numbered_without_a_gap(train: Train) -> None:
    _, records = train("sleep 0.5")
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert (records[0]["kind"], records[-1]["kind"]) == ("start", "exit")
    times = [record["t"] for record in records]
    assert times == sorted(times)


@pytest.mark.parametrize("shift_s", [-86_400.0, 86_400.0])
def test_a_wrong_clock_on_the_machine_does_no_harm(train: Train, shift_s: float) -> None:
    began_s = time.time() + shift_s
    ended, records = train("sleep 0.3", epoch_s=began_s)
    assert all(began_s - 0.001 <= record["t"] <= began_s + 60 for record in records)
    assert began_s <= ended["started_s"] <= ended["ended_s"] <= began_s + 60


def test_progress_survives_garbage(train: Train) -> None:
    ended, records = train(f"python3 {SCRIPTS / 'garbage.py'}")
    assert ended["complete"]
    kept = of_kind(records, "progress", "saved", "complete")
    for record in kept:
        del record["seq"], record["t"]
    assert kept == [
        {"kind": "progress", "step": 3, "total": 9, "loss": None, "metrics": {"accuracy": 0.5}},
        {"kind": "saved", "name": "step-000000007", "step": 7, "bytes": 10, "duration_s": 0.1},
        {"kind": "progress", "step": 8, "total": 9, "loss": None, "metrics": {}},
        {"kind": "complete"},
    ]


def test_saving_is_a_phase_of_its_own(train: Train) -> None:
    say = 'echo \'{"kind":"%s","name":"n"}\' >> $GA_PROGRESS_FILE; sleep 0.4;'
    _, records = train("sleep 0.4;" + say % "save_begin" + say % "saved")
    phases = [sample["phase"] for sample in of_kind(records, "power")]
    assert [phase for phase, following in pairwise([*phases, ""]) if phase != following] == [
        "train",
        "checkpoint",
        "train",
    ]


def test_the_script_finds_what_it_was_promised(train: Train, tmp_path: Path) -> None:
    _, records = train("pwd; env; ls -d $GA_CHECKPOINT_DIR")
    job = tmp_path / "job"
    lines = (job / "gen" / "1" / "trainer.log").read_text().splitlines()
    assert lines[0] == str(job / "work")
    assert {
        f"GA_RUN_DIR={job}/gen/1",
        f"GA_CHECKPOINT_DIR={job}/work/kept",
        f"GA_PROGRESS_FILE={job}/gen/1/progress.jsonl",
        "GA_GENERATION=1",
        "GA_SITE=here",
        "GA_STOP_SIGNAL=SIGUSR2",
        "GA_NODE_RANK=0",
        "GA_NUM_NODES=1",
        "GA_MASTER_ADDR=127.0.0.1",
        f"GA_GPUS_PER_NODE={records[0]['gpus']}",
        f"PYTHONPATH={job}/lib:/mine",
        "PYTHONUNBUFFERED=1",
        "MINE=yes",
    } <= set(lines)
    assert lines[-1] == f"{job}/work/kept"
    assert not [path for path in job.rglob("*.json") if "MINE" in path.read_text()], "the environment may hold secrets"


def test_gpus_are_metered_by_their_driver_and_the_rest_is_said_to_be_modelled(train: Train, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ncase "$1" in\n-L) echo "GPU 0: one"; echo "GPU 1: two";;\n'
        '*) echo "150.5, 40, 1000"; echo "249.5, 60, 2000";;\nesac\n'
    )
    program.chmod(0o755)
    _, records = train("sleep 0.5", env={"PATH": f"{program.parent}:{os.environ['PATH']}", "GA_METER": ""})
    assert records[0]["gpus"] == 2
    power = of_kind(records, "power")
    for sample in power:
        assert sample["meter"] in ("nvidia-smi+model", "nvidia-smi+rapl")
        assert sample["modelled"] == ("model" in sample["meter"])
        assert sample["gpu_percent"] == 50.0
    # In all: where one sample ends and the next begins, the driver's reading may be some milliseconds off.
    assert sum(sample["energy_j"] for sample in power) >= 400.0 * (power[-1]["t1"] - power[0]["t0"]) * 0.999
