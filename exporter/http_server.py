"""HTTP server that a slow or hostile client cannot occupy.

Each connection serves one request in its own thread, with a deadline for the whole request and
another for the whole response. If the server has no free connection, it closes the connection that
has been sending its request for the longest time. Prometheus sends its request in one packet.
"""

import logging
import math
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from io import BufferedIOBase
from pathlib import Path
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client.exposition import ThreadingWSGIServer

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
REQUEST_SECONDS = 5.0
"""Maximum duration of a request, from the connection to the end of the headers."""
_SEND_SECONDS = 10.0
_MAX_REQUEST_BYTES = 16 * 1024

SCRAPE_TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
DEFAULT_SCRAPE_TIMEOUT = 10.0
"""Timeout in seconds of a scrape request that sets none."""
_TIMEOUT_MARGIN = 0.5


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificate and key of the server, and the CA that must have signed client certificates."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


def scrape_timeout(header: str | None) -> float:
    """Return Prometheus' scrape timeout in seconds, minus a margin for the response."""
    try:
        timeout = float(header or "")
    except ValueError:
        timeout = math.nan
    if not 0 < timeout < DEFAULT_SCRAPE_TIMEOUT * 10:
        timeout = DEFAULT_SCRAPE_TIMEOUT
    return max(timeout - _TIMEOUT_MARGIN, timeout / 2)


@dataclass(slots=True)
class _Connection:
    """Deadline of a connection, and whether the request is complete."""

    deadline: float
    has_request: bool = False


class _Connections:
    """The open connections, at most `MAX_CONNECTIONS`. Thread-safe."""

    def __init__(self) -> None:
        self._connections: dict[socket.socket, _Connection] = {}
        self._lock = threading.Lock()

    def add(self, client: socket.socket) -> bool:
        """Register a new connection. Return False if all others have sent their request."""
        with self._lock:
            if len(self._connections) >= MAX_CONNECTIONS:
                # The connections are in the order in which they were added.
                for each, connection in self._connections.items():
                    if not connection.has_request:
                        self._abort(each)
                        break
                else:
                    return False
            self._connections[client] = _Connection(time.monotonic() + REQUEST_SECONDS)
            return True

    def begin_response(self, client: socket.socket, seconds: float) -> bool:
        """Set the deadline of the response. Return False if the connection was aborted."""
        with self._lock:
            connection = self._connections.get(client)
            if connection is None:
                return False
            connection.has_request = True
            connection.deadline = time.monotonic() + seconds
            return True

    def remove(self, client: socket.socket) -> None:
        with self._lock:
            self._connections.pop(client, None)

    def abort_expired(self) -> None:
        """Abort the connections whose deadline has passed."""
        now = time.monotonic()
        with self._lock:
            connections = self._connections.items()
            for client in [each for each, state in connections if state.deadline < now]:
                self._abort(client)

    def _abort(self, client: socket.socket) -> None:
        del self._connections[client]
        # Unlike close(2), this wakes a thread that reads from the connection or writes to it.
        with suppress(OSError):  # the client has closed the connection
            socket.socket.shutdown(client, socket.SHUT_RDWR)


class _RequestReader:
    """Reads the lines of a request, at most `_MAX_REQUEST_BYTES` in total."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self._remaining = _MAX_REQUEST_BYTES

    def readline(self, limit: int = -1) -> bytes:
        """Return a line, or b"" at the end of the stream or of the limit."""
        limit = self._remaining if limit < 0 else min(limit, self._remaining)
        line = self._file.readline(limit)
        self._remaining -= len(line)
        return line

    @property
    def is_exhausted(self) -> bool:
        """Whether the limit is reached, so that the request is incomplete."""
        return self._remaining == 0

    def close(self) -> None:
        self._file.close()


class _Handler(WSGIRequestHandler):
    """Handles one request, without a log of requests."""

    server: "HttpServer"
    timeout = _SEND_SECONDS
    wbufsize = -1  # sends the headers and the metrics in one packet

    def setup(self) -> None:
        super().setup()
        self._reader = _RequestReader(self.rfile)
        self.rfile = self._reader  # type: ignore[assignment]

    def parse_request(self) -> bool:
        """Parse the request. Return False if the request is invalid, too long or too late."""
        if not super().parse_request():
            return False
        if self._reader.is_exhausted:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return False
        seconds = scrape_timeout(self.headers.get(SCRAPE_TIMEOUT_HEADER)) + _SEND_SECONDS
        return self.server.connections.begin_response(self.connection, seconds)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - name of the base class
        pass


class HttpServer(ThreadingWSGIServer):
    """Threading server that limits the number and the duration of connections."""

    request_queue_size = 128

    def __init__(self, address: str, port: int, app: "WSGIApplication") -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.connections = _Connections()
        super().__init__((address, port), _Handler)
        self.set_app(app)

    def server_bind(self) -> None:
        """Bind without the host name lookup of HTTPServer, which may block."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()[:2]
        self.setup_environ()

    def service_actions(self) -> None:
        """Enforce the deadlines. The base class calls this at least every 0.5 seconds."""
        self.connections.abort_expired()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection in its own thread, or refuse it if all others have a request."""
        if self.connections.add(request):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle a connection and close it."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.remove(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log an error in one line instead of a traceback."""
        _log.info("%s: %s", client_address[0], sys.exc_info()[1])

    def enable_tls(self, tls: Tls) -> None:
        """Require TLS. Raise OSError if the certificate or its key cannot be used."""
        client_ca = None if tls.client_ca is None else str(tls.client_ca)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
        context.load_cert_chain(tls.certificate, tls.key)
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        # The handshake runs in the client's thread, so that a silent client blocks no other client.
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def start(self) -> None:
        """Serve in a background thread."""
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving at once and free the port."""
        # serve_forever checks for a stop request every 0.5 s. The shutdown of its socket wakes it.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self.server_close()
        self._thread.join()
