"""Conditional and compressed responses.

ETag and 304: RFC 9110.
"""

import gzip
from typing import Any

from flask import Response, render_template, request

_HTML_TYPE = "text/html; charset=utf-8"
_MIN_COMPRESSED_BYTES = 1000
_GZIP_LEVEL = 5  # higher levels need twice the time and save only 1 % of the bytes


def render_page(template: str, **context: Any) -> Response:
    """Return a rendered template."""
    return conditional_response(render_template(template, **context), _HTML_TYPE)


def conditional_response(body: str | bytes, content_type: str) -> Response:
    """Return a response with an ETag, or 304 if the client has the same body."""
    response = Response(body, content_type=content_type)
    response.add_etag(weak=True)  # the ETag is the same for the plain and the compressed body
    response.cache_control.no_cache = True
    response.vary.add("Accept-Encoding")
    response.make_conditional(request)
    data = response.get_data()
    if len(data) >= _MIN_COMPRESSED_BYTES and _may_compress():
        response.set_data(gzip.compress(data, _GZIP_LEVEL, mtime=0))
        response.content_encoding = "gzip"
    return response


def _may_compress() -> bool:
    """Return whether the response to the current request may be compressed.

    Requests from other sites are excluded: the length of a compressed response could reveal the
    CSRF token (BREACH, CVE-2013-3587).
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    return bool(request.accept_encodings["gzip"]) and site in {"same-origin", "none"}
