"""Both example trainers as real processes: stopped at random steps and resumed, they end with the same bytes."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import ga_trainer

EXAMPLES = Path(__file__).resolve().parents[2] / "sample-configs"
PATIENCE_S = 120.0

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
needs_sklearn = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed (extra `sim`)"
)
examples = pytest.mark.parametrize(
    ("example", "steps"),
    [
        pytest.param("digits", 300, marks=needs_sklearn),
        pytest.param("torch-digits", 120, marks=[needs_sklearn, needs_torch]),
    ],
)


def start(example: str, folder: Path, *options: str) -> subprocess.Popen[str]:
    folder.mkdir(parents=True, exist_ok=True)
    progress = folder / "progress.jsonl"
    progress.unlink(missing_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("RANK", "LOCAL_RANK")},
        "PYTHONPATH": str(Path(ga_trainer.__file__).parent),
        "GA_CHECKPOINT_DIR": str(folder / "checkpoints"),
        "GA_PROGRESS_FILE": str(progress),
        "GA_STOP_SIGNAL": "SIGUSR1",
        "GA_NODE_RANK": "0",
    }
    command = [sys.executable, str(EXAMPLES / example / "train.py"), *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def lines(folder: Path) -> list[dict[str, Any]]:
    file = folder / "progress.jsonl"
    whole = file.read_text().rpartition("\n")[0] if file.exists() else ""
    return [json.loads(line) for line in whole.splitlines()]


def wait_for_step(process: subprocess.Popen[str], folder: Path, step: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while not any(line.get("step", 0) >= step for line in lines(folder)):
        assert process.poll() is None, f"ended before step {step}: {process.communicate()[0]}"
        assert time.monotonic() < until, f"no step {step} after {PATIENCE_S} s: {lines(folder)[-1:]}"
        time.sleep(0.01)


def finish(process: subprocess.Popen[str], exit_code: int) -> str:
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == exit_code, output
    return output


def newest(folder: Path) -> ga_trainer.Checkpoint:
    return ga_trainer.verify(max((folder / "checkpoints").glob("step-*")))


@pytest.mark.prove
@examples
def test_interrupted_training_ends_with_the_same_bytes(example: str, steps: int, tmp_path: Path) -> None:
    options = ("--steps", str(steps), "--checkpoint-every", "50")
    output = finish(start(example, tmp_path / "whole", *options), 0)
    assert f"finished {steps} steps" in output
    whole = newest(tmp_path / "whole")
    assert whole.step == steps

    parts = tmp_path / "parts"
    stops = sorted(random.Random(example).sample(range(1, steps * 3 // 4), 3))
    reached = 0
    for stop in stops:
        # Slow enough that the signal comes long before the end, however busy the machine is.
        process = start(example, parts, *options, "--step-seconds", "0.02")
        wait_for_step(process, parts, max(stop, reached + 1))
        process.send_signal(signal.SIGUSR1)
        output = finish(process, ga_trainer.STOPPED)
        assert {"kind": "complete"} not in lines(parts)
        assert newest(parts).step > reached
        reached = newest(parts).step
        assert f"stopped at step {reached}" in output
    assert reached < steps

    # And once without any warning: the steps since the last checkpoint are made again.
    process = start(example, parts, *options, "--step-seconds", "0.02")
    wait_for_step(process, parts, reached + 1)
    process.kill()
    process.communicate()

    assert f"resumed from step {newest(parts).step}" in finish(start(example, parts, *options), 0)
    assert lines(parts)[-1] == {"kind": "complete"}
    assert newest(parts).step == steps
    assert newest(parts).sha256 == whole.sha256


@needs_sklearn
def test_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    options = ("--steps", "10", "--checkpoint-every", "5")
    finish(start("digits", tmp_path, *options), 0)
    before = newest(tmp_path)
    finish(start("digits", tmp_path, *options), 0)
    assert newest(tmp_path) == before
    assert [line["kind"] for line in lines(tmp_path)] == ["complete"]


@needs_sklearn
def test_digits_learns(tmp_path: Path) -> None:
    output = finish(start("digits", tmp_path), 0)
    accuracies = [line["metrics"]["accuracy"] for line in lines(tmp_path) if line["kind"] == "progress"]
    assert accuracies[-1] >= 0.95, output
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3


@needs_sklearn
def test_another_seed_gives_other_bytes(tmp_path: Path) -> None:
    """What the tests of equality rest on: the digest does see the weights."""
    for seed in ("1", "2"):
        finish(start("digits", tmp_path / seed, "--steps", "5", "--seed", seed), 0)
    assert newest(tmp_path / "1").sha256 != newest(tmp_path / "2").sha256
