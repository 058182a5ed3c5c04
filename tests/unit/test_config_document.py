"""YAML with positions, read by the rules of YAML 1.2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.config.document import MAX_BYTES, Mark, WrittenFloat, parse, read
from gacli.errors import ConfigError


@pytest.mark.parametrize("word", ["NO", "no", "No", "yes", "ON", "off", "y", "n"])
def test_norway_stays_text(word: str) -> None:
    assert parse(f"zone: {word}\n{word}: 1\n", "f").data == {"zone": word, word: 1}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-06-01", "2024-06-01"),
        ("2024-06-01T00:00:00Z", "2024-06-01T00:00:00Z"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e-3", 0.001),
        (".inf", ".inf"),
        ("3.10.1", "3.10.1"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("!!float 1", 1.0),
        ("9" * 30, float("9" * 30)),
    ],
)
def test_plain_scalars(written: str, value: object) -> None:
    found = parse(f"key: {written}\n", "f").data["key"]
    assert found == value
    assert type(found) is type(value) or isinstance(found, WrittenFloat)


def test_a_float_remembers_its_digits() -> None:
    found = parse("version: 3.10\n", "f").data["version"]
    assert isinstance(found, WrittenFloat)
    assert (found, found.text) == (3.1, "3.10")


def test_marks_point_at_keys_and_items() -> None:
    document = parse("a: 1\nb:\n  - x\n  -   c: 2\n      d: {e: 3}\n", "dir/f.yaml")
    assert document.marks == {
        (): Mark(line=1, column=1),
        ("a",): Mark(line=1, column=1),
        ("b",): Mark(line=2, column=1),
        ("b", 0): Mark(line=3, column=5),
        ("b", 1): Mark(line=4, column=7),
        ("b", 1, "c"): Mark(line=4, column=7),
        ("b", 1, "d"): Mark(line=5, column=7),
        ("b", 1, "d", "e"): Mark(line=5, column=11),
    }
    assert document.where(("b", 1, "d", "e")) == "dir/f.yaml:5"
    assert document.where(("b", 1, "missing", 7, "deeper")) == "dir/f.yaml:4"
    assert document.where(("missing",)) == "dir/f.yaml:1"


def test_anchors_and_merges() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\none: {<<: *x, a: 9}\ntwo: {<<: [*x, *y]}\nthree: *x\n"
    data = parse(text, "f").data
    assert data["one"] == {"a": 9, "b": 1}
    assert data["two"] == {"a": 1, "b": 1, "c": 2}
    assert data["three"] == {"a": 1, "b": 1}


def test_a_merged_key_is_found_where_it_is_written() -> None:
    assert parse("x: &x\n  a: 1\ny:\n  <<: *x\n  b: 2\n", "f").where(("y", "a")) == "f:2"


def test_aliases_cannot_fill_the_memory() -> None:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(ConfigError, match=r"f:1:\d+: more than 100000 values"):
        parse("\n".join(lines), "f")


def test_merges_cannot_take_forever() -> None:
    lines = ["l0: &l0 {x: 1}", *(f"l{n}: &l{n} {{<<: [{', '.join([f'*l{n - 1}'] * 10)}]}}" for n in range(1, 12))]
    with pytest.raises(ConfigError, match="more than 100000 values"):
        parse("\n".join(lines), "f")


def test_deep_nesting() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse("a: " + "[" * 5000 + "]" * 5000, "f")


def test_a_file_with_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: a\r\nrun: x\r\n")
    document = read(path)
    assert document.data == {"name": "a", "run": "x"}
    assert document.line(("run",)) == 2
    assert parse(document.text, "f").sha256 == document.sha256


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"name: a\nrun: \xff\xfe\n", r"f\.yaml:2: not UTF-8: byte 0xff at offset 13"),
        ("name: ä\n".encode("utf-16"), "not UTF-8"),
        (b"name: a\x00\n", r"f\.yaml:1: character U\+0000 is not allowed"),
        (b"#" * (MAX_BYTES + 1), "larger than 1048576 bytes"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=message):
        read(path)


def test_files_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml: no such file") as missing:
        read(tmp_path / "nothing.yaml")
    assert "ga init" in missing.value.hint
    with pytest.raises(ConfigError, match="found a folder"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / ("x" * 300))


# JSON is YAML, except for characters that YAML wants escaped and JSON does not.
_text = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=8)
_floats = st.floats(allow_nan=False, allow_infinity=False)
_scalars = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | _floats | _text
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcNO", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("xyzNO", min_size=1, max_size=4), _values, min_size=1, max_size=4))
def test_json_is_read_as_json(data: dict[str, object]) -> None:
    assert parse(json.dumps(data, ensure_ascii=False), "f").data == data


@given(st.text(max_size=60) | st.text("{}[]:-&*<!#'\"\n\t a1", max_size=60))
def test_any_text_is_read_or_refused_with_its_file(text: str) -> None:
    refusal = ""
    try:
        parse(text, "f.yaml")
    except ConfigError as error:
        refusal = error.message
    assert refusal == "" or refusal.startswith("f.yaml:")
