"""The JSON Schema for editors agrees with what the loader accepts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
import yaml

from gacli.config import document
from gacli.config.load import parse
from gacli.config.policies import installed
from gacli.config.schema import DIALECT, schema
from gacli.config.template import template
from gacli.errors import ConfigError

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "config"
# Of jobs: experiments and sweeps are files of another `kind`.
SAMPLES = sorted(path for path in ROOT.glob("sample-configs/**/*.yaml") if "\nkind:" not in path.read_text("utf-8"))

JsonObject = dict[str, object]
SCHEMA = schema()

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
# Every keyword that the schema uses; a keyword that this validator does not know must not pass unnoticed.
_ANNOTATIONS = {"$schema", "$defs", "title", "description", "default", "examples"}
_CHECKED = {
    *("$ref", "type", "enum", "const", "anyOf", "pattern", "minimum", "maximum", "items", "minItems", "uniqueItems"),
    *("properties", "patternProperties", "additionalProperties", "required"),
}


def accepts(rule: JsonObject, value: object) -> bool:
    """Whether a value meets a schema, by the rules of draft 2020-12 for the keywords above."""
    assert set(rule) <= _ANNOTATIONS | _CHECKED, set(rule) - _ANNOTATIONS - _CHECKED
    if "$ref" in rule:
        definitions = cast(dict[str, JsonObject], SCHEMA["$defs"])
        return accepts(definitions[str(rule["$ref"]).removeprefix("#/$defs/")], value)
    return (
        _type_fits(rule.get("type"), value)
        and ("enum" not in rule or value in cast(list[object], rule["enum"]))
        and ("const" not in rule or value == rule["const"])
        and ("anyOf" not in rule or any(accepts(part, value) for part in cast(list[JsonObject], rule["anyOf"])))
        and (not isinstance(value, str) or re.search(str(rule.get("pattern", "")), value) is not None)
        and _in_range(rule, value)
        and (not isinstance(value, list) or _items_fit(rule, value))
        and (not isinstance(value, dict) or _properties_fit(rule, value))
    )


def _type_fits(wanted: object, value: object) -> bool:
    names = wanted if isinstance(wanted, list) else [wanted]
    return wanted is None or any(
        isinstance(value, _TYPES[str(name)]) and (name == "boolean" or not isinstance(value, bool)) for name in names
    )


def _in_range(rule: JsonObject, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return True
    low, high = cast(float, rule.get("minimum", value)), cast(float, rule.get("maximum", value))
    return low <= value <= high


def _items_fit(rule: JsonObject, value: list[object]) -> bool:
    items = cast(JsonObject, rule.get("items", {}))
    if rule.get("uniqueItems") and any(item in value[:index] for index, item in enumerate(value)):
        return False
    return len(value) >= cast(int, rule.get("minItems", 0)) and all(accepts(items, item) for item in value)


def _properties_fit(rule: JsonObject, value: Mapping[str, object]) -> bool:
    if not set(cast(list[str], rule.get("required", []))) <= set(value):
        return False
    named = cast(dict[str, JsonObject], rule.get("properties", {}))
    patterns = cast(dict[str, JsonObject], rule.get("patternProperties", {}))
    for key, item in value.items():
        rules = [named[key]] if key in named else []
        rules += [part for pattern, part in patterns.items() if re.search(pattern, key)]
        other = rule.get("additionalProperties", True)
        if not rules and isinstance(other, dict):
            rules = [other]
        if (not rules and other is False) or not all(accepts(part, item) for part in rules):
            return False
    return True


def data_of(text: str) -> object:
    return document.parse(text, "train.yaml").data


def test_it_is_json_of_the_stated_dialect() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == DIALECT == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", [DATA / "minimal.yaml", DATA / "full.yaml", *SAMPLES], ids=lambda path: path.name)
def test_good_files(path: Path) -> None:
    assert accepts(SCHEMA, data_of(path.read_text(encoding="utf-8")))


def test_the_template() -> None:
    assert accepts(SCHEMA, data_of(template("digits")))


# What a schema cannot say: it knows neither other keys' values nor what is on the disk.
BEYOND = re.compile(
    r"work folder|site called cleanest|duplicate site|unknown start|busy below|of a stranger|trace without|folder and|"
    r"(folder|scope|values) for|for no site|no (value|file) for a site|impossible (margin|start)|negative threshold|"
    r"start far away|too slow|too short|lease of few|secret with a|units without|without a limit"
)


def bad_lines() -> list[tuple[str, str]]:
    cases = cast(list[dict[str, str]], yaml.safe_load((DATA / "bad.yaml").read_text(encoding="utf-8")))
    return [(bad["case"], bad["lines"]) for bad in cases if "lines" in bad and not BEYOND.search(bad["case"])]


@pytest.mark.parametrize(("case", "lines"), bad_lines(), ids=[case for case, _ in bad_lines()])
def test_what_the_loader_refuses_the_schema_refuses(case: str, lines: str) -> None:
    sites = "" if "sites:" in lines else "\nsites: [{name: here, provider: mock, zone: DE}]"
    text = f"name: digits\nrun: python train.py\n{lines}{sites}\n"
    with pytest.raises(ConfigError):
        parse(text, Path("train.yaml"))
    assert not accepts(SCHEMA, data_of(text))


def test_every_installed_policy_can_be_completed() -> None:
    definitions = cast(dict[str, JsonObject], SCHEMA["$defs"])
    plain, *described = cast(list[JsonObject], definitions["PolicyConfig"]["anyOf"])
    assert plain == {"enum": sorted({*installed()} - {"greenaccounter", "pause-resume", "move-or-pause"})}
    names = [cast(dict[str, JsonObject], policy["properties"])["name"]["const"] for policy in described]
    assert names == sorted(installed())


@pytest.mark.parametrize(
    ("policy", "good"),
    [
        ("stay", True),
        ("greenaccounter", False),
        ("{name: stay}", True),
        ("{margin: 10%}", True),
        ("{name: hysteresis, margin: 10, dwell: 1h30m}", True),
        ("{name: greenaccounter, thresholds: {here: 250}}", True),
        ("{name: greenaccounter}", False),
        ("{name: stay, margin: 10%}", False),
        ("{name: nothing}", False),
    ],
)
def test_policies(policy: str, good: bool) -> None:
    text = f"name: a\nrun: x\npolicy: {policy}\nsites: [{{name: here, provider: mock, zone: DE}}]\n"
    assert accepts(SCHEMA, data_of(text)) is good
