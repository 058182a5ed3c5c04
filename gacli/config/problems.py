"""What is wrong with a configuration and where, told as `train.yaml:12: sites[1].zone: found …, expected …`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gacli.config.document import Document, Loc
from gacli.config.quantities import Unexpected, describe
from gacli.errors import ConfigError

_EXPECTED_BY_TYPE: Final = {
    "model_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "list_type": "a list",
    "string_type": "text",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing to correct. loc: where, as the path of keys and indices from the root. text: found and expected."""

    loc: Loc
    text: str


def config_error(document: Document, problems: Sequence[Problem]) -> ConfigError:
    """All problems as one error, in the file's order, one line each."""
    ordered = sorted(problems, key=lambda problem: document.line(problem.loc))
    return ConfigError("\n".join(_line(document, problem) for problem in ordered))


def of_validation(error: ValidationError, model: type[BaseModel], *, within: Loc = ()) -> list[Problem]:
    """The problems that pydantic found. within: where the validated mapping stands in the file."""
    return [_of_detail(detail, model, within) for detail in error.errors(include_url=False)]


def near(word: str, known: Iterable[str]) -> str:
    """`did you mean x? allowed: …` for a word that is none of `known`; at most a dozen of them are listed."""
    names = list(known)
    close = get_close_matches(word.lower(), [name.lower() for name in names], n=3, cutoff=0.6)
    similar = [name for name in names if name.lower() in close]
    listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return (f"did you mean {' or '.join(similar)}? " if similar else "") + f"allowed: {listed or 'none'}"


def key_path(loc: Loc) -> str:
    """`("sites", 1, "zone")` → `sites[1].zone`."""
    parts = [
        f"[{part}]" if isinstance(part, int) else f".{part}" if re.fullmatch(r"[\w-]+", part) else f'["{part}"]'
        for part in loc
    ]
    return "".join(parts).removeprefix(".")


def _line(document: Document, problem: Problem) -> str:
    return f"{document.where(problem.loc)}: " + (f"{key_path(problem.loc)}: " if problem.loc else "") + problem.text


def _of_detail(detail: ErrorDetails, model: type[BaseModel], within: Loc) -> Problem:
    loc: Loc = detail["loc"]
    match detail["type"]:
        case "missing":
            return Problem(loc=(*within, *loc), text=f"required, but missing{_purpose(model, loc)}")
        case "extra_forbidden":
            known = _model_at(model, loc[:-1]).model_fields
            return Problem(loc=(*within, *loc), text=f"unknown key; {near(str(loc[-1]), known)}")
        case "too_short":
            return Problem(loc=(*within, *loc), text="found an empty list, expected at least one item")
        case _:
            return _of_value(detail, model, within)


def _of_value(detail: ErrorDetails, model: type[BaseModel], within: Loc) -> Problem:
    loc: Loc = (*within, *detail["loc"])
    if loc[-1:] == ("[key]",):  # pydantic's way to point at a key instead of its value
        return Problem(loc=loc[:-1], text=f"found the key {describe(loc[-2])}, expected {_expected(detail)}")
    text = f"found {describe(detail['input'])}, expected {_expected(detail)}"
    field = _field_at(model, detail["loc"])
    if detail["input"] is None and field is not None and not field.is_required():
        text += "; leave the key out to use its default"
    return Problem(loc=loc, text=text)


def _expected(detail: ErrorDetails) -> str:
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, Unexpected):
        return cause.expected
    return _EXPECTED_BY_TYPE.get(detail["type"], f"something else: {detail['msg']}")


def _purpose(model: type[BaseModel], loc: Loc) -> str:
    field = _field_at(model, loc)
    return f". {field.description}" if field is not None and field.description else ""


def _field_at(model: type[BaseModel], loc: Loc) -> FieldInfo | None:
    return _model_at(model, loc[:-1]).model_fields.get(str(loc[-1])) if loc else None


def _model_at(model: type[BaseModel], loc: Loc) -> type[BaseModel]:
    """The model of the mapping at `loc`; list indices lead to the model of the items."""
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
