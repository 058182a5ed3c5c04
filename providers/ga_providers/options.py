"""A provider's own section of a site, checked against its pydantic model."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gacli.core.site import Site
from gacli.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


def parse_options(model: type[Model], site: Site) -> Model:
    """`site.options` as the model; ConfigError names the first bad key, what was found and what is allowed."""
    try:
        return model.model_validate(dict(site.options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            allowed = ", ".join(_keys(model, first["loc"][:-1]))
            raise ConfigError(f"{key}: unknown key for provider {site.provider}; allowed are {allowed}") from None
        if first["type"] == "missing":
            raise ConfigError(f"{key}: missing; provider {site.provider} needs it") from None
        raise ConfigError(f"{key}: found {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at a place inside the model."""
    for part in location:
        inner = model.model_fields[str(part)].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        model = inner
    return sorted(model.model_fields)
