"""Configurations that cannot be used: `ga check` and `ga run` name file, line and key alike, and start nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.bad import Ga, ga_in, job, mock

CASES = yaml.safe_load((Path(__file__).parents[1] / "data" / "bad" / "config.yaml").read_text())
COMMANDS = ("check", "run")


@pytest.fixture
def ga(tmp_path: Path) -> Iterator[Ga]:
    with ga_in(tmp_path) as found:
        yield found
        if found.folders.database.exists():
            assert found.store.jobs.all() == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["case"]))
def test_bad_configuration_is_refused(ga: Ga, case: dict[str, object]) -> None:
    (ga.folder / "bad.yaml").write_text(str(case["text"]))
    expect = case["expect"]
    assert isinstance(expect, list)
    said = ga.each(*([command, "bad.yaml"] for command in COMMANDS))
    said[0].refuses(2, *expect)
    said[1].refuses(2, *expect)
    assert said[0].message == said[1].message
    assert (said[0].out, said[1].out) == ("", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_file_that_cannot_be_read_is_named(ga: Ga, command: str) -> None:
    ga(command, "nowhere.yaml").refuses(2, "nowhere.yaml: no such file", "ga init")
    ga(command, "work").refuses(2, "work: found a folder, expected a YAML file")
    (ga.folder / "latin1.yaml").write_bytes("name: jörg\n".encode("latin-1"))
    ga(command, "latin1.yaml").refuses(2, "latin1.yaml:1: not UTF-8: byte 0xf6 at offset 7", "save the file as UTF-8")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every file")
def test_file_without_permission_is_named(ga: Ga) -> None:
    (ga.folder / "secret.yaml").touch(mode=0)
    ga("check", "secret.yaml").refuses(2, "secret.yaml", "Permission denied")


@pytest.mark.parametrize("command", COMMANDS)
def test_work_folder_that_is_missing_is_named(ga: Ga, command: str) -> None:
    config = ga.write({**job("true", [mock("a")]), "work": "nowhere"})
    ga(command, config).refuses(2, "job.yaml:2: work: found no folder", "nowhere", "expected the job's files there")


def test_json_gets_the_same_refusal_and_no_object(ga: Ga) -> None:
    config = ga.write({**job("true", [mock("a")]), "restarts": -1})
    said = ga("run", "--json", config)
    said.refuses(2, "restarts: found -1, expected a whole number from 0 to 100")
    assert said.out == ""
