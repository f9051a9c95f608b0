"""Serve the values of an aliases file over HTTP.

prometheus_client implements HTTP. This module adds the path, the scrape timeout and limits for
clients.
"""

import errno
import logging
import math
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, Gauge, Info, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from exporter import __version__
from exporter.alias_collector import AliasCollector
from exporter.aliases import SELF_METRICS, Aliases, AliasesError, load
from exporter.listen_address import ListenAddress
from exporter.native import Statvfs
from exporter.runner import CommandRunner

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)

DEFAULT_SCRAPE_TIMEOUT = 10.0
"""Timeout in seconds of a scrape request that sets none."""

_TIMEOUT_MARGIN = 0.5
_CLIENT_TIMEOUT = 10.0
_MAX_CLIENTS = 64


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificate and key of the server, and the CA that must have signed client certificates."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Exporter:
    """Serves the metrics of aliases at `http://ADDRESS:PORT/metrics` after `start`.

    Args:
        aliases: Aliases to serve.
        address: IP address of the server, or a network: the exporter serves at the addresses that
            this machine has in the network.
        port: TCP port, or 0 for a free one.
        root: Folder that contains `sys` and `proc`. Commands use it as `$ROOT`.
        statvfs: Returns the sizes of a file system.
        tls: Certificates, or None for HTTP.
        kill_orphans: Whether to kill all other children of this process after each scrape. Set it
            only if the process serves nothing else.
    """

    def __init__(
        self,
        aliases: Aliases,
        address: str | IPv4Network,
        port: int,
        *,
        root: Path = Path("/"),
        statvfs: Statvfs = os.statvfs,
        tls: Tls | None = None,
        kill_orphans: bool = False,
    ) -> None:
        self._listen_address = ListenAddress(address, port)
        self._tls = tls
        self._make_runner = partial(
            CommandRunner, root=root, statvfs=statvfs, kill_orphans=kill_orphans
        )
        self._servers: dict[str, _Server] = {}
        self._activate(aliases)

    @property
    def port(self) -> int:
        """Port of the server. If 0 was requested, the port that the kernel chose."""
        for server in self._servers.values():
            return server.server_port
        return self._listen_address.port

    @property
    def addresses(self) -> Set[str]:
        """Addresses of the server. Empty while this machine has no address in the network."""
        return self._servers.keys()

    def start(self) -> None:
        """Serve in background threads. Raise OSError if an address cannot be used."""
        self._serve_at(self._listen_address.current())

    def follow_addresses(self) -> None:
        """Serve at the addresses that this machine has now.

        While this machine has no address in the network, nothing changes.

        Raises:
            OSError: If an address cannot be used.
        """
        previous = frozenset(self.addresses)
        if addresses := self._listen_address.current():
            self._serve_at(addresses)
        if self.addresses != previous:
            _log.info("now listening at %s", " ".join(sorted(self.addresses)))

    def _serve_at(self, addresses: Set[str]) -> None:
        for address in addresses - self.addresses:
            try:
                self._servers[address] = self._start_server(address)
            except OSError as error:
                # An address of the network may have disappeared since it was read.
                if self._listen_address.is_fixed or error.errno != errno.EADDRNOTAVAIL:
                    raise
        for address in self.addresses - addresses:
            self._servers.pop(address).stop()

    def _start_server(self, address: str) -> "_Server":
        server = _Server(address, self._listen_address.port, self._handle_request)
        if self._tls is not None:
            try:
                server.enable_tls(self._tls)
            except OSError:
                server.server_close()
                raise
        server.start()
        return server

    def reload(self, path: Path) -> None:
        """Reload the aliases file. If it is invalid, log the error and keep the current aliases."""
        try:
            aliases = load(path)
        except AliasesError as error:
            _log.error("%s (the current aliases stay active)", error)
            self._reloaded.set(0)
            return
        previous = self._runner
        self._activate(aliases)
        previous.drain()
        _log.info("%s: reloaded", path)

    def close(self) -> None:
        """Stop the server, free its port and kill all commands."""
        self._serve_at(frozenset())
        self._runner.close()

    def _activate(self, aliases: Aliases) -> None:
        self._runner = self._make_runner(aliases.metrics)
        registry = CollectorRegistry()
        collector = AliasCollector(aliases.metrics, self._runner)
        registry.register(collector)
        info = Info("pirack_exporter", SELF_METRICS["pirack_exporter_info"], registry=registry)
        info.info({"version": __version__})
        reloaded = "pirack_config_last_reload_successful"
        self._reloaded = Gauge(reloaded, SELF_METRICS[reloaded], registry=registry)
        self._reloaded.set(1)
        # Compression costs more CPU time than the rest of a scrape and saves only a few packets.
        self._current = (collector, make_wsgi_app(registry, disable_compression=True))

    def _handle_request(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            return _text_response(start_response, "404 Not Found", "metrics are at /metrics")
        collector, metrics = self._current
        if environ["REQUEST_METHOD"] == "GET":
            try:
                collector.scrape(_scrape_timeout(environ))
            except TimeoutError:
                return _text_response(
                    start_response, "503 Service Unavailable", "the aliases are still running"
                )
        # The text format has the same content as OpenMetrics and takes half the CPU time.
        environ.pop("HTTP_ACCEPT", None)
        response: Iterable[bytes] = metrics(environ, start_response)
        return response


def _scrape_timeout(environ: "WSGIEnvironment") -> float:
    """Return Prometheus' scrape timeout in seconds, minus a margin for the response."""
    try:
        timeout = float(environ.get("HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS", ""))
    except ValueError:
        timeout = math.nan
    if not 0 < timeout < DEFAULT_SCRAPE_TIMEOUT * 10:
        timeout = DEFAULT_SCRAPE_TIMEOUT
    return max(timeout - _TIMEOUT_MARGIN, timeout / 2)


def _text_response(start_response: "StartResponse", status: str, text: str) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    start_response(
        status,
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return [body]


class _Handler(WSGIRequestHandler):
    """Closes idle client connections and does not log requests."""

    timeout = _CLIENT_TIMEOUT
    wbufsize = -1  # sends the headers and the metrics in one packet

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - name of the base class
        pass


class _Server(ThreadingWSGIServer):
    """Threading server that limits the number of concurrent clients."""

    request_queue_size = 128

    def __init__(self, address: str, port: int, app: "WSGIApplication") -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._client_slots = threading.Semaphore(_MAX_CLIENTS)
        super().__init__((address, port), _Handler)
        self.set_app(app)

    def server_bind(self) -> None:
        """Bind without the host name lookup of HTTPServer, which may block."""
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
        self._client_slots.release()
        self.shutdown()
        self.server_close()
        self._thread.join()
