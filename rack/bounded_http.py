"""HTTP GET requests with an absolute deadline and a maximum size, without redirects.

Rasps and power sources are not trusted: a response may be endless, arrive byte by byte, or redirect
the controller to a service on loopback. Responses of Prometheus and Alertmanager contain text of
rasps.
"""

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from rack.errors import PiRackError


class InvalidResponseError(PiRackError):
    """The server sent a response that is too large or is not HTTP."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A complete response. `date` and `authenticate` are headers, or empty."""

    status: int
    body: bytes
    date: str = ""
    authenticate: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the status is 200. Redirects are not followed, so they are not ok."""
        return self.status == HTTPStatus.OK

    @property
    def text(self) -> str:
        """The body as text. Invalid bytes are replaced."""
        return self.body.decode("utf-8", "replace")


def get(
    url: str,
    *,
    timeout: float,
    max_bytes: int,
    connect_timeout: float | None = None,
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Send a GET request and return the response.

    Args:
        url: URL without a query.
        timeout: Seconds until the end of the response.
        max_bytes: Maximum size of the body.
        connect_timeout: Seconds until the connection is established, by default `timeout`.
        parameters: Query parameters.
        headers: Request headers.

    Raises:
        TimeoutError: If the response is not complete in time.
        OSError: If the server cannot be reached in time, or closes the connection.
        InvalidResponseError: If the response is too large or is not HTTP.
    """
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{urlencode(parameters)}" if parameters else parts.path or "/"
    deadline = time.monotonic() + timeout
    connection = _make_connection(
        parts.scheme, parts.hostname or "", parts.port, connect_timeout or timeout
    )
    try:
        _connect(connection, deadline)
        connection.request("GET", target, headers={"Connection": "close", **(headers or {})})
        response = connection.getresponse()
        body = response.read(max_bytes + 1)
    except HTTPException as error:
        raise InvalidResponseError(f"{url} did not send a valid HTTP response") from error
    finally:
        connection.close()
    if len(body) > max_bytes:
        raise InvalidResponseError(f"the response of {url} exceeds {max_bytes} bytes")
    header = response.getheader
    return HttpResponse(response.status, body, header("Date", ""), header("WWW-Authenticate", ""))


def _make_connection(scheme: str, host: str, port: int | None, timeout: float) -> HTTPConnection:
    if scheme != "https":
        return HTTPConnection(host, port, timeout=timeout)
    context = ssl.create_default_context()
    context.sslsocket_class = _SslSocket
    return HTTPSConnection(host, port, timeout=timeout, context=context)


def _connect(connection: HTTPConnection, deadline: float) -> None:
    try:
        connection.connect()
    except TimeoutError as error:
        raise ConnectionError("the connection was not established in time") from error
    if not isinstance(connection.sock, _SslSocket):
        connection.sock = _Socket(fileno=connection.sock.detach())
        connection.sock.settimeout(connection.timeout)
    connection.sock.deadline = deadline


class _DeadlineMixin:
    """Limits the time of all reads together. A socket only has a timeout for each read."""

    deadline = 0.0

    def recv_into(self, *arguments: Any) -> int:
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        self.settimeout(seconds)  # type: ignore[attr-defined]
        return super().recv_into(*arguments)  # type: ignore[misc,no-any-return]


class _Socket(_DeadlineMixin, socket.socket):
    pass


class _SslSocket(_DeadlineMixin, ssl.SSLSocket):
    pass
