"""The helper in processes that are killed, that see nothing but the standard library, and that are several."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ga_trainer

HELPER = Path(ga_trainer.__file__)

KILLED_IN_A_SAVE = """
import os, shutil, signal, sys
import ga_trainer

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def die_at(module, name, call):
    real, calls = getattr(module, name), []
    def counted(*arguments, **options):
        calls.append(name)
        return die() if len(calls) == call else real(*arguments, **options)
    setattr(module, name, counted)

step, module, name, call = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
run = ga_trainer.Run(keep=1)
with run.save(7) as folder:
    (folder / "weights").write_text("first")
if module != "body":
    die_at({"os": os, "shutil": shutil, "ga_trainer": ga_trainer}[module], name, call)
with run.save(step) as folder:
    (folder / "weights").write_text("second")
    if module == "body":
        die()
"""


def environment(folder: Path, **extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("RANK", "LOCAL_RANK", "GA_NODE_RANK")}
    return {**kept, "PYTHONPATH": str(HELPER.parent), "GA_CHECKPOINT_DIR": str(folder), **extra}


@pytest.mark.parametrize("step", [7, 8], ids=["replacing", "adding"])
@pytest.mark.parametrize(
    ("module", "name", "call", "expected"),
    [
        ("body", "-", 0, {"first"}),
        ("ga_trainer", "seal", 1, {"first"}),
        ("os", "fsync", 1, {"first"}),
        ("os", "fsync", 2, {"first"}),
        ("os", "fsync", 3, {"first"}),
        ("os", "rename", 1, {"first"}),
        ("os", "rename", 2, {"first", "second"}),  # replacing: the old one is away; adding: the new one is in place
        ("os", "fsync", 4, {"second"}),
        ("shutil", "rmtree", 1, {"second"}),
    ],
)
def test_killed_anywhere_in_a_save_something_complete_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, module: str, name: str, call: int, expected: set[str]
) -> None:
    arguments = [str(step), module, name, str(call)]
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_A_SAVE, *arguments], env=environment(tmp_path))
    assert killed.returncode == -signal.SIGKILL

    code = "import ga_trainer; c = ga_trainer.Run().restore(); print((c.path / 'weights').read_text())"
    restored = subprocess.run(
        [sys.executable, "-c", code], env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert restored.stdout.strip() in expected
    assert all(path.name.startswith("step-") for path in tmp_path.iterdir()), "what was unfinished is swept"


def test_nothing_but_the_standard_library(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(HELPER.parent)!r}); import ga_trainer; print(ga_trainer.STOPPED)"
    isolated = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert isolated.stdout.strip() == "75"


def test_last_report_of_a_script_that_just_ends(tmp_path: Path) -> None:
    code = "import ga_trainer; run = ga_trainer.Run()\nfor step in range(1, 51): run.report(step=step)"
    progress = tmp_path / "progress.jsonl"
    subprocess.run([sys.executable, "-c", code], env=environment(tmp_path, GA_PROGRESS_FILE=str(progress)), check=True)
    written = progress.read_text().splitlines()
    assert '"step": 1,' in written[0]
    assert '"step": 50,' in written[-1]


def test_example_of_the_documentation_runs(tmp_path: Path) -> None:
    text = (HELPER.parents[1] / "docs" / "trainer.md").read_text(encoding="utf-8")
    example = text.split("```python\n")[1].split("```")[0]
    subprocess.run([sys.executable, "-c", example], env=environment(tmp_path), check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-{step:09d}" for step in (800, 900, 1000)]
    whole = ga_trainer.verify(tmp_path / "step-000001000").sha256

    # From an earlier checkpoint it gets to the same end.
    for step in (900, 1000):
        shutil.rmtree(tmp_path / f"step-{step:09d}")
    subprocess.run([sys.executable, "-c", example], env=environment(tmp_path), check=True)
    assert ga_trainer.verify(tmp_path / "step-000001000").sha256 == whole


ONE_OF_TWO = """
import os, signal, sys
import torch.distributed
import ga_trainer

torch.distributed.init_process_group(
    "gloo", init_method="file://" + sys.argv[1], rank=int(os.environ["RANK"]), world_size=2
)
run = ga_trainer.Run()
heard = [ga_trainer.agree_to_stop(run)]
if os.environ["RANK"] == "1":
    os.kill(os.getpid(), signal.SIGUSR1)
heard.append(ga_trainer.agree_to_stop(run))
torch.distributed.destroy_process_group()
print(heard, run.is_writer)
"""


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_processes_agree_to_stop(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ONE_OF_TWO, str(tmp_path / "rendezvous")]
    processes = [
        subprocess.Popen(
            command,
            env=environment(tmp_path, RANK=rank, GLOO_SOCKET_IFNAME="lo"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in ("0", "1")
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert [output.strip().splitlines()[-1] for output in outputs] == ["[False, True] True", "[False, True] False"]
