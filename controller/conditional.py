"""Answers that a client already has are not sent again: ETag and 304, RFC 9110."""

from typing import Any

from flask import Response, render_template, request

_HTML = "text/html; charset=utf-8"


def page(template: str, **shown: Any) -> Response:
    """Return a page made of a template."""
    return conditional(render_template(template, **shown), _HTML)


def conditional(body: str | bytes, content_type: str) -> Response:
    """Return an answer with an ETag of its body, or 304 where the client has just that body."""
    response = Response(body, content_type=content_type)
    response.add_etag()
    response.cache_control.no_cache = True
    response.make_conditional(request)
    return response
