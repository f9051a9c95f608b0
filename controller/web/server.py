"""HTTP server of the controller: waitress with limits for each client network.

Strangers who reach the port must not keep Prometheus, Alertmanager and users from the controller.
Connections, their duration, requests in progress and request sizes are therefore limited.
"""

import errno
import logging
import socket
import time
from http import HTTPStatus
from typing import Any
from wsgiref.types import WSGIApplication

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import MultiSocketServer, TcpWSGIServer
from waitress.task import ErrorTask

from controller import API_PREFIX
from controller.auth.rate_limit import client_network
from controller.web.connections import ConnectionTable
from controller.web.fair_dispatcher import FairDispatcher
from controller.web.reverse_proxy import last_forwarded_address
from controller.web.schemas import PROBLEM_CONTENT_TYPE, Problem

MAX_CONNECTIONS = 480  # below 1024, the usual limit of open files, with two more files each
MAX_CONNECTIONS_PER_NETWORK = 256  # a class of students behind one router
MAX_REQUEST_BYTES = 256 * 1024  # a notification of Alertmanager with its maximum number of alerts
"""Larger bodies are rejected before they are read. `create_app` sets the limit of its views."""

_THREADS = 16
_MAX_REQUESTS_PER_NETWORK = 4
_MAX_PIPELINED_REQUESTS = 4  # no usual client sends a request before the response to another one
_MAX_HEADER_BYTES = 16 * 1024
_REQUEST_SECONDS = 60.0
_STALLED_RESPONSE_SECONDS = 30.0
_CHECK_SECONDS = 5
# Options IP_FREEBIND and IPV6_FREEBIND of Linux, which Python does not define.
_FREE_BIND = {
    socket.AF_INET: (socket.IPPROTO_IP, 15),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 78),
}
# Requests of Prometheus and Alertmanager do not wait for other requests from the master.
_MONITORING_PATHS = frozenset({"/healthz", "/metrics", f"{API_PREFIX}/alerts"})


class _ErrorTask(ErrorTask):
    """Response with a problem of RFC 9457 to a request that does not reach the application."""

    # The type stubs of waitress are incomplete.
    request: Any
    response_headers: list[tuple[str, str]]

    def execute(self) -> None:
        """Send the response and close the connection."""
        error = self.request.error
        status = HTTPStatus(error.code)
        problem = Problem(title=status.phrase, status=status, detail=error.body)
        body = problem.model_dump_json(exclude_none=True).encode()
        self.status = f"{status.value} {status.phrase}"
        self.response_headers.append(("Content-Type", PROBLEM_CONTENT_TYPE))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


_log = logging.getLogger("controller")


class _Channel(HTTPChannel):
    """A connection. It is closed if it sends no complete request, or reads no response, in time."""

    error_task_class = _ErrorTask
    server: "_Server"
    requests: list[Any]

    def __init__(self, server: "_Server", sock: socket.socket, addr: Any, *args: Any, **kw: Any):
        self.network = client_network(addr[0])
        self.waiting_since = time.monotonic()
        super().__init__(server, sock, addr, *args, **kw)
        server.limit_connections(self)

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being processed."""
        return not self.requests

    def received(self, data: bytes) -> bool:
        """Parse received bytes. Close the connection if it sends too many requests at once."""
        is_received = super().received(data)
        if len(self.requests) > _MAX_PIPELINED_REQUESTS:
            self.abort()
        return is_received

    def service(self) -> None:
        """Process a request."""
        super().service()
        self.waiting_since = time.monotonic()

    def handle_close(self) -> None:
        """Close the connection."""
        self.server.connections.remove(self)
        super().handle_close()

    def close_if_overdue(self, now: float) -> None:
        """Close the connection if its client is too slow. `now` is a monotonic time."""
        is_overdue = self.is_waiting and now - self.waiting_since > _REQUEST_SECONDS
        idle_seconds = time.time() - self.last_activity
        if is_overdue or (self.total_outbufs_len and idle_seconds > _STALLED_RESPONSE_SECONDS):
            self.abort()

    def abort(self) -> None:
        """Close the connection in the next iteration of the loop, even if it has unsent data."""
        self.server.connections.remove(self)
        self.will_close = True
        try:
            # The loop then gets an event for the socket, which a full send buffer would prevent.
            self.socket.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]  # never None here
        except OSError:  # the client has already disconnected
            return


class _Server(TcpWSGIServer):
    """A listening socket."""

    channel_class = _Channel
    # The type stubs of waitress are incomplete.
    active_channels: dict[int, _Channel]  # type: ignore[assignment]
    effective_host: str
    effective_port: str

    def __init__(self, *args: Any, connections: ConnectionTable[_Channel], **kw: Any) -> None:
        self.connections = connections
        super().__init__(*args, **kw)

    def bind_server_socket(self) -> None:
        """Bind the socket, also to an address that this machine does not have yet.

        The controller does not wait for the network, because the relays must not.
        """
        try:
            super().bind_server_socket()
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL or self.socket is None:
                raise
            self.socket.setsockopt(*_FREE_BIND[self.socket.family], 1)
            super().bind_server_socket()
            _log.warning(
                "this machine does not have the address %s: clients cannot connect until it does",
                self.getsockname()[0],
            )

    def limit_connections(self, channel: _Channel) -> None:
        """Count a new connection, and close another one if there are too many."""
        if excess := self.connections.add(channel):
            excess.abort()

    def maintenance(self, now: float) -> None:  # noqa: ARG002 - called with the time of day
        """Close the connections of clients that are too slow."""
        for channel in list(self.active_channels.values()):
            channel.close_if_overdue(time.monotonic())


def create_server(app: WSGIApplication, listen: str, *, proxy: str | None = None) -> Any:
    """Return a server that listens, with the methods `run` and `close`.

    Args:
        app: The application.
        listen: `ADDRESS:PORT`.
        proxy: Address of the trusted proxy, whose requests count for the forwarded clients.

    Raises:
        OSError: If the address cannot be used.
        ValueError: If the address is invalid.
    """
    settings = Adjustments(
        listen=listen,
        max_request_body_size=MAX_REQUEST_BYTES,
        max_request_header_size=_MAX_HEADER_BYTES,
        inbuf_overflow=2 * MAX_REQUEST_BYTES,  # no body is written to the disk
        connection_limit=2 * MAX_CONNECTIONS,  # never reached: `ConnectionTable` has its own limit
        cleanup_interval=_CHECK_SECONDS,
        asyncore_use_poll=True,  # select() supports less than 1024 files
        clear_untrusted_proxy_headers=False,  # `controller.web.reverse_proxy` does
        log_socket_errors=False,
    )
    connections: ConnectionTable[_Channel] = ConnectionTable(
        max_per_network=MAX_CONNECTIONS_PER_NETWORK,
        max_total=MAX_CONNECTIONS,
        exempt_network=proxy and client_network(proxy),
    )
    dispatcher = FairDispatcher(
        lambda channel: _lane(channel, proxy), max_per_lane=_MAX_REQUESTS_PER_NETWORK
    )
    sockets: Any = {}
    servers = [
        _Server(
            app,
            sockets,
            dispatcher=dispatcher,
            adj=settings,
            sockinfo=address,
            connections=connections,
        )
        for address in settings.listen
    ]
    dispatcher.set_thread_count(_THREADS)
    addresses = [(server.effective_host, int(server.effective_port)) for server in servers]
    return MultiSocketServer(sockets, settings, addresses, dispatcher)


def _lane(channel: Any, proxy: str | None) -> str:
    """Return the client network, with a lane of its own for monitoring."""
    request = channel.requests[0]
    network: str = channel.network
    if proxy is not None and network == client_network(proxy):
        network = client_network(last_forwarded_address(request.headers.get("X_FORWARDED_FOR", "")))
    is_monitoring = getattr(request, "path", "") in _MONITORING_PATHS
    return f"{'monitoring ' if is_monitoring else ''}{network}"
