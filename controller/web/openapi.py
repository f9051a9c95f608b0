"""The OpenAPI document of the API, which spectree makes of the views, their models and docstrings.

What an endpoint takes is checked here, too; what it answers is not: it is made of the very models
that the document shows, and the tests hold it against the document.
"""

import json
import threading
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Response
from pydantic import BaseModel
from spectree import Response as Answers
from spectree import SecurityScheme, SpecTree, Tag
from spectree.models import InType, SecureType, SecuritySchemeData

from controller.web.problems import parse_body, parse_query
from controller.web.schemas import EmptyQuery, Problem

ViewFunction = Callable[..., Response]

VERSION = "1.0"
API_PREFIX = f"/api/v{VERSION}"

_DESCRIPTION = """\
How a rack of Raspberry Pis is: its rasps, stacks and master. A time is in seconds since the epoch,
and what nobody has read or found is `null`. GET changes nothing."""

_TAGS = {
    tag.name: tag
    for tag in (
        Tag(name="rasps", description="The Raspberry Pis, each in a slot of a stack."),
        Tag(name="stacks", description="Rasps that share one relay."),
        Tag(name="rack", description="All of it at a glance."),
        Tag(name="master", description="The machine that the controller runs on."),
        Tag(name="orders", description="What was ordered, and what came of it."),
        Tag(name="installation", description="Which rasp sits where, found out and written down."),
        Tag(name="alerts", description="What fires, and what Alertmanager tells."),
        Tag(name="audit", description="Who did what, when and from where."),
        Tag(name="document", description="This document."),
    )
}

_TOKEN_SCHEME = SecurityScheme(
    name="token",
    data=SecuritySchemeData(
        type=SecureType.HTTP, scheme="bearer", description="For programs: a token made for it."
    ),
)
_SESSION_SCHEME = SecurityScheme(
    name="session",
    data=SecuritySchemeData(
        type=SecureType.API_KEY,
        name="pirack_session",
        field_in=InType.COOKIE,
        description="For pages: who logs in gets this cookie.",
    ),
)

# What any endpoint can answer instead of what it is asked for.
_COMMON_STATUSES = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_STATUS_DESCRIPTIONS: Mapping[HTTPStatus, str] = {
    HTTPStatus.OK: "The answer.",
    HTTPStatus.ACCEPTED: "It has begun; `Location` tells where it can be watched.",
    HTTPStatus.NOT_MODIFIED: "What the client has, by its `If-None-Match`, is still the answer.",
    HTTPStatus.BAD_REQUEST: "The controller does not go by the name in `Host`.",
    HTTPStatus.UNAUTHORIZED: "There is neither a valid token nor a session.",
    HTTPStatus.FORBIDDEN: "The role does not reach so far, or a session lacks its CSRF token.",
    HTTPStatus.NOT_FOUND: "There is no such place in this rack, or no such order.",
    HTTPStatus.METHOD_NOT_ALLOWED: "The path takes other methods.",
    HTTPStatus.CONFLICT: "Something else runs, nothing does that could be stopped, or an install is"
    " refused.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is longer than 64 KiB.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body does not say that it is JSON.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A field is unknown or wrong; `errors` names each.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many refused attempts; `Retry-After` says when to come.",
    HTTPStatus.SERVICE_UNAVAILABLE: "`pirack.db` or the relays cannot be used, or too much waits.",
}
# What a request can be answered beside, that is to change something.
_WRITE_STATUSES = (
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS,
)
_BODY_STATUSES = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_RESPONSE_HEADERS: Mapping[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.OK: ("ETag", "Names this answer; send it back as `If-None-Match`."),
    HTTPStatus.ACCEPTED: ("Location", "Where the order or the install can be watched."),
    HTTPStatus.NOT_MODIFIED: ("ETag", "Names the answer that the client has."),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "Seconds to wait."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow", "The methods that the path takes."),
}


class OpenApiDocument:
    """Collects the API's endpoints as they are declared."""

    def __init__(self) -> None:
        self._tree = SpecTree(
            "flask",
            mode="strict",
            annotations=False,
            title="PiRack",
            version=VERSION,
            description=_DESCRIPTION,
            validation_error_model=Problem,
            naming_strategy=lambda model: model.__name__,
            nested_naming_strategy=lambda _parent, child: child,
            security_schemes=[_TOKEN_SCHEME, _SESSION_SCHEME],
            # The empty one: rack.toml may let anybody read.
            security=[{"token": []}, {"session": []}, {}],
        )
        self._lock = threading.Lock()

    def read_endpoint(
        self,
        tag: str,
        response: Any = None,
        *,
        query_model: type[BaseModel] | None = None,
        path_params: Mapping[str, str] | None = None,
        extra_statuses: Collection[HTTPStatus] = (),
    ) -> Callable[[ViewFunction], ViewFunction]:
        """Return a decorator that declares an endpoint that only tells something.

        It goes under its view's name and docstring, as all do.

        Args:
            tag: the group of endpoints that it is shown in.
            response: the model, or the list of models, that it answers with.
            query_model: the model of its URL's fields, passed to the view as its first argument;
                without it, any field is refused.
            path_params: what each variable of its path means; with any of them it may answer 404.
            extra_statuses: what else it may answer.
        """
        statuses = {HTTPStatus.NOT_MODIFIED, *_COMMON_STATUSES, *extra_statuses}
        if query_model is not None or path_params:
            statuses.add(HTTPStatus.NOT_FOUND)

        def declare(view: ViewFunction) -> ViewFunction:
            @wraps(view)
            def checked(**places: Any) -> Response:
                fields = parse_query(query_model or EmptyQuery)
                return view(fields, **places) if query_model else view(**places)

            return self._declare(
                checked, tag, {HTTPStatus.OK: response}, statuses, path_params, query_model
            )

        return declare

    def write_endpoint(
        self,
        tag: str,
        responses: Mapping[HTTPStatus, Any],
        *,
        body_model: type[BaseModel] | None = None,
        path_params: Mapping[str, str] | None = None,
    ) -> Callable[[ViewFunction], ViewFunction]:
        """Return a decorator that declares an endpoint that changes something.

        Args:
            tag: the group of endpoints that it is shown in.
            responses: the model that it answers with, by its status.
            body_model: the model of the body, passed to the view as its first argument.
            path_params: what each variable of its path means.
        """
        statuses = {*_COMMON_STATUSES, *_WRITE_STATUSES, *(_BODY_STATUSES if body_model else ())}

        def declare(view: ViewFunction) -> ViewFunction:
            @wraps(view)
            def checked(**places: Any) -> Response:
                parse_query(EmptyQuery)
                return view(parse_body(body_model), **places) if body_model else view(**places)

            return self._declare(
                checked, tag, responses, statuses, path_params, body_model=body_model
            )

        return declare

    def _declare(
        self,
        view: ViewFunction,
        tag: str,
        responses: Mapping[HTTPStatus, Any],
        statuses: Collection[HTTPStatus],
        path_params: Mapping[str, str] | None,
        query_model: type[BaseModel] | None = None,
        body_model: type[BaseModel] | None = None,
    ) -> ViewFunction:
        told = {
            f"HTTP_{status}": (Problem if status >= HTTPStatus.BAD_REQUEST else None, text)
            for status, text in _STATUS_DESCRIPTIONS.items()
            if status in statuses
        }
        told |= {
            f"HTTP_{status}": (model, _STATUS_DESCRIPTIONS[status])
            for status, model in responses.items()
        }
        declared: ViewFunction = self._tree.validate(
            query=query_model,
            json=body_model,
            resp=_ResponseSpec(**told),
            tags=[_TAGS[tag]],
            path_parameter_descriptions=path_params,
            operation_id=view.__name__,
            skip_validation=True,
        )(view)
        return declared

    def to_json(self) -> bytes:
        """Return the document as JSON; needs an application's context."""
        with self._lock:
            return json.dumps(self._tree.spec).encode()


class _ResponseSpec(Answers):
    """What an endpoint answers, as it is sent: errors as problems, and headers beside the body."""

    def generate_spec(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        spec = super().generate_spec(*args, **kwargs)
        for code, answer in spec.items():
            status = HTTPStatus(int(code))
            if status >= HTTPStatus.BAD_REQUEST:
                content = answer["content"]
                content["application/problem+json"] = content.pop("application/json")
            if status in _RESPONSE_HEADERS and (status != HTTPStatus.OK or "304" in spec):
                name, text = _RESPONSE_HEADERS[status]
                answer["headers"] = {
                    name: {"description": text, "required": True, "schema": {"type": "string"}}
                }
        return dict(sorted(spec.items()))
