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

from controller.problems import body, query
from controller.schemas import NoQuery, Problem

View = Callable[..., Response]

VERSION = "1.0"
PREFIX = f"/api/v{VERSION}"

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

_TOKEN = SecurityScheme(
    name="token",
    data=SecuritySchemeData(
        type=SecureType.HTTP, scheme="bearer", description="For programs: a token made for it."
    ),
)
_SESSION = SecurityScheme(
    name="session",
    data=SecuritySchemeData(
        type=SecureType.API_KEY,
        name="pirack_session",
        field_in=InType.COOKIE,
        description="For pages: who logs in gets this cookie.",
    ),
)

# What any endpoint can answer instead of what it is asked for.
_EVERYWHERE = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_MEANS: Mapping[HTTPStatus, str] = {
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
_OF_CHANGES = (
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS,
)
_OF_BODIES = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_HEADERS: Mapping[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.OK: ("ETag", "Names this answer; send it back as `If-None-Match`."),
    HTTPStatus.ACCEPTED: ("Location", "Where the order or the install can be watched."),
    HTTPStatus.NOT_MODIFIED: ("ETag", "Names the answer that the client has."),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "Seconds to wait."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow", "The methods that the path takes."),
}


class Document:
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
            security_schemes=[_TOKEN, _SESSION],
            # The empty one: rack.toml may let anybody read.
            security=[{"token": []}, {"session": []}, {}],
        )
        self._lock = threading.Lock()

    def operation(
        self,
        tag: str,
        answer: Any = None,
        *,
        takes: type[BaseModel] | None = None,
        finds: Mapping[str, str] | None = None,
        refuses: Collection[HTTPStatus] = (),
    ) -> Callable[[View], View]:
        """Return a decorator that declares an endpoint that only tells something.

        It goes under its view's name and docstring, as all do.

        Args:
            tag: the group of endpoints that it is shown in.
            answer: the model, or the list of models, that it answers with.
            takes: the model of its URL's fields, passed to the view as its first argument;
                without it, any field is refused.
            finds: what each variable of its path means; with any of them it may answer 404.
            refuses: what else it may answer.
        """
        statuses = {HTTPStatus.NOT_MODIFIED, *_EVERYWHERE, *refuses}
        if takes is not None or finds:
            statuses.add(HTTPStatus.NOT_FOUND)

        def declare(view: View) -> View:
            @wraps(view)
            def checked(**places: Any) -> Response:
                fields = query(takes or NoQuery)
                return view(fields, **places) if takes else view(**places)

            return self._declare(checked, tag, {HTTPStatus.OK: answer}, statuses, finds, takes)

        return declare

    def change(
        self,
        tag: str,
        answers: Mapping[HTTPStatus, Any],
        *,
        sends: type[BaseModel] | None = None,
        finds: Mapping[str, str] | None = None,
    ) -> Callable[[View], View]:
        """Return a decorator that declares an endpoint that changes something.

        Args:
            tag: the group of endpoints that it is shown in.
            answers: the model that it answers with, by its status.
            sends: the model of the body, passed to the view as its first argument.
            finds: what each variable of its path means.
        """
        statuses = {*_EVERYWHERE, *_OF_CHANGES, *(_OF_BODIES if sends else ())}

        def declare(view: View) -> View:
            @wraps(view)
            def checked(**places: Any) -> Response:
                query(NoQuery)
                return view(body(sends), **places) if sends else view(**places)

            return self._declare(checked, tag, answers, statuses, finds, json=sends)

        return declare

    def _declare(
        self,
        view: View,
        tag: str,
        answers: Mapping[HTTPStatus, Any],
        statuses: Collection[HTTPStatus],
        finds: Mapping[str, str] | None,
        takes: type[BaseModel] | None = None,
        json: type[BaseModel] | None = None,
    ) -> View:
        told = {
            f"HTTP_{status}": (Problem if status >= HTTPStatus.BAD_REQUEST else None, text)
            for status, text in _MEANS.items()
            if status in statuses
        }
        told |= {f"HTTP_{status}": (model, _MEANS[status]) for status, model in answers.items()}
        declared: View = self._tree.validate(
            query=takes,
            json=json,
            resp=_Answers(**told),
            tags=[_TAGS[tag]],
            path_parameter_descriptions=finds,
            operation_id=view.__name__,
            skip_validation=True,
        )(view)
        return declared

    def read(self) -> bytes:
        """Return the document as JSON; needs an application's context."""
        with self._lock:
            return json.dumps(self._tree.spec).encode()


class _Answers(Answers):
    """What an endpoint answers, as it is sent: errors as problems, and headers beside the body."""

    def generate_spec(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        spec = super().generate_spec(*args, **kwargs)
        for code, answer in spec.items():
            status = HTTPStatus(int(code))
            if status >= HTTPStatus.BAD_REQUEST:
                content = answer["content"]
                content["application/problem+json"] = content.pop("application/json")
            if status in _HEADERS and (status != HTTPStatus.OK or "304" in spec):
                name, text = _HEADERS[status]
                answer["headers"] = {
                    name: {"description": text, "required": True, "schema": {"type": "string"}}
                }
        return dict(sorted(spec.items()))
