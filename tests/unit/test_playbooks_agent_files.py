"""The agent's reading and arithmetic on files, without processes."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ga_playbooks.agent
import ga_trainer
from ga_playbooks.agent.manifests import manifest_digest, manifest_problem
from ga_playbooks.agent.progress import parse_progress
from ga_playbooks.agent.records import last_seq, read_records

MODULES = sorted(Path(ga_playbooks.agent.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", [*MODULES, Path(ga_trainer.__file__)], ids=lambda path: path.name)
def test_travelling_files_are_python_3_8_of_the_standard_library(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    # Its own modules are named relatively (level 1): they have another package's name in the zip.
    imported |= {f"{node.module}" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level != 1}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


@pytest.mark.parametrize("path", [path for path in MODULES if path.stem != "__main__"], ids=lambda path: path.name)
def test_nothing_is_imported_from_the_zip_once_work_has_begun(path: Path) -> None:
    """The zip that a running agent came from may have been replaced; Python's own modules stay where they are."""
    tree = ast.parse(path.read_text())
    late = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) and node not in tree.body]
    names = {
        alias.name if isinstance(node, ast.Import) else f"{'.' * node.level}{node.module}"
        for node in late
        for alias in node.names
    }
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


@given(
    sizes=st.lists(st.integers(0, 300), max_size=40),
    after=st.integers(0, 45),
    limit=st.integers(1, 2000),
    torn=st.sampled_from([b"", b'{"seq":41,"t":1', b'{"seq":4', b"\0\0\0\n", b"x"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_reading_in_pieces_gives_every_record_once(
    tmp_path: Path, sizes: list[int], after: int, limit: int, torn: bytes
) -> None:
    path = tmp_path / "telemetry.jsonl"
    lines = [f'{{"seq":{seq},"pad":"{"x" * size}"}}' for seq, size in enumerate(sizes, 1)]
    path.write_bytes("".join(f"{line}\n" for line in lines).encode() + torn)
    got: list[str] = []
    more, position = True, after
    while more:
        records, more = read_records(str(path), position, limit)
        assert records or not more
        assert sum(map(len, records[:-1])) <= limit
        got += records
        position = json.loads(records[-1])["seq"] if records else position
    assert got == lines[after:]
    assert last_seq(str(path)) == len(lines)


def test_a_missing_file_has_no_records(tmp_path: Path) -> None:
    assert read_records(str(tmp_path / "none"), 0, 100) == ([], False)
    assert last_seq(str(tmp_path / "none")) == 0


@given(st.binary(max_size=200))
def test_no_line_of_a_script_breaks_the_agent(line: bytes) -> None:
    report = parse_progress(line)
    assert report is None or report[0] in ("progress", "saved", "save_begin", "complete")


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)


@given(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["progress", "saved", "save_begin", "complete", "x"])},
        optional={
            name: JSON | st.dictionaries(st.text(), JSON, max_size=3)
            for name in ("step", "total", "loss", "metrics", "name", "bytes", "duration_s")
        },
    )
)
def test_whatever_is_taken_from_a_script_is_plain_json(report: dict[str, Any]) -> None:
    parsed = parse_progress(json.dumps(report).encode())
    if parsed is not None:
        json.dumps(parsed[1], allow_nan=False)


FILES = st.lists(
    st.tuples(st.text("abc/é", min_size=1), st.integers(0, 9), st.sampled_from(["0" * 64, "f" * 64])),
    unique_by=lambda file: file[0],
)


@given(FILES)
def test_agent_and_helper_agree_on_a_checkpoints_digest(files: list[tuple[str, int, str]]) -> None:
    listed = [{"path": path, "size": size, "sha256": sha256} for path, size, sha256 in files]
    assert manifest_digest(listed) == ga_trainer.digest(files)


def manifest(path: object = "model.bin", **changes: object) -> dict[str, Any]:
    files = [{"path": path, "size": 1, "sha256": "0" * 64}]
    good = {"format": 1, "step": 3, "files": files, "sha256": manifest_digest(files)}
    return {**good, **changes}


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (manifest(), ""),
        (manifest("sub/model.bin"), ""),
        (manifest("../model.bin"), "outside"),
        (manifest("a/../../model.bin"), "outside"),
        (manifest("/etc/passwd"), "outside"),
        (manifest("a//b"), "outside"),
        (manifest(7), "malformed"),
        (manifest(sha256="0" * 64), "digest"),
        (manifest(format=2), "format"),
        (manifest(step=-2), "digest"),
        (manifest(files=None), "malformed"),
        ({"format": 1}, "malformed"),
        (None, "no manifest"),
    ],
)
def test_a_manifest_is_trusted_only_when_it_is_sound(found: dict[str, Any] | None, problem: str) -> None:
    assert problem in manifest_problem(found)
    assert bool(manifest_problem(found)) == bool(problem)
