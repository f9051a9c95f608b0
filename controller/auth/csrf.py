"""Protection of requests that change state against pages of other sites (CSRF)."""

import hmac
from hashlib import sha256
from urllib.parse import urlsplit

from flask import request
from werkzeug.exceptions import Forbidden

CSRF_FIELD, CSRF_HEADER = "csrf_token", "X-CSRF-Token"

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_MAX_SHOWN_CHARS = 100


def csrf_token(secret: str) -> str:
    """Return the CSRF token of a session, derived from the secret in its cookie.

    The token is constant for a session, so that a page with a form can be answered with 304.
    (The token of Flask-WTF changes every second.)
    """
    return hmac.new(secret.encode("utf-8", "surrogatepass"), b"csrf", sha256).hexdigest()


def check_csrf(session_secret: str) -> None:
    """Check that a page of this site sent the current request.

    Args:
        session_secret: Value of the session cookie.

    Raises:
        Forbidden: If the CSRF token is missing or wrong, or the page belongs to another site.
    """
    token = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
    expected = csrf_token(session_secret)
    if not session_secret or not hmac.compare_digest(
        token.encode("utf-8", "surrogatepass"), expected.encode()
    ):
        raise Forbidden(
            "the CSRF token is missing, or belongs to another session: reload the page, and check"
            " that the browser accepts cookies"
        )
    # A form on another site is rejected even if it contains a stolen token.
    origin = request.headers.get("Origin")
    if not is_same_site(request.headers.get("Sec-Fetch-Site"), origin, request.host):
        raise Forbidden(
            f"the request was sent from a page of another site, {(origin or '')[:_MAX_SHOWN_CHARS]}"
            f" instead of {request.host[:_MAX_SHOWN_CHARS]}. If both are this controller, its proxy"
            " must set X-Forwarded-Host to the host and port in the browser"
        )


def is_same_site(fetch_site: str | None, origin: str | None, host: str) -> bool:
    """Return whether a page of this site, or no page, sent a request.

    Args:
        fetch_site: Header `Sec-Fetch-Site`. Browsers send it over HTTPS and from loopback, and do
            not let pages change it. It is correct even if a proxy changes the host.
        origin: Header `Origin`.
        host: Host and port of the request.
    """
    if fetch_site is not None:
        return fetch_site in {"same-origin", "none"}
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    default_port = _DEFAULT_PORTS.get(parts.scheme)
    if default_port is None:
        return False
    return parts.netloc.lower() == host.lower().removesuffix(default_port)
