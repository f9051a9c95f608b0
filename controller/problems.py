"""Errors as RFC 9457 problems for programs, and as a page for people."""

from http import HTTPStatus
from typing import TypeVar

from flask import Flask, Response, render_template, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    TooManyRequests,
    Unauthorized,
    UnprocessableEntity,
)

from controller.schemas import Problem, WrongField
from rack.errors import DatabaseError, UnknownPlace

API_PREFIX = "/api/v"

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


def register(app: Flask) -> None:
    """Let every error of the app end in an answer of ours, none in a traceback."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(
        UnknownPlace, lambda error: _answer(HTTPStatus.NOT_FOUND, str(error))
    )
    app.register_error_handler(
        DatabaseError, lambda error: _answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    )


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
