"""HTTP server of a virtual device."""

import json
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from virtual_rack.faults import Fault
from virtual_rack.outlets.device import OutletServer

_MAX_BODY = 65536
_IDLE_SECONDS = 60.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """A request. `target` is the path with the query, as sent. `query` is decoded."""

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    authorization: str
    body: bytes


@dataclass(frozen=True, slots=True)
class DeviceResponse:
    """A response with a JSON body."""

    body: Any
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpDevice(OutletServer):
    """A device that is switched over HTTP. While it is away, it refuses connections."""

    _server: ThreadingHTTPServer | None = None
    _thread: Thread | None = None

    def start(self) -> None:
        """Listen; see `OutletServer`."""
        self._bind()
        if not self.is_away:
            self._listen()

    def close(self) -> None:
        """Stop listening; see `OutletServer`."""
        super().close()
        self._stop_listening()
        if self._server is not None:
            self._server.server_close()
            self._server = None

    @abstractmethod
    def respond(self, request: DeviceRequest) -> DeviceResponse:
        """Return the response to a request."""

    def _apply_faults(self, _changed: Fault) -> None:
        if self._server is None:
            return
        if self.is_away and self._thread is not None:
            self._stop_listening()
            self._server.server_close()
            self._bind()  # without listening, so that no other program takes the port
        elif not self.is_away and self._thread is None:
            self._listen()

    def _bind(self) -> None:
        self._server = _Server((self.host, self.port), _handler_type(self))
        self._server.server_bind()
        self.port = self._server.server_port

    def _listen(self) -> None:
        if self._server is not None:
            self._server.server_activate()
            self._thread = Thread(
                target=self._server.serve_forever,
                args=(_POLL_SECONDS,),
                name="outlets",
                daemon=True,
            )
            self._thread.start()

    def _stop_listening(self) -> None:
        if self._thread is not None and self._server is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        super().__init__(address, handler, bind_and_activate=False)

    def server_bind(self) -> None:
        # Unlike the base class, do not ask a name server for the name of the host.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


def _handler_type(device: HttpDevice) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_SECONDS

        def do_GET(self) -> None:
            self._respond()

        def do_POST(self) -> None:
            self._respond()

        def _respond(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if not length.isdigit() or int(length) > _MAX_BODY:
                self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                return
            url = urlsplit(self.path)
            request = DeviceRequest(
                self.command,
                self.path,
                url.path,
                dict(parse_qsl(url.query, keep_blank_values=True)),
                self.headers.get("Authorization", ""),
                self.rfile.read(int(length)),
            )
            time.sleep(device.delay)
            if device.is_away:
                self.close_connection = True
                return
            self._send(device.respond(request))

        def _send(self, response: DeviceResponse) -> None:
            body = json.dumps(response.body).encode()
            self.send_response(response.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
