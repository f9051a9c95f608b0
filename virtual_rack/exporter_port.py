"""The port where a rasp's exporter listens, or something that hangs."""

import socket
import threading
from collections.abc import Callable
from typing import Protocol

from virtual_rack.sockets import listen


class Startable(Protocol):
    """The exporter."""

    def start(self) -> None:
        """Bind and serve; OSError where that fails."""

    def close(self) -> None:
        """Stop serving and let the port go."""


class ExporterPort:
    """Has an exporter, a socket that accepts and never answers, or nothing on it.

    Args:
        address: where it is.
        port: its number.
        make_exporter: makes the exporter.
    """

    def __init__(self, address: str, port: int, make_exporter: Callable[[], Startable]) -> None:
        self._address = address
        self._port = port
        self._make_exporter = make_exporter
        self._exporter: Startable | None = None
        self._hanging_socket: socket.socket | None = None
        self._restart_requested = threading.Event()

    def restart(self) -> None:
        """Have the exporter end, and begin anew; from any thread. It is done a little later."""
        self._restart_requested.set()

    def serve(self, *, hangs: bool) -> None:
        """Have the one or the other listen.

        Raises:
            OSError: the port cannot be had.
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

    def close(self) -> None:
        """Let the port go."""
        if self._exporter is not None:
            self._exporter.close()
            self._exporter = None
        if self._hanging_socket is not None:
            self._hanging_socket.close()
            self._hanging_socket = None
