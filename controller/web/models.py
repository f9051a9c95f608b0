"""Base class and field types of the API models."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

_MAX_ID = 1_000_000
_Id = Annotated[int, Field(ge=1, le=_MAX_ID)]
_Name = Annotated[str, Field(min_length=1, max_length=100)]


def _with_one_error(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Validate a union. Pydantic would return an error for each of its types."""
    try:
        return validate(value)
    except ValidationError as error:
        raise PydanticCustomError(
            "target", f"Input should be an id from 1 to {_MAX_ID}, or a name such as 03-2"
        ) from error


TargetId = Annotated[_Id | _Name, WrapValidator(_with_one_error)]
"""A rasp or a stack in a request: its id or number, or its name. See `rack.targets`."""


def _require_number(value: Any) -> Any:
    """Reject what pydantic would convert to a number, although it is none in JSON."""
    if isinstance(value, bool | str):
        raise PydanticCustomError("number", "Input should be a number")
    return value


JSON_NUMBER = BeforeValidator(_require_number)
"""Marks a number that is not converted. It follows the limits, which the document contains then."""

JsonBool = Annotated[bool, Strict()]
"""A boolean of JSON. Numbers are rejected."""


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
    options = [option for option in schema.pop("anyOf") if option != {"type": "null"}]
    schema.update(options[0] if len(options) == 1 else {"anyOf": options})
