"""Base class and field types of the API models."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ApiModel(BaseModel):
    """Base class of the API models. Unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def example_config(**fields: Any) -> ConfigDict:
    """Return a model configuration with an example for the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


def omittable(**field: Any) -> Any:
    """Return a field that is omitted, instead of null, if it has no value."""
    return Field(default=None, json_schema_extra=_remove_null, **field)


def _remove_null(schema: dict[str, Any]) -> None:
    del schema["default"]
    [value] = (option for option in schema.pop("anyOf") if option != {"type": "null"})
    schema.update(value)
