"""The exporter: an aliases file, served on an address.

Everything of HTTP is the library's; what is added here are the path, the scrape's time-out and
the limits that a hostile client meets.
"""

import logging
import math
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, Gauge, Info, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from exporter import __version__
from exporter.aliases import SELF_METRICS, Aliases, AliasesError, load
from exporter.collector import AliasCollector
from exporter.native import Statvfs
from exporter.runner import CommandRunner

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)

DEFAULT_SCRAPE_TIMEOUT = 10.0
"""Seconds for a scrape that names no time-out of its own."""

_TIMEOUT_MARGIN = 0.5
_CLIENT_TIMEOUT = 10.0
_MAX_CLIENTS = 64


@dataclass(frozen=True, slots=True)
class Tls:
    """The exporter's certificate and key, and the CA that clients must have theirs from, if any."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Exporter:
    """Serves the metrics of `aliases` on `http://ADDRESS:PORT/metrics`.

    Commands find `sys` and `proc` below `$ROOT`, which is `root`; `statvfs` answers for file
    systems. `kill_orphans` is for a process that does nothing else: there, also what a command
    started and cut loose ends with it. Nothing listens or runs before `start`.
    """

    def __init__(
        self,
        aliases: Aliases,
        address: str,
        port: int,
        *,
        root: Path = Path("/"),
        statvfs: Statvfs = os.statvfs,
        tls: Tls | None = None,
        kill_orphans: bool = False,
    ) -> None:
        self._address = address
        self._port = port
        self._tls = tls
        self._make_runner = partial(
            CommandRunner, root=root, statvfs=statvfs, kill_orphans=kill_orphans
        )
        self._server: _Server | None = None
        self._activate(aliases)

    @property
    def port(self) -> int:
        """The port that is listened on; differs from the one asked for if that was 0."""
        return self._server.server_port if self._server else self._port

    def start(self) -> None:
        """Listen, and answer from a thread. Raises OSError if the address cannot be had."""
        server = _Server(self._address, self._port, self._handle_request)
        if self._tls is not None:
            try:
                server.enable_tls(self._tls)
            except OSError:
                server.server_close()
                raise
        self._server = server
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def reload(self, path: Path) -> None:
        """Read the aliases anew. If that fails, the old ones stay, and a log line says why."""
        try:
            aliases = load(path)
        except AliasesError as error:
            _log.error("%s (the old aliases stay in force)", error)  # noqa: TRY400 - no traceback
            self._reloaded.set(0)
            return
        old = self._runner
        self._activate(aliases)
        old.drain()
        _log.info("%s: read again", path)

    def close(self) -> None:
        """Stop listening and end every command. The port is free when this returns."""
        if self._server is not None:
            self._server.stop()
            self._thread.join()
            self._server = None
        self._runner.close()

    def _activate(self, aliases: Aliases) -> None:
        self._runner = self._make_runner(aliases.metrics)
        registry = CollectorRegistry()
        readings = AliasCollector(aliases.metrics, self._runner)
        registry.register(readings)
        info = Info("pirack_exporter", SELF_METRICS["pirack_exporter_info"], registry=registry)
        info.info({"version": __version__})
        reloaded = "pirack_config_last_reload_successful"
        self._reloaded = Gauge(reloaded, SELF_METRICS[reloaded], registry=registry)
        self._reloaded.set(1)
        # Compressing costs more than all the rest, to save a few packets in a rack.
        self._current = (readings, make_wsgi_app(registry, disable_compression=True))

    def _handle_request(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            return _text_response(start_response, "404 Not Found", "metrics are at /metrics")
        readings, metrics = self._current
        if environ["REQUEST_METHOD"] == "GET":
            try:
                readings.scrape(_scrape_timeout(environ))
            except TimeoutError:
                return _text_response(
                    start_response, "503 Service Unavailable", "still reading the aliases"
                )
        # The plain text format says the same as OpenMetrics, at half the work.
        environ.pop("HTTP_ACCEPT", None)
        answer: Iterable[bytes] = metrics(environ, start_response)
        return answer


def _scrape_timeout(environ: "WSGIEnvironment") -> float:
    """The seconds this scrape may take: what Prometheus says, less what the way back needs."""
    try:
        asked = float(environ.get("HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS", ""))
    except ValueError:
        asked = math.nan
    if not 0 < asked < DEFAULT_SCRAPE_TIMEOUT * 10:
        asked = DEFAULT_SCRAPE_TIMEOUT
    return max(asked - _TIMEOUT_MARGIN, asked / 2)


def _text_response(start_response: "StartResponse", status: str, text: str) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    start_response(
        status,
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return [body]


class _Handler(WSGIRequestHandler):
    """Gives up on a client that neither asks nor listens, and logs no requests."""

    timeout = _CLIENT_TIMEOUT
    wbufsize = -1  # one packet for the headers and the metrics

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


class _Server(ThreadingWSGIServer):
    """The library's server with room for many clients at once, and a limit to them."""

    request_queue_size = 128

    def __init__(self, address: str, port: int, app: "WSGIApplication") -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._client_slots = threading.Semaphore(_MAX_CLIENTS)
        super().__init__((address, port), _Handler)
        self.set_app(app)

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of a host name, which may wait for a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()[:2]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._client_slots.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._client_slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Say in a line what the library would print a traceback of."""
        _log.info("%s: %s", client_address[0], sys.exc_info()[1])

    def enable_tls(self, tls: Tls) -> None:
        """Answer by TLS alone. Raises OSError, also if a file holds no certificate or key."""
        client_ca = None if tls.client_ca is None else str(tls.client_ca)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
        context.load_cert_chain(tls.certificate, tls.key)
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        # The handshake belongs into the client's own thread: a silent one keeps nobody waiting.
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def stop(self) -> None:
        """End `serve_forever` at once, and free the port."""
        # The library looks only every half second whether it is to stop, unless its socket speaks.
        self.socket.shutdown(socket.SHUT_RDWR)
        self._client_slots.release()
        self.shutdown()
        self.server_close()
