"""CSV and phrases of `ga carbon`."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.core.carbon import Scope, Signal
from gacli.views.carbon_output import Form, compressed, csv_text, kind_words, pedigree_notes, show


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "true"),
        (0.1 + 0.2, "0.30000000000000004"),
        (("a:b", "c:d"), "a:b c:d"),
        ('say "so", twice\nor \x1b[31mmore', 'say "so", twice | or more'),
    ],
)
def test_cells(value: object, cell: str) -> None:
    text = csv_text([{"key": value, "other": 1}])
    assert text.count("\n") == 2
    assert list(csv.reader(io.StringIO(text))) == [["key", "other"], [cell, "1"]]


def test_no_rows_no_header() -> None:
    assert csv_text([]) == ""


@pytest.mark.parametrize(
    ("form", "out"), [(Form.TABLE, "a table\n"), (Form.JSON, '{"a":null}\n'), (Form.CSV, "a\n1\n")]
)
def test_only_what_was_asked_for_is_printed(form: Form, out: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(form, table=lambda width: "a table", record=lambda: {"a": float("nan")}, rows=lambda: [{"a": 1}])
    assert capsys.readouterr().out == out


@pytest.mark.parametrize(
    ("signal", "scope", "words"),
    [
        (Signal.AVERAGE, Scope.LIFECYCLE, "average, life cycle"),
        (Signal.MARGINAL, Scope.DIRECT, "marginal, direct"),
        (Signal.AVERAGE, Scope.UNKNOWN, "average, emission factors not known"),
    ],
)
def test_kinds(signal: Signal, scope: Scope, words: str) -> None:
    assert kind_words(signal, scope) == words


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ({"DE": "x", "FR": "x"}, ["x"]),
        ({"DE": "x", "FR": "y", "ES": "x"}, ["x: DE, ES", "y: FR"]),
        ({"DE": "on trace:DE.csv", "FR": "on trace:FR.csv.gz"}, ["on trace"]),
        ({"DE": "trace:other.csv", "FR": "trace:FR.csv.bak"}, ["trace:other.csv: DE", "trace:FR.csv.bak: FR"]),
        ({}, []),
    ],
)
def test_the_same_is_said_once(words: dict[str, str], lines: list[str]) -> None:
    assert [note.plain for note in pedigree_notes(words)] == lines


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=200), st.integers(1, 50))
def test_compressed(values: list[float], most: int) -> None:
    found = compressed(values, most)
    assert 1 <= len(found) <= most
    assert min(values) - 1e-6 <= min(found) <= max(found) <= max(values) + 1e-6
    if len(values) <= most:
        assert found == pytest.approx(values)
