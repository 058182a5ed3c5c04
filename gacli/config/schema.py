"""The JSON Schema of the configuration, for editors."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import override

from gacli.config.models import Config, PolicyConfig
from gacli.config.policies import PolicyProblems, installed, parameters_model, policy_class

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

JsonObject = dict[str, object]


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, as strict about keys as the models are, and without titles that repeat the keys."""

    @override
    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        result = super().dict_schema(schema)
        return result | {"additionalProperties": False} if "patternProperties" in result else result

    @override
    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def schema() -> JsonObject:
    """JSON Schema (draft 2020-12) of the whole file, the parameters of every installed policy included."""
    whole: JsonObject = Config.model_json_schema(schema_generator=_Generator)
    definitions = whole.pop("$defs")
    assert isinstance(definitions, dict)
    definitions[PolicyConfig.__name__] = _policy_schema()
    return {"$schema": DIALECT, **whole, "title": "ga", "$defs": definitions}


def _policy_schema() -> JsonObject:
    described = [(name, found) for name in sorted(installed()) if (found := _parameters(name)) is not None]
    return {
        "description": "The policy's name, or a mapping of its name and parameters.",
        "anyOf": [
            {"enum": [name for name, model in described if not _needs_parameters(model)]},
            *(_one_policy(name, model) for name, model in described),
        ],
    }


def _parameters(name: str) -> type[BaseModel] | None:
    """None for an installed policy that cannot be imported: the others can still be completed in an editor."""
    try:
        return parameters_model(policy_class(name))
    except PolicyProblems:
        return None


def _needs_parameters(parameters: type[BaseModel]) -> bool:
    return any(field.is_required() for field in parameters.model_fields.values())


def _one_policy(name: str, parameters: type[BaseModel]) -> JsonObject:
    own: JsonObject = parameters.model_json_schema(schema_generator=_Generator)
    properties = own.get("properties", {})
    required = own.get("required", [])
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    return {
        **own,
        "title": f"policy {name}",
        "properties": {"name": {"const": name}, **properties},
        # The name may be left out only where it is the default.
        "required": [*([] if name == PolicyConfig().name else ["name"]), *required],
    }
