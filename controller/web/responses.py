"""Answers are short: one that a client already has is not sent again, others are compressed.

ETag and 304: RFC 9110.
"""

import gzip
from typing import Any

from flask import Response, render_template, request

_HTML_TYPE = "text/html; charset=utf-8"
_MIN_COMPRESSED_BYTES = 1000
_GZIP_LEVEL = 5  # of gzip's nine: the next ones take twice the time for a hundredth of the bytes


def render_page(template: str, **context: Any) -> Response:
    """Return a page made of a template."""
    return conditional_response(render_template(template, **context), _HTML_TYPE)


def conditional_response(body: str | bytes, content_type: str) -> Response:
    """Return an answer with an ETag of its body, or 304 where the client has just that body."""
    response = Response(body, content_type=content_type)
    response.add_etag(weak=True)  # the same for the body as it is and compressed
    response.cache_control.no_cache = True
    response.vary.add("Accept-Encoding")
    response.make_conditional(request)
    data = response.get_data()
    if len(data) >= _MIN_COMPRESSED_BYTES and _may_compress():
        response.set_data(gzip.compress(data, _GZIP_LEVEL, mtime=0))
        response.content_encoding = "gzip"
    return response


def _may_compress() -> bool:
    """Tell whether the answer to the present request may be compressed.

    Not where another site has led a browser here: it could guess the CSRF token letter by letter
    from the lengths of compressed answers to addresses of its making (BREACH, CVE-2013-3587).
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    return bool(request.accept_encodings["gzip"]) and site in {"same-origin", "none"}
