"""Error pages: what happened in plain sentences, and a way back."""

from collections.abc import Mapping
from http import HTTPStatus

from flask import Response, render_template

from controller.web.local_paths import referring_path

_TITLES: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "Invalid request",
    HTTPStatus.UNAUTHORIZED: "Log in first",
    HTTPStatus.FORBIDDEN: "Not allowed",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Not a page",
    HTTPStatus.CONFLICT: "Not possible now",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Too much data",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Invalid input",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Internal error",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not available",
}
_DETAILS: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "the request is malformed",
    HTTPStatus.FORBIDDEN: "your role does not allow this",
    HTTPStatus.NOT_FOUND: "nothing exists at this address. Check the address for typing errors",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address does not accept requests of this kind. A form"
    " sends them, but the address cannot be opened",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the request contains more data than PiRack accepts:"
    " send less",
    HTTPStatus.UNPROCESSABLE_ENTITY: "the request contains invalid values",
    HTTPStatus.INTERNAL_SERVER_ERROR: "PiRack failed to process this request. The log of the"
    " controller contains the reason",
}


def default_detail(status: HTTPStatus) -> str:
    """Return the reason of an error that has no reason of its own."""
    return _DETAILS.get(status, status.description)


def error_page(status: HTTPStatus, detail: str) -> Response:
    """Return the page of an error."""
    body = render_template(
        "problem.html",
        title=_TITLES.get(status, status.phrase),
        detail=detail if detail.endswith((".", "?", "!")) else f"{detail}.",
        status=status,
        back=referring_path(),
    )
    return Response(body, status)
