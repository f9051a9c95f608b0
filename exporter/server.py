"""The exporter: an aliases file, served on an address.

Everything of HTTP is the library's; what is added here are the path, the scrape's time-out and
the limits that a hostile client meets.
"""

import logging
import math
import os
import socket
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, Gauge, Info, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from exporter import __version__
from exporter.aliases import OWN_METRICS, Aliases
from exporter.collector import Readings
from exporter.filesystem import Statvfs
from exporter.shell import Shell

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

DEFAULT_SCRAPE_TIMEOUT = 10.0
"""Seconds for a scrape that names no time-out of its own."""

_MARGIN = 0.5
_CLIENT_TIMEOUT = 10.0
_CLIENTS = 64


class Exporter:
    """Serves the metrics of `aliases` on `http://ADDRESS:PORT/metrics`.

    Commands find `sys` and `proc` below `$ROOT`, which is `root`; `statvfs` answers for file
    systems. Nothing listens or runs before `start`.
    """

    def __init__(
        self,
        aliases: Aliases,
        address: str,
        port: int,
        *,
        root: Path = Path("/"),
        statvfs: Statvfs = os.statvfs,
    ) -> None:
        self._address = address
        self._port = port
        self._shell = Shell(root=root, statvfs=statvfs)
        self._readings = Readings(aliases.metrics, self._shell)
        registry = CollectorRegistry()
        registry.register(self._readings)
        Info("pirack_exporter", OWN_METRICS["pirack_exporter_info"], registry=registry).info(
            {"version": __version__}
        )
        reload_ = "pirack_config_last_reload_successful"
        Gauge(reload_, OWN_METRICS[reload_], registry=registry).set(1)
        # Compressing costs more than all the rest, to save a few packets in a rack.
        self._metrics = make_wsgi_app(registry, disable_compression=True)
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; differs from the one asked for if that was 0."""
        return self._server.server_port if self._server else self._port

    def start(self) -> None:
        """Listen, and answer from a thread. Raises OSError if the address cannot be had."""
        self._server = _Server(self._address, self._port, self._answer)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and end every command. The port is free when this returns."""
        if self._server is not None:
            self._server.stop()
            self._thread.join()
            self._server = None
        self._shell.close()

    def _answer(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            return _say(start_response, "404 Not Found", "metrics are at /metrics")
        if environ["REQUEST_METHOD"] == "GET":
            try:
                self._readings.refresh(_timeout(environ))
            except TimeoutError:
                return _say(start_response, "503 Service Unavailable", "still reading the aliases")
        answer: Iterable[bytes] = self._metrics(environ, start_response)
        return answer


def _timeout(environ: "WSGIEnvironment") -> float:
    """The seconds this scrape may take: what Prometheus says, less what the way back needs."""
    try:
        asked = float(environ.get("HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS", ""))
    except ValueError:
        asked = math.nan
    if not 0 < asked < DEFAULT_SCRAPE_TIMEOUT * 10:
        asked = DEFAULT_SCRAPE_TIMEOUT
    return max(asked - _MARGIN, asked / 2)


def _say(start_response: "StartResponse", status: str, text: str) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    start_response(
        status,
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return [body]


class _Handler(WSGIRequestHandler):
    """Gives up on a client that neither asks nor listens, and logs no requests."""

    timeout = _CLIENT_TIMEOUT

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


class _Server(ThreadingWSGIServer):
    """The library's server with room for many clients at once, and a limit to them."""

    request_queue_size = 128

    def __init__(self, address: str, port: int, app: "WSGIApplication") -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._clients = threading.Semaphore(_CLIENTS)
        super().__init__((address, port), _Handler)
        self.set_app(app)

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of a host name, which may wait for a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()[:2]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._clients.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._clients.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Say in a line what the library would print a traceback of."""
        log.info("%s: %s", client_address[0], sys.exc_info()[1])

    def stop(self) -> None:
        """End `serve_forever` at once, and free the port."""
        # The library looks only every half second whether it is to stop, unless its socket speaks.
        self.socket.shutdown(socket.SHUT_RDWR)
        self._clients.release()
        self.shutdown()
        self.server_close()
