"""How an expected failure reaches its reader: wrapped on a terminal, line by line for logs, with its exit code."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from typing_extensions import override

from gacli.__main__ import main

BAD = """name: digits
run: python train.py
polcy: stay
sites:
  - {name: here, provider: mock, zone: DE, gpu: {model: 7, count: many, power: 400 W, idle: 50 W}}
"""


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


def said(stream: io.StringIO, file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(BAD)
    monkeypatch.setattr(sys, "argv", ["ga", "check", str(file)])
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    return stream.getvalue()


def test_a_terminal_gets_whole_words_in_its_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = said(Terminal(), Path("train.yaml"), monkeypatch).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("ga: train.yaml:3: polcy: unknown key")
    assert any(line.startswith("    ") for line in lines), "what goes on is indented"


def test_a_path_longer_than_the_terminal_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ("long" * 30) / "train.yaml"
    assert f"{file}:3:" in said(Terminal(), file, monkeypatch)


def test_a_log_gets_one_line_a_problem_however_long_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = tmp_path / "train.yaml", tmp_path / ("long" * 30) / "train.yaml"
    told = [said(io.StringIO(), file, monkeypatch).replace(str(file), "FILE") for file in (near, far)]
    assert told[0] == told[1]
    problems = [line for line in told[0].splitlines() if "FILE:" in line]
    assert len(problems) >= 2
    assert max(map(len, problems)) > 80
