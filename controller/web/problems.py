"""Error responses: RFC 9457 problem details for the API, HTML for the pages."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import TypeVar

from flask import Flask, Response, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    MethodNotAllowed,
    TooManyRequests,
    Unauthorized,
    UnprocessableEntity,
    UnsupportedMediaType,
)

from controller import API_PREFIX
from controller.errors import (
    AlertQueueFullError,
    InstallRunningError,
    InvalidActionError,
    NoInstallRunningError,
    NotCancellableError,
    OrdersUnavailableError,
    PlanError,
    ReservationRefusedError,
    RunConflictError,
    StackBusyError,
    StackReservedError,
    UnknownInstallError,
    UnknownMomentError,
    UnknownOrderError,
    UnknownQuotaError,
    UnknownReservationError,
    UnknownRunError,
)
from controller.web.error_page import default_detail, error_page
from controller.web.schemas import PROBLEM_CONTENT_TYPE, FieldError, Problem
from dhcp_installer.errors import AssignmentError, InstallError
from rack.errors import DatabaseError, PiRackError, UnknownTargetError
from rack.selection import SelectionError

_STATUS_BY_ERROR: Mapping[type[PiRackError], HTTPStatus] = {
    UnknownTargetError: HTTPStatus.NOT_FOUND,
    UnknownOrderError: HTTPStatus.NOT_FOUND,
    UnknownInstallError: HTTPStatus.NOT_FOUND,
    UnknownMomentError: HTTPStatus.NOT_FOUND,
    UnknownRunError: HTTPStatus.NOT_FOUND,
    RunConflictError: HTTPStatus.CONFLICT,
    UnknownReservationError: HTTPStatus.NOT_FOUND,
    UnknownQuotaError: HTTPStatus.NOT_FOUND,
    PlanError: HTTPStatus.UNPROCESSABLE_ENTITY,
    SelectionError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ReservationRefusedError: HTTPStatus.CONFLICT,
    StackReservedError: HTTPStatus.CONFLICT,
    StackBusyError: HTTPStatus.CONFLICT,
    NotCancellableError: HTTPStatus.CONFLICT,
    InstallRunningError: HTTPStatus.CONFLICT,
    InstallError: HTTPStatus.CONFLICT,
    AssignmentError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NoInstallRunningError: HTTPStatus.CONFLICT,
    OrdersUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    AlertQueueFullError: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseError: HTTPStatus.SERVICE_UNAVAILABLE,
}

_Model = TypeVar("_Model", bound=BaseModel)


class InvalidFieldsError(UnprocessableEntity):
    """Fields of a request are unknown or invalid. `errors` lists them."""

    def __init__(self, error: ValidationError) -> None:
        self.errors = [
            FieldError(field=".".join(map(str, detail["loc"])), message=detail["msg"])
            for detail in error.errors(include_url=False)
        ]
        super().__init__("; ".join(f"{field.field}: {field.message}" for field in self.errors))


def parse_query(model: type[_Model]) -> _Model:
    """Return the query of the current request as a model.

    Raises:
        InvalidFieldsError: If a field is unknown, repeated or invalid.
    """
    fields = {
        name: values[0] if len(values) == 1 else values for name, values in request.args.lists()
    }
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidFieldsError(error) from error


def parse_body(model: type[_Model]) -> _Model:
    """Return the JSON body of the current request as a model.

    Raises:
        UnsupportedMediaType: If the content type is not JSON.
        BadRequest: If the body is not valid JSON.
        InvalidFieldsError: If a field is missing, unknown or invalid.
    """
    if not request.is_json:
        raise UnsupportedMediaType("send JSON with the header Content-Type: application/json")
    try:
        fields = request.get_json()
    except RecursionError as error:
        raise BadRequest("the request body is nested too deeply") from error
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidFieldsError(error) from error


def register(app: Flask) -> None:
    """Convert every exception to a problem response."""
    app.register_error_handler(HTTPException, _http_error_response)
    for error_type, status in _STATUS_BY_ERROR.items():
        app.register_error_handler(error_type, partial(_error_response, status))
    app.register_error_handler(InvalidActionError, _invalid_action_response)


def _error_response(status: HTTPStatus, error: PiRackError) -> Response:
    return _problem_response(status, str(error))


def _invalid_action_response(error: InvalidActionError) -> Response:
    errors = [FieldError(field=error.field, message=str(error))]
    return _problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error.field}: {error}", errors)


def _http_error_response(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    errors = error.errors if isinstance(error, InvalidFieldsError) else None
    # Werkzeug's own descriptions are attributes of the classes.
    detail = vars(error).get("description") or default_detail(status)
    response = _problem_response(status, detail, errors)
    if isinstance(error, Unauthorized) and error.www_authenticate:
        response.headers["WWW-Authenticate"] = ", ".join(map(str, error.www_authenticate))
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _problem_response(
    status: HTTPStatus, detail: str, errors: list[FieldError] | None = None
) -> Response:
    if not request.path.startswith(API_PREFIX):
        return error_page(status, detail)
    problem = Problem(title=status.phrase, status=status, detail=detail, errors=errors)
    return Response(
        problem.model_dump_json(exclude_none=True), status, content_type=PROBLEM_CONTENT_TYPE
    )
