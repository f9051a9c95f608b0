"""Errors as RFC 9457 problems for programs, and as a page for people."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import TypeVar

from flask import Flask, Response, render_template, request
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

from controller.errors import (
    AlertQueueFullError,
    InstallRunningError,
    InvalidActionError,
    NoInstallRunningError,
    NotCancellableError,
    OrdersUnavailableError,
    StackBusyError,
    UnknownOrderError,
)
from controller.web.schemas import FieldError, Problem
from dhcp_installer.errors import AssignmentError, InstallError
from rack.errors import DatabaseError, RackError, UnknownTargetError

API_ROOT = "/api/v"

_STATUS_BY_ERROR: Mapping[type[RackError | InstallError], HTTPStatus] = {
    UnknownTargetError: HTTPStatus.NOT_FOUND,
    UnknownOrderError: HTTPStatus.NOT_FOUND,
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
    """Fields of a request are unknown or wrong; `errors` names each of them."""

    def __init__(self, error: ValidationError) -> None:
        self.errors = [
            FieldError(field=".".join(map(str, each["loc"])), message=each["msg"])
            for each in error.errors(include_url=False)
        ]
        super().__init__("; ".join(f"{each.field}: {each.message}" for each in self.errors))


def parse_query(model: type[_Model]) -> _Model:
    """Return the fields of the request's URL as a model.

    Raises:
        WrongFields: a field is unknown, given twice, or wrong.
    """
    fields = {
        name: values[0] if len(values) == 1 else values for name, values in request.args.lists()
    }
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidFieldsError(error) from error


def parse_body(model: type[_Model]) -> _Model:
    """Return the body of the request, a JSON object, as a model.

    Raises:
        UnsupportedMediaType: it does not say that it is JSON.
        BadRequest: it is no JSON.
        WrongFields: a field is missing, unknown or wrong.
    """
    if not request.is_json:
        raise UnsupportedMediaType("send JSON, and say so: Content-Type: application/json")
    try:
        fields = request.get_json()
    except RecursionError as error:
        raise BadRequest("the body is no JSON that anybody would send") from error
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidFieldsError(error) from error


def register(app: Flask) -> None:
    """Let every error of the app end in an answer of ours, none in a traceback."""
    app.register_error_handler(HTTPException, _http_error_response)
    for kind, status in _STATUS_BY_ERROR.items():
        app.register_error_handler(kind, partial(_error_response, status))
    app.register_error_handler(InvalidActionError, _invalid_action_response)


def _error_response(status: HTTPStatus, error: RackError | InstallError) -> Response:
    return _problem_response(status, str(error))


def _invalid_action_response(error: InvalidActionError) -> Response:
    wrong = FieldError(field=error.field, message=str(error))
    return _problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error.field}: {error}", [wrong])


def _http_error_response(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    errors = error.errors if isinstance(error, InvalidFieldsError) else None
    response = _problem_response(status, error.description or status.description, errors)
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
    if not request.path.startswith(API_ROOT):
        return Response(render_template("problem.html", status=status, detail=detail), status)
    problem = Problem(title=status.phrase, status=status, detail=detail, errors=errors)
    return Response(
        problem.model_dump_json(exclude_none=True), status, content_type="application/problem+json"
    )
