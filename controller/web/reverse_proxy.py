"""Requests that a reverse proxy forwards: client address, scheme, host and path prefix.

Only the headers of the trusted proxy are used. `docs/how-to/reverse-proxy.md` has configurations.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.exceptions import BadRequest

_FOR, _PROTO, _HOST, _PREFIX = (
    f"X-Forwarded-{name}" for name in ("For", "Proto", "Host", "Prefix")
)
_REQUIRED = (_FOR, _PROTO)
_SCHEMES = ("http", "https")
_UNUSED = ("X-Forwarded-Port", "X-Forwarded-By", "Forwarded")
_HOST_PATTERN = re.compile(r"[A-Za-z0-9._\[\]:-]{1,255}")
# Two slashes at the start would refer to another site.
_PREFIX_PATTERN = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*){1,8}")
_MAX_SHOWN_CHARS = 100


class ProxyHeaderError(ValueError):
    """A header of the proxy is missing or invalid. The message names the header and the fix."""


class ReverseProxy:
    """WSGI application that applies the headers of a trusted proxy, and removes all others.

    Args:
        app: The application.
        proxy: Address of the trusted proxy, or None.
    """

    def __init__(self, app: WSGIApplication, proxy: str | None) -> None:
        self._app = app
        self._proxy = proxy

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Process a request."""
        headers = {
            name: value
            for name in (_FOR, _PROTO, _HOST, _PREFIX, *_UNUSED)
            if (value := environ.pop(_key(name), None)) is not None
        }
        # Programs on the master send requests without these headers, also from the proxy's address.
        if headers and self._proxy is not None and environ.get("REMOTE_ADDR") == self._proxy:
            try:
                environ.update(forwarded_environ(headers, str(environ.get("PATH_INFO", ""))))
            except ProxyHeaderError as error:
                return BadRequest(str(error))(environ, start_response)
        return self._app(environ, start_response)


def forwarded_environ(headers: dict[str, str], path: str) -> dict[str, Any]:
    """Return the WSGI variables of a forwarded request.

    Args:
        headers: Forwarded headers by name.
        path: Path of the request, with or without the prefix.

    Raises:
        ProxyHeaderError: If a header is missing or invalid.
    """
    for name in _REQUIRED:
        if name not in headers:
            raise ProxyHeaderError(f"the proxy sent no {name}: configure the proxy to set it")
    address = last_forwarded_address(headers[_FOR])
    if not address:
        raise _invalid(_FOR, headers[_FOR], "the last value must be the address of the client")
    scheme = headers[_PROTO].strip().lower()
    if scheme not in _SCHEMES:
        raise _invalid(_PROTO, headers[_PROTO], "replace the header with http or https")
    environ = {"REMOTE_ADDR": address, "REMOTE_HOST": address, "wsgi.url_scheme": scheme}
    if (host := headers.get(_HOST)) is not None:
        if not _HOST_PATTERN.fullmatch(host):
            raise _invalid(_HOST, host, "replace the header with the host and port of the browser")
        environ["HTTP_HOST"] = host
    if prefix := headers.get(_PREFIX, "").rstrip("/"):
        if not _PREFIX_PATTERN.fullmatch(prefix):
            raise _invalid(_PREFIX, prefix, "set it to a path such as /pirack")
        environ["SCRIPT_NAME"] = prefix
        if path == prefix or path.startswith(f"{prefix}/"):  # the proxy did not remove it
            environ["PATH_INFO"] = path.removeprefix(prefix) or "/"
    return environ


def last_forwarded_address(header: str) -> str:
    """Return the last address in `X-Forwarded-For`, which the proxy added, or "".

    Some proxies add the port. Earlier addresses are from the client, who may have invented them.
    """
    text = header.rpartition(",")[2].strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def _key(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


def _invalid(name: str, value: str, fix: str) -> ProxyHeaderError:
    return ProxyHeaderError(f"the proxy sent {name}: {value[:_MAX_SHOWN_CHARS]!r}: {fix}")
