"""Exporter port of a rasp, where the exporter works or hangs."""

import socket
import threading
from collections.abc import Callable
from typing import Protocol

from virtual_rack.sockets import listen


class Startable(Protocol):
    """An exporter that can be started and closed."""

    def start(self) -> None:
        """Bind the port and serve requests. Raise OSError on failure."""

    def follow_addresses(self) -> None:
        """Serve at the current addresses of the rasp. Raise OSError on failure."""

    def close(self) -> None:
        """Stop serving requests and release the port."""


class ExporterPort:
    """A port with an exporter or with a socket that never responds. The port can also be closed.

    Args:
        address: Address of the port.
        port: Port number.
        make_exporter: Function that creates the exporter.
    """

    def __init__(self, address: str, port: int, make_exporter: Callable[[], Startable]) -> None:
        self._address = address
        self._port = port
        self._make_exporter = make_exporter
        self._exporter: Startable | None = None
        self._hanging_socket: socket.socket | None = None
        self._restart_requested = threading.Event()

    def restart(self) -> None:
        """Request a restart of the exporter by the next call of `serve`. Thread-safe."""
        self._restart_requested.set()

    def serve(self, *, hangs: bool) -> None:
        """Run the exporter. If `hangs`, run a socket that never responds instead.

        Raises:
            OSError: If the port cannot be bound.
        """
        if self._restart_requested.is_set():
            self._restart_requested.clear()
            self.close()
        if hangs and self._hanging_socket is None:
            self.close()
            self._hanging_socket = listen(self._address, self._port)
        elif not hangs and self._exporter is None:
            self.close()
            exporter = self._make_exporter()
            exporter.start()
            self._exporter = exporter
        elif self._exporter is not None:
            self._exporter.follow_addresses()

    def close(self) -> None:
        """Release the port."""
        if self._exporter is not None:
            self._exporter.close()
            self._exporter = None
        if self._hanging_socket is not None:
            self._hanging_socket.close()
            self._hanging_socket = None
