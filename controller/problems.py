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
    AlertsClosed,
    InstallRuns,
    NotCancellable,
    NothingToStop,
    OrdersClosed,
    StackBusy,
    UnknownAction,
    UnknownOrder,
)
from controller.schemas import Problem, WrongField
from dhcp_installer.errors import AssignmentError, InstallError
from rack.errors import DatabaseError, RackError, UnknownPlace

API_PREFIX = "/api/v"

_STATUSES: Mapping[type[RackError | InstallError], HTTPStatus] = {
    UnknownPlace: HTTPStatus.NOT_FOUND,
    UnknownOrder: HTTPStatus.NOT_FOUND,
    StackBusy: HTTPStatus.CONFLICT,
    NotCancellable: HTTPStatus.CONFLICT,
    InstallRuns: HTTPStatus.CONFLICT,
    InstallError: HTTPStatus.CONFLICT,
    AssignmentError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NothingToStop: HTTPStatus.CONFLICT,
    OrdersClosed: HTTPStatus.SERVICE_UNAVAILABLE,
    AlertsClosed: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseError: HTTPStatus.SERVICE_UNAVAILABLE,
}

_Model = TypeVar("_Model", bound=BaseModel)


class WrongFields(UnprocessableEntity):
    """Fields of a request are unknown or wrong; `errors` names each of them."""

    def __init__(self, error: ValidationError) -> None:
        self.errors = [
            WrongField(field=".".join(map(str, each["loc"])), what=each["msg"])
            for each in error.errors(include_url=False)
        ]
        super().__init__("; ".join(f"{each.field}: {each.what}" for each in self.errors))


def query(model: type[_Model]) -> _Model:
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
        raise WrongFields(error) from error


def body(model: type[_Model]) -> _Model:
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
        raise WrongFields(error) from error


def register(app: Flask) -> None:
    """Let every error of the app end in an answer of ours, none in a traceback."""
    app.register_error_handler(HTTPException, _http)
    for kind, status in _STATUSES.items():
        app.register_error_handler(kind, partial(_told, status))
    app.register_error_handler(UnknownAction, _unknown_action)


def _told(status: HTTPStatus, error: RackError | InstallError) -> Response:
    return _answer(status, str(error))


def _unknown_action(error: UnknownAction) -> Response:
    wrong = WrongField(field=error.field, what=str(error))
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error.field}: {error}", [wrong])


def _http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    errors = error.errors if isinstance(error, WrongFields) else None
    response = _answer(status, error.description or status.description, errors)
    if isinstance(error, Unauthorized) and error.www_authenticate:
        response.headers["WWW-Authenticate"] = ", ".join(map(str, error.www_authenticate))
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _answer(status: HTTPStatus, detail: str, errors: list[WrongField] | None = None) -> Response:
    if not request.path.startswith(API_PREFIX):
        return Response(render_template("problem.html", status=status, detail=detail), status)
    problem = Problem(title=status.phrase, status=status, detail=detail, errors=errors)
    return Response(
        problem.model_dump_json(exclude_none=True), status, content_type="application/problem+json"
    )
