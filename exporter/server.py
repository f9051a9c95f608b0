"""Serve the values of an aliases file over HTTP.

prometheus_client renders the metrics. This module adds the path, the scrape timeout and the reload.
"""

import errno
import logging
import os
from collections.abc import Iterable, Set
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, Info, make_wsgi_app

from exporter import __version__
from exporter.alias_collector import AliasCollector
from exporter.aliases import SELF_METRICS, Aliases, AliasesError, load
from exporter.http_server import SCRAPE_TIMEOUT_HEADER, HttpServer, Tls, scrape_timeout
from exporter.listen_address import ListenAddress
from exporter.native import Statvfs
from exporter.runner import CommandRunner

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_log = logging.getLogger(__name__)

_SCRAPE_TIMEOUT_VARIABLE = "HTTP_" + SCRAPE_TIMEOUT_HEADER.upper().replace("-", "_")


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
        self._servers: dict[str, HttpServer] = {}
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

    def _start_server(self, address: str) -> HttpServer:
        server = HttpServer(address, self._listen_address.port, self._handle_request)
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
                collector.scrape(scrape_timeout(environ.get(_SCRAPE_TIMEOUT_VARIABLE)))
            except TimeoutError:
                return _text_response(
                    start_response, "503 Service Unavailable", "the aliases are still running"
                )
        # The text format has the same content as OpenMetrics and takes half the CPU time.
        environ.pop("HTTP_ACCEPT", None)
        response: Iterable[bytes] = metrics(environ, start_response)
        return response


def _text_response(start_response: "StartResponse", status: str, text: str) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    start_response(
        status,
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return [body]
