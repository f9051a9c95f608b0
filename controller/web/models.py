"""What the models of the API are made of; their fields' names and units are the contract."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ApiModel(BaseModel):
    """The base of them all: what is not one of its fields is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def example_config(**fields: Any) -> ConfigDict:
    """Return the configuration of a model with this example in the document."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


def omittable(**field: Any) -> Any:
    """Return a field that is left out where it has no value, and told so in the document."""
    return Field(default=None, json_schema_extra=_remove_null, **field)


def _remove_null(schema: dict[str, Any]) -> None:
    del schema["default"]
    [value] = (kind for kind in schema.pop("anyOf") if kind != {"type": "null"})
    schema.update(value)
