"""Commands that start nothing: help, `init`, `check`, `schema`, `run --dry-run`, and looking at no job."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import SAMPLES, Ga, counting

COMMANDS = (
    "init", "check", "schema", "run", "resume", "watch", "status", "logs", "report", "metrics", "carbon",
    "forecast", "trace", "pause", "migrate", "stop",
)  # fmt: skip
SLOW = {"boto3", "google", "azure", "numpy", "paramiko", "psutil", "pydantic", "sqlite3", "torch", "yaml"}
# Runs the command line as its script does, then says what it has imported.
HELP = """
import sys
from gacli.__main__ import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules)
"""


@pytest.fixture
def ga(own_home: Path) -> Iterator[Ga]:
    with Ga(own_home) as ga:
        yield ga
        ga.wait_until_nothing_is_left()


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        pytest.param(["--help"], set(), id="help"),
        pytest.param(["--version"], set(), id="version"),
        # Typer itself takes it to parse a command's parameters.
        pytest.param(["run", "--help"], {"pydantic"}, id="help of run"),
    ],
)
def test_help_imports_nothing_slow(arguments: list[str], allowed: set[str]) -> None:
    done = subprocess.run([sys.executable, "-c", HELP, *arguments], capture_output=True, text=True, check=True)
    imported = set(done.stdout.splitlines()[-1].split())
    assert "gacli.cli.app" in imported
    assert imported & SLOW <= allowed


def test_help_names_every_command(ga: Ga) -> None:
    said = ga("--help").stdout
    assert [command for command in COMMANDS if f" {command} " not in said] == []
    assert ga("-h").stdout == said


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        pytest.param(["--version"], 0, "ga ", id="version"),
        pytest.param(["fly"], 2, "fly", id="no such command"),
        pytest.param(["run"], 2, "config", id="argument missing"),
        pytest.param(["run", "--fast", "x.yaml"], 2, "--fast", id="no such option"),
        pytest.param(["check", "absent.yaml"], 2, "absent.yaml", id="no such file"),
        pytest.param(["init", "--name", "Not A Name", "new.yaml"], 2, "Not A Name", id="no name for a job"),
        pytest.param(["watch"], 1, "no job yet", id="no job to watch"),
        pytest.param(["status", "lost-1"], 1, "lost-1", id="no such job"),
        pytest.param(["migrate", "lost-1", "oslo"], 1, "lost-1", id="no such job to move"),
    ],
)
def test_exit_code_and_the_word_that_tells_why(ga: Ga, arguments: list[str], code: int, word: str) -> None:
    said = ga(*arguments, code=code)
    assert word in (said.stdout if code == 0 else said.stderr)
    assert "Traceback" not in said.stderr
    assert not (ga.state / "internal-error.txt").exists()


def test_status_of_no_jobs(ga: Ga) -> None:
    assert ga("status", "--json").json() == {"jobs": []}
    assert "no jobs yet" in ga("status").stdout


def test_init_writes_what_check_accepts_and_never_overwrites(ga: Ga, tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    assert str(path) in ga("init", "--name", "mine", path).stdout
    written = path.read_text()
    assert ga("check", path, "--json").json()["ok"] is True
    assert "exists already" in ga("init", path, code=1).stderr
    assert path.read_text() == written


# The one that asks a service is checked where that service is: test_cli_samples.py. Experiments and sweeps are no jobs.
JOBS = sorted(path.stem for path in SAMPLES.glob("*.yaml") if "\nkind:" not in path.read_text("utf-8"))


@pytest.mark.parametrize("name", [name for name in JOBS if name != "electricitymaps"])
def test_check_of_every_sample(ga: Ga, name: str) -> None:
    path = SAMPLES / f"{name}.yaml"
    checked = ga("check", path, "--json").json()
    assert (checked["config"], checked["ok"]) == (str(path), True)
    assert set(checked["sites"][0]) == {
        "site", "provider", "zone", "intensity_g_per_kwh", "quality", "signal", "source",
    }  # fmt: skip


def test_check_says_what_it_found(ga: Ga) -> None:
    said = ga("check", SAMPLES / "demo.yaml").stdout
    assert "demo.yaml: in order" in said
    assert [site for site in ("california", "england", "spain") if site not in said] == []


def test_schema_parses_and_knows_the_keys(ga: Ga) -> None:
    schema = ga("schema").json()
    assert {"name", "run", "sites", "policy", "carbon", "checkpoint", "replay"} <= schema["properties"].keys()
    assert schema["additionalProperties"] is False


def test_dry_run_tells_and_does_nothing(ga: Ga, tmp_path: Path) -> None:
    path = counting(tmp_path, steps=10)
    told = ga("run", path, "--dry-run", "--json").json()
    assert (told["event"], told["start_at"]) == ("dry_run", "dirty")
    assert [(request["site"], request["provider"]) for request in told["requests"]] == [("dirty", "mock")]
    assert any("count.py" in step for step in told["steps"])
    said = ga("run", path, "--dry-run").stdout
    assert "would start at dirty" in said
    assert "count.py" in said
    assert ga("status", "--json").json() == {"jobs": []}
    assert not (ga.state / "jobs").exists()
