"""API models of queries, problems, audit events and documents."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, JsonValue, RootModel, WithJsonSchema

from controller.audit import AuditRecord
from controller.state.model import RaspStatus
from controller.state.moments import parse_moment
from controller.web.models import ApiModel, example_config, omittable
from rack.database import MAX_ROW_ID


class EmptyQuery(ApiModel):
    """Query without fields."""


def _parse_moment(value: object) -> float:
    if not isinstance(value, str):  # the query contains the field twice
        raise ValueError("write one time")  # noqa: TRY004 - pydantic converts no TypeError
    return parse_moment(value)


Moment = Annotated[
    float,
    BeforeValidator(_parse_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An ISO 8601 time in a query, as seconds since the epoch."""


def _moment_field() -> Any:
    return omittable(
        description="Time in the past. Default: now.", examples=["2026-11-29T13:59:00Z"]
    )


class RackQuery(ApiModel):
    """Fields of `GET rack` and `GET alerts`."""

    at: Moment | None = _moment_field()


class RaspsQuery(ApiModel):
    """Filters of `GET rasps`. A rasp must match all given filters."""

    at: Moment | None = _moment_field()
    stack: int | None = omittable(ge=1, description="Number of the stack.", examples=[3])
    state: RaspStatus | None = omittable(description="State of the rasp.", examples=["down"])
    q: str | None = omittable(
        max_length=100,
        description="Id, or part of the name, host name, MAC or IP address.",
        examples=["3/2"],
    )


class AuditQuery(ApiModel):
    """Filters of `GET audit`. An event must match all given filters."""

    limit: int = Field(default=50, ge=1, le=500, description="Maximum number of events.")
    before: int | None = omittable(
        ge=1, le=MAX_ROW_ID, description="Event id. Only older events are listed.", examples=[120]
    )
    q: str | None = omittable(
        max_length=100,
        description="Part of the actor, action, targets, result or detail.",
        examples=["log in"],
    )


class FieldError(ApiModel):
    """Unknown or invalid field of a request."""

    field: str
    message: str = Field(description="description of the error")


PROBLEM_CONTENT_TYPE = "application/problem+json"


class Problem(ApiModel):
    """Error as problem details (RFC 9457)."""

    model_config = example_config(
        type="about:blank",
        title="Not Found",
        status=404,
        detail="no rasp 49: this rack has rasps 1 to 48",
    )

    type: str = "about:blank"
    title: str = Field(description="name of the status")
    status: int
    detail: str = Field(description="problem and fix")
    errors: list[FieldError] | None = omittable(
        description="unknown or invalid fields, for status 422"
    )


class AuditEventResponse(ApiModel):
    """Audit event."""

    id: int
    time: float = Field(description="time of the first occurrence")
    count: int = Field(description="number of occurrences within an hour")
    last_time: float = Field(description="time of the last occurrence")
    actor: str = Field(description="user, `token:NAME`, `console:NAME` or `anonymous`")
    client_address: str = Field(description="address of the client")
    action: str
    targets: str
    result: str = Field(description="`ok`, `failed`, `unknown` or `refused`")
    detail: str

    @classmethod
    def of(cls, record: AuditRecord) -> Self:
        """Return the model of an event."""
        event = record.event
        return cls(
            id=record.id,
            time=record.time,
            count=record.count,
            last_time=record.last_time,
            actor=event.actor,
            client_address=event.client_address,
            action=event.action,
            targets=event.targets,
            result=event.result,
            detail=event.detail,
        )


class DocumentResponse(RootModel[dict[str, JsonValue]]):
    """An OpenAPI document."""
