"""When set-up steps have to run again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ga_playbooks.prepare import setup_key
from gacli.ports.machine import WorkSpec

STEPS = ("python3 -m venv env", "env/bin/pip install -r requirements.txt  # pinned", "echo 'it is'")


@pytest.fixture
def work(tmp_path: Path) -> WorkSpec:
    (tmp_path / "requirements.txt").write_text("numpy==2\n")
    (tmp_path / "train.py").write_text("pass\n")
    return WorkSpec(job_id="j", work_folder=tmp_path, setup=STEPS, env={"A": "1", "B": "2"})


def write(name: str, text: str) -> Callable[[WorkSpec], WorkSpec]:
    def change(work: WorkSpec) -> WorkSpec:
        (work.work_folder / name).write_text(text)
        return work

    return change


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda work: work, False),
        (lambda work: replace(work, env={"B": "2", "A": "1"}), False),
        (write("train.py", "print()\n"), False),
        (write("requirements.txt", "numpy==3\n"), True),
        (lambda work: replace(work, env={"A": "1"}), True),
        (lambda work: replace(work, setup=STEPS[:2]), True),
        (lambda work: replace(work, setup=(*STEPS[1:], STEPS[0])), True),
    ],
    ids=["nothing", "order of env", "no input", "an input", "env", "fewer steps", "order of steps"],
)
def test_setup_runs_again_exactly_when_steps_environment_or_inputs_changed(
    work: WorkSpec, change: Callable[[WorkSpec], WorkSpec], again: bool
) -> None:
    before = setup_key(work)
    assert (setup_key(change(work)) != before) == again


def test_a_step_that_is_no_complete_shell_words_has_a_key(tmp_path: Path) -> None:
    assert setup_key(WorkSpec(job_id="j", work_folder=tmp_path, setup=("cat <<'EOF'\nit's\nEOF",)))
