"""Conditional and compressed responses.

ETag and 304: RFC 9110.
"""

import gzip
from functools import cached_property
from http import HTTPStatus
from typing import Any

from flask import Response, render_template, request
from werkzeug.http import generate_etag

_HTML_TYPE = "text/html; charset=utf-8"
_MIN_COMPRESSED_BYTES = 1000
_GZIP_LEVEL = 5  # higher levels need twice the time and save only 1 % of the bytes


class Representation:
    """A body that is sent to several clients, and its ETag.

    The ETag is computed once, and the body is compressed at most once.
    """

    def __init__(self, body: str | bytes, content_type: str = _HTML_TYPE) -> None:
        self.body = body.encode() if isinstance(body, str) else body
        self.content_type = content_type
        self.etag = generate_etag(self.body)

    @cached_property
    def compressed(self) -> bytes:
        """The body, compressed by gzip."""
        return gzip.compress(self.body, _GZIP_LEVEL, mtime=0)


def render_page(template: str, **context: Any) -> Response:
    """Return a rendered template."""
    return respond(Representation(render_template(template, **context)))


def conditional_response(body: str | bytes, content_type: str) -> Response:
    """Return a response with an ETag, or 304 if the client has the same body."""
    return respond(Representation(body, content_type))


def respond(representation: Representation) -> Response:
    """Return a response with a representation, or 304 if the client has it."""
    response = Response(content_type=representation.content_type)
    # The ETag is the same for the plain and the compressed body.
    response.set_etag(representation.etag, weak=True)
    response.cache_control.no_cache = True
    response.vary.add("Accept-Encoding")
    response.make_conditional(request)
    if response.status_code == HTTPStatus.NOT_MODIFIED:
        return response
    if len(representation.body) >= _MIN_COMPRESSED_BYTES and _may_compress():
        response.set_data(representation.compressed)
        response.content_encoding = "gzip"
    else:
        response.set_data(representation.body)
    return response


def _may_compress() -> bool:
    """Return whether the response to the current request may be compressed.

    Requests from other sites are excluded: the length of a compressed response could reveal the
    CSRF token (BREACH, CVE-2013-3587).
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    return bool(request.accept_encodings["gzip"]) and site in {"same-origin", "none"}
