"""Policies are classes behind entry points; their fields are what the YAML may say about them.

A field `dwell_s: float` is written `dwell` and takes a duration, `margin_percent: float` is written `margin` and takes
`10%`; every other field is written by its own name. A mapping of text to numbers is keyed by sites.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from gacli.config.fields import Duration, Integer, Number, Percent
from gacli.config.models import PolicyConfig
from gacli.config.problems import Problem, near, of_validation
from gacli.core.decision import Policy

_GROUP: Final = "ga.policies"
_WITHIN: Final = ("policy",)
_PLAIN_TYPES: Final[Mapping[object, object]] = {float: Number, int: Integer}


class PolicyProblems(Exception):
    """The policy or its parameters cannot be used."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.text for problem in problems))
        self.problems = problems


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """One parameter. key: its name in YAML. field: its name in the class. annotation: what pydantic validates."""

    key: str
    field: str
    annotation: object
    default: object
    by_site: bool


def installed() -> dict[str, EntryPoint]:
    """The policies of all installed distributions by name."""
    return {point.name: point for point in entry_points(group=_GROUP)}


def policy_class(name: str) -> type[Policy]:
    """The class behind a policy's name. PolicyProblems when there is none or it cannot be imported."""
    points = installed()
    if name not in points:
        raise PolicyProblems(
            Problem(loc=(*_WITHIN, "name"), text=f'no policy "{name}" is installed; {near(name, sorted(points))}')
        )
    try:
        return cast(type[Policy], points[name].load())
    except (ImportError, AttributeError) as error:
        text = f'the policy "{name}" is installed as {points[name].value}, but cannot be imported: {error}'
        raise PolicyProblems(Problem(loc=(*_WITHIN, "name"), text=text)) from error


def parameters(policy: type) -> tuple[Parameter, ...]:
    """What the YAML may say about a policy, from the fields of its dataclass."""
    hints = get_type_hints(policy)
    fields = dataclasses.fields(policy) if dataclasses.is_dataclass(policy) else ()
    return tuple(_parameter(field, hints[field.name]) for field in fields if field.init)


def parameters_model(policy: type[Policy]) -> type[BaseModel]:
    """A model of the parameters by their YAML keys, for validation and for the JSON Schema."""
    fields = {parameter.key: (parameter.annotation, parameter.default) for parameter in parameters(policy)}
    make = cast(Callable[..., type[BaseModel]], create_model)
    return make(policy.__name__, __config__=ConfigDict(extra="forbid", frozen=True), **fields)


def build(config: PolicyConfig, sites: Collection[str]) -> Policy:
    """The policy that the configuration asks for. PolicyProblems lists everything that is wrong with it."""
    policy = policy_class(config.name)
    model = parameters_model(policy)
    try:
        given = model.model_validate(config.parameters)
    except ValidationError as error:
        raise PolicyProblems(*of_validation(error, model, within=_WITHIN)) from None
    known = parameters(policy)
    strangers = [
        Problem(loc=(*_WITHIN, parameter.key, site), text=f"unknown site; {near(site, sites)}")
        for parameter in known
        if parameter.by_site
        for site in cast(Mapping[str, object], getattr(given, parameter.key) or {})
        if site not in sites
    ]
    if strangers:
        raise PolicyProblems(*strangers)
    values = {parameter.field: getattr(given, parameter.key) for parameter in known}
    try:
        return cast(Callable[..., Policy], policy)(**values)
    except ValueError as error:
        raise PolicyProblems(_refusal(str(error), known)) from error


def _parameter(field: dataclasses.Field[object], hint: object) -> Parameter:
    key = field.name
    annotation = _PLAIN_TYPES.get(hint, hint)
    by_site = False
    if hint is float and key.endswith("_s"):
        key, annotation = key.removesuffix("_s"), Duration
    elif hint is float and key.endswith("_percent"):
        key, annotation = key.removesuffix("_percent"), Percent
    elif get_origin(hint) is Mapping and get_args(hint) == (str, float):
        annotation, by_site = dict[str, Number], True
    default: object = ...
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    return Parameter(key=key, field=field.name, annotation=annotation, default=default, by_site=by_site)


def _refusal(message: str, known: tuple[Parameter, ...]) -> Problem:
    """The policy's own refusal, at the parameter it speaks of and in the YAML's words."""
    about = next((parameter for parameter in known if message.startswith(f"{parameter.field} ")), None)
    if about is None:
        return Problem(loc=_WITHIN, text=message)
    return Problem(loc=(*_WITHIN, about.key), text=message.removeprefix(f"{about.field} "))
